package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// These tests are named for reports of what went wrong in other systems, and show what happens here in the same situation.
// Those about stock are in regression_stock_test.go, those about receiving webhooks in package webhook.

// atOnce runs all of them at the same time.
func atOnce(fns ...func()) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for _, fn := range fns {
		wg.Go(func() { <-start; fn() })
	}
	close(start)
	wg.Wait()
}

// paidUnheard is a shop whose customer has paid, and the events that it has not heard yet.
func paidUnheard(t *testing.T, method checkouttest.PaymentMethod) (s *testShop, id string, events map[string][]byte) {
	t.Helper()
	s = newShop(t)
	all := s.recordEvents()
	id = s.begin(cartOf("order-1", "last")).SessionID
	require.NoError(t, s.srv.Pay(id, method))
	if method == checkouttest.BankDebit {
		require.NoError(t, s.srv.Settle(id))
	}
	events = map[string][]byte{}
	for _, e := range *all {
		events[e.eventType] = e.payload
	}
	return s, id, events
}

func (s *testShop) requireFulfilledOnce() {
	s.t.Helper()
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(s.t, 1, s.shipments("order-1"))
	s.requireStock("last", 0, 0, 1)
}

// pay-rails/pay#371: Stripe sent several events about one purchase in parallel, their handlers raced, and the database ended
// with several rows for one subscription.
func TestPay371ParallelWebhooks(t *testing.T) {
	t.Parallel()
	s, _, events := paidUnheard(t, checkouttest.CardOK)
	_, other := s.process()
	inside, release := make(chan struct{}), make(chan struct{})
	var runs atomic.Int64
	s.onFulfil(func(context.Context, tx, *store.Order) error {
		if runs.Add(1) == 1 {
			close(inside)
			<-release
		}
		return nil
	})
	hear := func(h *webhook.Handler) error { return h.Dispatch(context.Background(), events[completed]) }
	errs := make([]error, 4)
	atOnce(
		func() { errs[0] = hear(s.hook) },
		func() { errs[1] = hear(s.hook) },
		func() {
			<-inside
			errs[2], errs[3] = hear(other), hear(other)
			close(release)
		},
	)
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.ErrorIs(t, errs[2], checkout.ErrBusy, "the first delivers; Stripe is told to come again")
	require.ErrorIs(t, errs[3], checkout.ErrBusy)
	require.NoError(t, hear(other))
	s.requireFulfilledOnce()
	require.Equal(t, 1, s.fulfilRuns())
}

// medusajs/medusa#13301: the page that confirms the payment and the webhook worked off the same payment side by side, and
// at times the order was missing afterwards.
func TestMedusa13301PageAndWebhookAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		s, id, events := paidUnheard(t, checkouttest.CardOK)
		var err error
		atOnce(
			func() { s.status(id) },
			func() { err = s.hook.Dispatch(t.Context(), events[completed]) },
			func() { s.status(id) },
		)
		require.NoError(t, err)
		s.requireFulfilledOnce()
	}
}

// woocommerce/woocommerce-gateway-stripe#2536: the page after the payment and the webhook both completed the order, so that
// what hangs on that happened twice.
func TestWooCommerce2536CompletedByPageAndWebhook(t *testing.T) {
	t.Parallel()
	for name, pageFirst := range map[string]bool{"page first": true, "webhook first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id, events := paidUnheard(t, checkouttest.CardOK)
			page := func() {
				_, status := s.status(id)
				require.Equal(t, string(checkout.Fulfilled), status)
			}
			hook := func() { require.NoError(t, s.hook.Dispatch(t.Context(), events[completed])) }
			if pageFirst {
				page()
				hook()
			} else {
				hook()
				page()
			}
			s.requireFulfilledOnce()
			require.Equal(t, 1, s.fulfilRuns())
		})
	}
}

// medusajs/medusa#13837: a SEPA debit is still processing when the customer is back. That was taken for a payment that was
// not authorized, and the order failed although the money came.
func TestMedusa13837DebitIsProcessing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "last")).SessionID
	require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
	code, status := s.status(id)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "processing", status)
	s.requireStock("last", 0, 1, 0)
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.ErrorIs(t, err, checkout.ErrProcessing, "the customer is not asked to pay again")
	require.NoError(t, s.srv.Settle(id))
	s.requireFulfilledOnce()
}

// duncanmcclean/statamic-cargo#190: the webhook came before the order was saved, was acknowledged with 200 and so never came
// again; the order waited for its payment forever.
func TestCargo190WebhookBeforeTheOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if isCreate(r) { // paid before Begin reads the answer
			s.wire.on(nil)
			ids := s.sessionIDs()
			s.pay(ids[0])
			require.Equal(t, http.StatusOK, s.answered(ids[0]))
		}
		return response, err
	})
	_, err := s.flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.ErrorIs(t, err, checkout.ErrSuperseded)
	s.requireFulfilledOnce()
	require.Empty(t, s.kinds())
}

// laravel/cashier-stripe#1759: the event of a later state came before that of the first, or at the same time; rows were
// made twice, or the later state was overwritten by the earlier one.
func TestCashier1759EarlierStateComesLast(t *testing.T) {
	t.Parallel()
	for range 10 {
		s, _, events := paidUnheard(t, checkouttest.BankDebit)
		errs := make([]error, 3)
		hear := func(i int, eventType string) func() {
			return func() { errs[i] = s.hook.Dispatch(t.Context(), events[eventType]) }
		}
		atOnce(hear(0, succeeded), hear(1, completed), hear(2, completed))
		hear(1, completed)()
		require.Equal(t, make([]error, 3), errs)
		s.requireFulfilledOnce()
	}
}

