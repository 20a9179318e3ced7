package checkout_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
)

const refundCall = "POST /v1/refunds"

// giveBack refunds a payment of an order. Its webhooks are answered then, too.
func (s *testShop) giveBack(id string, r checkout.Refund) error {
	s.t.Helper()
	before, findErr := s.flow.Order(s.t.Context(), id)
	err := s.flow.Refund(s.t.Context(), id, r)
	s.srv.Flush()
	if findErr != nil {
		return err
	}
	left, currency, refusal := r.Left(before)
	if refusal != nil {
		require.Equal(s.t, refusal, err)
	}
	if refunds := s.order(id).Refunds; r.Amount == 0 && len(refunds) > len(before.Refunds) {
		made := refunds[len(refunds)-1]
		require.Equal(s.t, left, made.Amount, "Left says what Refund gives back")
		require.Equal(s.t, currency, made.Currency)
	}
	return err
}

func TestRefund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{}), checkout.ErrNotFound)
	started := s.begin(cartOf("order-1", "tee"))
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{}), checkout.ErrNotPaid)
	s.pay(started.SessionID)
	require.EqualValues(t, 1999, s.order("order-1").Refundable())

	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{Amount: 2000}), checkout.ErrNothingToRefund)
	require.Error(t, s.giveBack("order-1", checkout.Refund{Amount: -1}))
	require.Zero(t, s.wire.count(refundCall))
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Amount: 500}))
	s.requireStatus("order-1", "partially_refunded")
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Amount: 500}))
	require.EqualValues(t, 999, s.order("order-1").Refundable())
	require.NoError(t, s.giveBack("order-1", checkout.Refund{}))
	s.requireStatus("order-1", "refunded")
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{}), checkout.ErrNothingToRefund)
	require.EqualValues(t, 1999, s.order("order-1").Refunded())
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeRefunded, checkout.ChangeRefunded}, s.kinds())
	s.requireStock("tee", 4, 0, 1)
}

// A request that is repeated with its Key, or sent twice at the same moment, refunds once.
func TestRefundIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	lost := errors.New("the answer is lost")
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		answer, err := send()
		if r.Method+" "+r.URL.Path == refundCall && err == nil {
			answer.Body.Close()
			return nil, lost
		}
		return answer, err
	})
	form := checkout.Refund{Amount: 500, Key: "form-1"}
	require.Error(t, s.giveBack("order-1", form))
	s.wire.on(nil)
	require.NoError(t, s.giveBack("order-1", form))
	require.NoError(t, s.giveBack("order-1", form))
	require.EqualValues(t, 500, s.order("order-1").Refunded())

	var clicks sync.WaitGroup
	for range 4 {
		clicks.Go(func() { _ = s.giveBack("order-1", checkout.Refund{}) })
	}
	clicks.Wait()
	s.requireStatus("order-1", "refunded")
	require.Len(t, s.order("order-1").Refunds, 2)
}

// Goods come back into stock once, whatever the number of refunds, and also if the money went back in the Dashboard.
func TestRefundRestocks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "tee")
	cart.Lines[0].Quantity = 2
	s.pay(s.begin(cart).SessionID)
	s.requireStock("tee", 3, 0, 2)
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Amount: 100}))
	s.requireStock("tee", 3, 0, 2)
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Amount: 100, Restock: true}))
	s.requireStock("tee", 5, 0, 2)
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Restock: true}))
	s.requireStock("tee", 5, 0, 2)
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{Restock: true}), checkout.ErrNothingToRefund)

	paid := s.begin(cartOf("order-2", "last")).SessionID
	s.pay(paid)
	s.refund(paid, 0)
	require.NoError(t, s.giveBack("order-2", checkout.Refund{Restock: true}))
	s.requireStock("last", 1, 0, 1)

	plain, _ := s.processOn(s.st, struct{ reservation.Reserver[tx] }{s.stock}, s.wire)
	require.ErrorIs(t, plain.Refund(t.Context(), "order-1", checkout.Refund{Restock: true}), checkout.ErrNoRestock)
}

// Of an order that was fulfilled with less than was paid for, what it sold comes back, and no more.
func TestRefundRestocksWhatWasSold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.beginUnrecorded(cartOf("order-1", "last", "tee", "tee"))
	s.srv.Advance(6 * time.Minute)
	s.sweep()
	s.pay(s.begin(cartOf("order-2", "last")).SessionID)
	s.pay(id)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
	s.requireStock("tee", 3, 0, 2)
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Restock: true}))
	s.requireStock("tee", 5, 0, 2)
	s.requireStock("last", 0, 0, 1)
}

// Goods of an order that is refunded before it could be fulfilled are not handed over.
func TestRefundBeforeFulfilment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Restock: true}))
	s.onFulfil(nil)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.Zero(t, s.shipments("order-1"))
	s.requireStatus("order-1", "refunded")
	s.requireStock("tee", 5, 0, 1)
}

