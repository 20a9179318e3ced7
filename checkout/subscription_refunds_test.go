package checkout_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// invoicePayment is the payment intent of an invoice of the order, counted from 0.
func (s *testShop) invoicePayment(orderID string, n int) string {
	s.t.Helper()
	return s.order(orderID).Invoices[n].PaymentIntents[0]
}

func (s *testShop) refundPayment(intent string) {
	s.t.Helper()
	_, err := s.srv.Client().V1Refunds.Create(s.t.Context(), &stripe.RefundCreateParams{PaymentIntent: &intent})
	require.NoError(s.t, err)
	s.srv.Flush()
}

// A subscription whose first payment was refunded or disputed before Fulfil succeeded is not handed over.
func TestSubscriptionGivenBackBeforeItIsFulfilled(t *testing.T) {
	t.Parallel()
	for name, giveBack := range map[string]func(s *testShop, sessionID, intent string){
		"refunded": func(s *testShop, _, intent string) { s.refundPayment(intent) },
		"disputed": func(s *testShop, sessionID, _ string) {
			_, err := s.srv.Dispute(sessionID)
			require.NoError(s.t, err)
		},
	} {
		for _, heard := range []bool{true, false} {
			s := newShop(t)
			s.onFulfil(func(context.Context, tx, *store.Order) error { return errors.New("the database of members is away") })
			id := s.begin(clubOf("club")).SessionID
			s.pay(id)
			require.Equal(t, 1, s.fulfilRuns())
			if !heard {
				s.loseWebhooks()
			}
			giveBack(s, id, s.invoicePayment("club", 0))
			s.onFulfil(nil)
			s.srv.Advance(time.Hour)
			s.sweep()
			require.Zero(t, s.shipments("club"), "%s, heard %t", name, heard)
			s.requireStatus("club", checkout.DisplayStatus(name))
			require.False(t, s.order("club").Access(s.srv.Now(), 0).Granted)
		}
	}
}

// The refund of a renewal that was never heard of finds its order through the invoice of the payment.
func TestRefundOfAnUnknownRenewal(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sub := s.subscribe("club")
	s.loseWebhooks()
	s.srv.Advance(32 * 24 * time.Hour)
	s.srv.Deliver(s.hook)
	params := &stripe.SubscriptionRetrieveParams{Expand: stripe.StringSlice([]string{"latest_invoice.payments"})}
	known, err := s.srv.Client().V1Subscriptions.Retrieve(t.Context(), sub.ID, params)
	require.NoError(t, err)
	s.refundPayment(known.LatestInvoice.Payments.Data[0].Payment.PaymentIntent.ID)
	o := s.order("club")
	require.EqualValues(t, 900, o.InvoiceRefunded(known.LatestInvoice.ID))
	require.Equal(t, store.AccessRefunded, o.Access(s.srv.Now(), 0).Reason)
	require.Zero(t, o.Refunded())
}

// subscribeTwice begins a second subscription of the order club, by a session that was never recorded. It returns the first.
func (s *testShop) subscribeTwice() (first *store.Subscription) {
	s.t.Helper()
	lost := s.beginUnrecorded(clubOf("club"))
	first = s.subscribe("club")
	s.pay(lost)
	return first
}

// With Config.Refund a second subscription of an order is canceled and its payment given back, and the first goes on.
func TestDuplicateSubscriptionIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
	first := s.subscribeTwice()
	s.srv.Advance(time.Minute)
	s.sweep()
	s.srv.Advance(time.Minute)
	s.sweep()
	o := s.order("club")
	require.Contains(t, s.kinds(), checkout.ChangeDuplicatePayment)
	require.Len(t, o.Subscriptions, 2)
	require.Equal(t, first.ID, o.Subscription().ID)
	require.Len(t, o.Refunds, 1)
	s.requireStatus("club", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("club"))
	for _, known := range o.Subscriptions {
		require.Equal(t, known.ID != first.ID, known.Ended(), "the second subscription is canceled, the first is not")
	}
	require.True(t, o.Access(s.srv.Now(), 0).Granted)
}