// stripe/sync-engine#268: of two events with the same timestamp the second was taken for old and ignored, though it had the
// later state: Stripe's timestamps have whole seconds.
func TestSyncEngine268SameSecond(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "last")).SessionID
	require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
	require.NoError(t, s.srv.Settle(id))
	refund := s.refund(id, 0)
	require.NoError(t, s.srv.SettleRefund(refund))
	require.NoError(t, s.srv.FailRefund(refund))
	events := s.srv.Events()
	require.Equal(t, events[0].Created, events[len(events)-1].Created, "the clock stands still")
	require.Equal(t, store.RefundFailed, s.order("order-1").Refunds[0].State)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing, checkout.ChangeRefunded, checkout.ChangeRefundFailed}, s.kinds())
	s.requireFulfilledOnce()
}

// HiEventsDev/Hi.Events#1067: refunds were read from refund.updated alone, which never comes for a card, where charge.refunded
// does; the order stayed as if the refund were still on its way.
func TestHiEvents1067OnlyChargeRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	all := s.recordEvents()
	id := s.begin(cartOf("order-1", "last")).SessionID
	s.pay(id)
	s.refund(id, 0)
	heardOf := 0
	for _, e := range *all {
		if e.eventType == completed || e.eventType == chargeBack {
			require.NoError(t, s.hook.Dispatch(t.Context(), e.payload))
			heardOf++
		}
	}
	require.Equal(t, 2, heardOf)
	s.requireStatus("order-1", "refunded")
	require.Equal(t, int64(1999), s.order("order-1").Refunded())
}

// woocommerce/woocommerce-gateway-stripe#5691: the webhooks of a shop went to its staging site, which answered that all was
// well, and paid orders were canceled as pending.
func TestWooCommerce5691AnsweredBySomebodyElse(t *testing.T) {
	t.Parallel()
	s, staging := newShop(t), newShop(t)
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	staging.flow.Handle(hook)
	s.srv.Deliver(hook, checkouttest.Snapshot) // a thin event would be an error, as staging can't ask for its session
	session := cartOf("order-1", "last")
	session.HoldFor = 15 * time.Minute
	id := s.begin(session).SessionID
	s.pay(id)
	require.Equal(t, http.StatusOK, s.srv.Events()[0].Attempts[0].Status)
	require.Equal(t, int64(1), staging.flow.ForeignSessions())
	s.srv.Advance(16 * time.Minute)
	s.sweep()
	s.requireFulfilledOnce()
}

// vendurehq/vendure#3065: two customers had the last item in their carts, both passed the stock check, both paid, and the
// second was charged for an order that could not be completed.
func TestVendure3065TwoCustomersOneItem(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.begin(cartOf("order-1", "last"))
	_, err := s.flow.Begin(t.Context(), cartOf("order-2", "last"))
	var short *reservation.ShortageError
	require.ErrorAs(t, err, &short)
	require.Len(t, s.sessionIDs(), 1, "the second customer has no page to pay on")
	s.pay(first.SessionID)
	s.requireFulfilledOnce()
}

// vendurehq/vendure#3508: checkouts at the same time each saw the last item in stock, and all of them sold it.
func TestVendure3508ConcurrentCheckouts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other, _ := s.process()
	const buyers = 20
	started := make([]*checkout.Started, buyers)
	errs := make([]error, buyers)
	var fns []func()
	for i := range buyers {
		flow := s.flow
		if i%2 == 1 {
			flow = other
		}
		fns = append(fns, func() {
			started[i], errs[i] = flow.Begin(t.Context(), cartOf("order-"+string(rune('a'+i)), "last"))
		})
	}
	atOnce(fns...)
	got := 0
	for i, err := range errs {
		var short *reservation.ShortageError
		if !errors.As(err, &short) {
			require.NoError(t, err)
			got++
			s.pay(started[i].SessionID)
		}
	}
	require.Equal(t, 1, got)
	s.requireStock("last", 0, 0, 1)
}

// woocommerce/woocommerce-gateway-stripe#5812: a customer gave one session up and paid the order in another way. When the
// abandoned session expired a day later, the paid order was marked as failed, its stock given back, and the customer told.
func TestWooCommerce5812AbandonedSessionExpires(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	abandoned := s.beginUnrecorded(cartOf("order-1", "last"))
	s.pay(s.begin(cartOf("order-1", "last")).SessionID)
	s.srv.Advance(25 * time.Hour)
	require.Equal(t, "expired", s.stripeStatus(abandoned))
	require.Equal(t, http.StatusOK, s.answered(abandoned))
	s.requireFulfilledOnce()
	require.Empty(t, s.kinds())
}

// woocommerce/woocommerce-gateway-stripe#5485: an order was paid and looked unpaid, and the timer that frees the stock of
// unpaid orders canceled it.
func TestWooCommerce5485PaidOrderRunsOutOfTime(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *testShop){
		"timer": func(s *testShop) { s.sweep() },
		"merchant": func(s *testShop) {
			require.ErrorIs(s.t, s.flow.Cancel(s.t.Context(), "order-1"), checkout.ErrAlreadyPaid)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.loseWebhooks()
			cart := cartOf("order-1", "last")
			cart.HoldFor = 10 * time.Minute
			s.pay(s.begin(cart).SessionID)
			s.srv.Advance(time.Hour)
			end(s)
			s.requireFulfilledOnce()
		})
	}
}

// Sylius/PayumStripePlugin#70: to cancel an order whose session had expired already was an error, as Stripe expires open
// sessions only, and the order could not be canceled at all.
func TestPayumStripePlugin70CancelAfterExpiry(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	id := s.begin(cartOf("order-1", "last")).SessionID
	s.srv.Advance(25 * time.Hour)
	require.Equal(t, "expired", s.stripeStatus(id))
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
	s.requireStatus("order-1", "canceled")
	s.requireStock("last", 1, 0, 0)
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
}