// Stripe refuses the refund of a disputed payment, so it is not asked for one.
func TestRefundOfADisputedPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	paid := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(paid)
	_, err := s.srv.Dispute(paid)
	require.NoError(t, err)
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{}), checkout.ErrNothingToRefund)
	require.Zero(t, s.wire.count(refundCall))
}

// The event of a renewal is lost, and a person gives the latest payment back: it is that of the renewal, not the one before.
func TestRefundBehindTheNews(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	s.months(1)
	s.dropWebhooks()
	s.srv.Advance(32 * day)
	require.Len(t, s.order("club").Invoices, 2)
	require.NoError(t, s.giveBack("club", checkout.Refund{}))
	o := s.order("club")
	require.Len(t, o.Invoices, 3)
	require.EqualValues(t, []int64{0, 0, 900}, []int64{o.InvoiceRefunded(o.Invoices[0].ID), o.InvoiceRefunded(o.Invoices[1].ID), o.InvoiceRefunded(o.Invoices[2].ID)})
}

// Of a subscription the latest period is given back, or the invoice that is named. A trial has nothing to give back.
func TestRefundOfASubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	s.months(2)
	o := s.order("club")
	require.Len(t, o.Invoices, 3)
	require.NoError(t, s.giveBack("club", checkout.Refund{Amount: 300}))
	require.EqualValues(t, 300, s.order("club").InvoiceRefunded(o.Invoices[2].ID))
	require.NoError(t, s.giveBack("club", checkout.Refund{}))
	require.EqualValues(t, 900, s.order("club").InvoiceRefunded(o.Invoices[2].ID))
	require.Zero(t, s.order("club").Refunded())
	require.NoError(t, s.giveBack("club", checkout.Refund{Invoice: o.Invoices[1].ID}))
	require.EqualValues(t, 900, s.order("club").InvoiceRefunded(o.Invoices[1].ID))
	require.NoError(t, s.giveBack("club", checkout.Refund{Invoice: o.Invoices[0].ID}))
	require.EqualValues(t, 900, s.order("club").Refunded())
	require.ErrorIs(t, s.giveBack("club", checkout.Refund{Invoice: "in_other"}), checkout.ErrNotFound)

	trial := clubOf("trial")
	trial.TrialDays = 14
	s.pay(s.begin(trial).SessionID)
	require.Equal(t, store.SubscriptionTrialing, s.order("trial").Subscription().Status)
	require.Equal(t, testStart.AddDate(0, 0, 14), s.order("trial").Subscription().TrialEnd.Add(testStart.Sub(s.order("trial").CreatedAt)))
	require.ErrorIs(t, s.giveBack("trial", checkout.Refund{}), checkout.ErrNothingToRefund)
}

// Of an order that was paid twice each payment can be given back by itself. Nothing else happens to the order then.
func TestRefundOfASecondPayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.payTwice()
	require.Equal(t, "attempt 1 was paid, too", s.order("order-1").StuckReason())

	require.ErrorContains(t, s.giveBack("order-1", checkout.Refund{Attempt: 1, Restock: true}), "refund it without Restock")
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{Attempt: 3}), checkout.ErrNotPaid)
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{Attempt: -1}), checkout.ErrNotPaid)
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{Attempt: 1, Amount: 2000}), checkout.ErrNothingToRefund)
	require.Zero(t, s.wire.count(refundCall))

	require.NoError(t, s.giveBack("order-1", checkout.Refund{Attempt: 1, Amount: 500, Key: "form"}))
	require.EqualValues(t, 1499, s.order("order-1").AttemptRefundable(1))
	require.True(t, s.order("order-1").Stuck(), "a part of the second payment is still there")
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Attempt: 1}))
	require.False(t, s.order("order-1").Stuck())
	require.Zero(t, s.order("order-1").Refunded())
	s.requireStatus("order-1", checkout.Fulfilled)
	s.requireStock("tee", 4, 0, 1)
	require.ErrorIs(t, s.giveBack("order-1", checkout.Refund{Attempt: 1}), checkout.ErrNothingToRefund)

	require.NoError(t, s.giveBack("order-1", checkout.Refund{Attempt: 2, Amount: 500, Key: "form"}))
	require.EqualValues(t, 500, s.order("order-1").Refunded(), "the same key, and another payment")
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Restock: true}))
	s.requireStatus("order-1", "refunded")
	s.requireStock("tee", 5, 0, 1)
}

// An automatic refund of a second payment that failed can be made by a person.
func TestRefundOfASecondPaymentByHand(t *testing.T) {
	t.Parallel()
	s := refundingShop(t, checkout.ChangeDuplicatePayment)
	s.payTwice()
	s.sweep()
	require.NoError(t, s.srv.FailRefund(s.order("order-1").Refunds[0].ID))
	require.True(t, s.order("order-1").Stuck())
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Attempt: 1}))
	require.Len(t, s.order("order-1").Refunds, 2)
	require.False(t, s.order("order-1").Stuck())
	s.requireStatus("order-1", checkout.Fulfilled)
}