// A second subscription that can't be canceled, as the key lacks the permission, is left to a person, and its payment is not given back
// before.
func TestDuplicateSubscriptionIsNotCanceled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.runAs(func(c *checkout.Config[tx]) { c.Refund = []checkout.ChangeKind{checkout.ChangeDuplicatePayment} })
	s.subscribeTwice()
	forbidden := true
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if r.Method == http.MethodDelete && forbidden {
			return answer(r, http.StatusForbidden, `{"error":{"type":"invalid_request_error","message":"the key lacks a permission"}}`), nil
		}
		return send()
	})
	for range 3 {
		s.srv.Advance(time.Hour)
		s.sweep()
	}
	require.Contains(t, s.order("club").StuckReason(), "attempt 1 could not be refunded")
	require.Zero(t, s.wire.count(refundCall))
	forbidden = false
	require.NoError(t, s.flow.Resolve(t.Context(), "club", checkout.Retry))
	s.sweep()
	require.Len(t, s.order("club").Refunds, 1)
	require.False(t, s.order("club").Stuck(), s.order("club").StuckReason())
}

// A subscription that is not for what was sold waits for a person, who accepts it.
func TestResolveSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(clubOf("club")).SessionID
	require.NoError(t, s.st.InTx(t.Context(), func(tx tx) error {
		orders, err := s.st.Lock(t.Context(), tx, "club")
		orders[0].Attempts[0].Quote.Subtotal++
		return errors.Join(err, s.st.Save(t.Context(), tx, orders[0]))
	}))
	s.pay(id)
	require.Equal(t, store.AccessHeld, s.order("club").Access(s.srv.Now(), 0).Reason)
	require.Zero(t, s.shipments("club"))
	require.NoError(t, s.flow.Resolve(t.Context(), "club", checkout.FulfilAnyway))
	require.Equal(t, 1, s.shipments("club"))
	require.Equal(t, store.AccessActive, s.order("club").Access(s.srv.Now(), 0).Reason)
}

// cancelAtOnce ends a subscription as a person does in the Dashboard.
func (s *testShop) cancelAtOnce(subscription string) {
	s.t.Helper()
	_, err := s.srv.Client().V1Subscriptions.Cancel(s.t.Context(), subscription, nil)
	require.NoError(s.t, err)
	s.srv.Flush()
}

// A subscription for which nothing is handed over is charged until a person ends it.
func TestSubscriptionIsChargedForNothing(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(s *testShop){
		"the first debit bounced, and the subscription is active": func(s *testShop) {
			id := s.begin(clubOf("club")).SessionID
			require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
			require.NoError(t, s.srv.Bounce(id))
			s.elapse(day)
			s.requireStatus("club", "failed")
			require.NoError(t, s.flow.Cancel(t.Context(), "club"))
		},
		"given up": func(s *testShop) {
			s.onFulfil(func(context.Context, tx, *store.Order) error { return webhook.Permanent(errors.New("no such plan")) })
			s.pay(s.begin(clubOf("club")).SessionID)
			require.NoError(t, s.flow.Resolve(t.Context(), "club", checkout.GiveUp))
			require.NoError(t, s.flow.Refund(t.Context(), "club", checkout.Refund{}))
		},
		"given back before it was handed over": func(s *testShop) {
			s.onFulfil(func(context.Context, tx, *store.Order) error { return webhook.Permanent(errors.New("no such plan")) })
			s.pay(s.begin(clubOf("club")).SessionID)
			s.refundPayment(s.invoicePayment("club", 0))
		},
	} {
		s := newShopOf(t, checkouttest.Config{Start: testStart, DebitActivates: true})
		begin(s)
		o := s.order("club")
		require.Contains(t, o.StuckReason(), "the subscription of attempt 1 is charged on", name)
		s.cancelAtOnce(o.Subscriptions[0].ID)
		require.Empty(t, s.order("club").StuckReason(), name)
	}
}