// A customer with two subscriptions gets back what is named: the invoice of either, or the latest of an attempt.
func TestRefundOfASecondSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	lost := s.beginUnrecorded(clubOf("club"))
	first := s.subscribe("club")
	s.pay(lost)
	s.sweep()
	o := s.order("club")
	require.Len(t, o.Subscriptions, 2)
	invoices := make(map[bool]string) // by whether they are of the subscription that counts
	for _, inv := range o.Invoices {
		require.True(t, inv.First())
		invoices[inv.Subscription == first.ID] = inv.ID
	}

	require.ErrorContains(t, s.giveBack("club", checkout.Refund{Attempt: 1, Invoice: invoices[true]}), "name one of the two")
	require.Zero(t, s.wire.count(refundCall))
	require.NoError(t, s.giveBack("club", checkout.Refund{Invoice: invoices[false], Amount: 100}))
	require.Zero(t, s.order("club").Refunded())
	require.EqualValues(t, 100, s.order("club").AttemptRefunded(1))
	require.NoError(t, s.giveBack("club", checkout.Refund{Attempt: 1}))
	require.Equal(t, "the subscription of attempt 1 is charged on, and nothing is handed over for it", s.order("club").StuckReason())
	s.cancelAtOnce(s.order("club").Attempts[0].Subscription)
	require.False(t, s.order("club").Stuck())
	require.True(t, s.order("club").Access(s.srv.Now(), 0).Granted)
	require.NoError(t, s.giveBack("club", checkout.Refund{Invoice: invoices[true]}))
	require.EqualValues(t, 900, s.order("club").Refunded())
}

// A second subscription that began with a trial has no payment yet, and nothing of it is left to refund.
func TestNothingToRefundOfASecondTrial(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	lost := s.beginUnrecorded(trialOf("club", 14, ""))
	s.subscribe("club")
	s.pay(lost)
	o := s.order("club")
	require.Equal(t, "attempt 1 was paid, too", o.StuckReason())
	left, _, err := checkout.Refund{Attempt: 1}.Left(o)
	require.NoError(t, err)
	require.Zero(t, left)
	require.EqualValues(t, 900, o.Refundable())
}

// A process without an OnChange leaves the change to the process that has one, also if a refund is the first thing that it does.
func TestRefundByAProcessWithoutOnChange(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.loseWebhooks()
	other, _ := s.processWith(func(c *checkout.Config[tx]) { c.OnChange = nil })
	require.NoError(t, other.Refund(t.Context(), "order-1", checkout.Refund{}))
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeRefunded}, s.kinds())
}

// A refund that failed is made again, although the amount and the sum of the others are the same. Stripe would answer a repeated Key with
// the refund that failed, so that is an error.
func TestRefundAfterOneThatFailed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.NoError(t, s.giveBack("order-1", checkout.Refund{Amount: 500}))
	require.NoError(t, s.giveBack("order-1", checkout.Refund{}))
	require.NoError(t, s.srv.FailRefund(s.order("order-1").Refunds[1].ID))
	s.requireStatus("order-1", "partially_refunded")
	require.NoError(t, s.giveBack("order-1", checkout.Refund{}))
	require.Len(t, s.order("order-1").Refunds, 3)
	s.requireStatus("order-1", "refunded")

	s.pay(s.begin(cartOf("order-2", "tee")).SessionID)
	form := checkout.Refund{Key: "form-1", Restock: true}
	require.NoError(t, s.giveBack("order-2", form))
	require.NoError(t, s.srv.FailRefund(s.order("order-2").Refunds[0].ID))
	require.ErrorContains(t, s.giveBack("order-2", form), "use another Key")
	require.NoError(t, s.giveBack("order-2", checkout.Refund{Key: "form-2"}))
	s.requireStatus("order-2", "refunded")
}

// An inquiry takes no money, and a refund settles it. Stripe refuses the refund if it became a dispute.
func TestRefundOfAnInquiry(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	paid := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(paid)
	_, err := s.srv.Inquire(paid)
	require.NoError(t, err)
	s.requireStatus("order-1", "disputed")
	require.NoError(t, s.giveBack("order-1", checkout.Refund{}))
	require.EqualValues(t, 1999, s.order("order-1").Refunded())
}

// The longest IDs and keys that are taken make no idempotency key that Stripe refuses.
func TestIdempotencyKeysOfLongIDs(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) {
		c.ShopID, c.Refund = strings.Repeat("s", 64), []checkout.ChangeKind{checkout.ChangeDuplicatePayment}
	})
	id := strings.Repeat("o", 200)
	old := s.beginUnrecorded(cartOf(id, "tee"))
	s.pay(s.begin(cartOf(id, "tee")).SessionID)
	s.pay(old)
	s.sweep()
	require.Len(t, s.order(id).Refunds, 1)
	for _, end := range []string{"1", "2", "2"} {
		require.NoError(t, s.giveBack(id, checkout.Refund{Amount: 100, Key: strings.Repeat("k", 99) + end}))
	}
	require.EqualValues(t, 200, s.order(id).Refunded(), "keys that differ at their end differ")
}