// An order stays small over the years, and the refund of a payment from long ago still finds it.
func TestSubscriptionOverTheYears(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	s.srv.Advance(32 * 24 * time.Hour)
	old := s.invoicePayment("club", 1)
	for range 5 * 12 {
		s.srv.Advance(31 * 24 * time.Hour)
	}
	o := s.order("club")
	require.Len(t, o.Invoices, store.InvoicesKept)
	amount, invoices := o.TotalPaid()
	require.EqualValues(t, 900*invoices, amount)
	require.Greater(t, invoices, 60)
	require.Less(t, len(o.Notices), 60)
	keys := map[string]bool{}
	for _, c := range s.changes {
		keys[c.Key] = true
	}
	require.Len(t, keys, invoices-1, "every renewal is told once, with a key of its own")
	data, err := o.Encode()
	require.NoError(t, err)
	require.Less(t, len(data), 40<<10)

	s.refundPayment(old)
	o = s.order("club")
	require.Equal(t, store.OlderInvoice, o.Refunds[0].Invoice)
	s.requireStatus("club", checkout.Fulfilled)
	require.True(t, o.Access(s.srv.Now(), 0).Granted)
	t.Logf("%d bytes after %d invoices", len(data), invoices)

	// The outbox dropped entries, so that an entry is not where its number says.
	st := &endingStore{s.st, map[tx]bool{}}
	s.runAs(func(c *checkout.Config[tx]) {
		c.Store = st
		c.OnChange = func(_ context.Context, t tx, _ checkout.Change) error {
			st.ended[t] = true
			return nil
		}
	})
	s.srv.Advance(31 * 24 * time.Hour)
	require.NotZero(t, s.order("club").ChangeDelivery.Rollbacks)
}

// While payments are not collected for years, what became of the last payment still decides on access, and it can still be given back.
func TestLastPaymentIsFromLongAgo(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		giveBack func(s *testShop, invoice string)
		reason   store.AccessReason
	}{
		"nothing happened": {func(*testShop, string) {}, store.AccessActive},
		"disputed": {func(s *testShop, _ string) {
			_, err := s.srv.Dispute(s.order("club").Attempts[0].SessionID)
			require.NoError(s.t, err)
			s.srv.Flush()
		}, store.AccessDisputed},
		"refunded": {func(s *testShop, invoice string) {
			err := s.flow.Refund(s.t.Context(), "club", checkout.Refund{Invoice: invoice})
			require.NoError(s.t, err)
		}, store.AccessRefunded},
	} {
		for when, wait := range map[string]int{"at once": 0, "years later": 3 * 12} {
			t.Run(name+" "+when, func(t *testing.T) {
				s := newShop(t)
				sub := s.subscribe("club")
				s.pauseCollection(sub.ID, "mark_uncollectible")
				first := s.order("club").Invoices[0].ID
				elapse := func(months int) {
					for range months {
						s.srv.Advance(31 * day)
					}
				}
				elapse(wait)
				row.giveBack(s, first)
				elapse(36 - wait)
				o := s.order("club")
				require.Equal(t, row.reason, o.Access(s.srv.Now(), 0).Reason)
				require.Len(t, o.Invoices, store.InvoicesKept+1)
			})
		}
	}
}

// A payment of an invoice was canceled, and another paid it. That one is given back.
func TestRefundOfAnInvoiceWithTwoPayments(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.subscribe("club")
	canceled := `"payments": {"object": "list", "data": [{"object": "invoice_payment", "status": "canceled", "payment": ` +
		`{"type": "payment_intent", "payment_intent": "pi_canceled"}},`
	list := regexp.MustCompile(`"payments": \{\s*"object": "list",\s*"data": \[`)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if err != nil || r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/v1/invoices") {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		return answer(r, response.StatusCode, list.ReplaceAllString(string(body), canceled)), err
	})
	s.srv.Advance(32 * day)
	renewal := s.order("club").Invoices[1]
	require.Contains(t, renewal.PaymentIntents, "pi_canceled")
	require.NoError(t, s.flow.Refund(t.Context(), "club", checkout.Refund{}))
	require.EqualValues(t, 900, s.order("club").InvoiceRefunded(renewal.ID))
}
