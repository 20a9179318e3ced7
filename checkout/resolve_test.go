package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

func TestPermanentParks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error {
		return webhook.Permanent(errors.New("we do not ship there"))
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	for _, e := range s.srv.Events() {
		require.Equal(t, http.StatusOK, e.Attempts[0].Status, "Stripe need not come again")
	}
	o := s.order("order-1")
	require.Contains(t, o.Parked, "we do not ship there")
	require.True(t, o.Stuck())
	require.True(t, o.DueAt.IsZero())
	require.Zero(t, s.shipments("order-1"))
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.Equal(t, 1, s.fulfilRuns())

	s.onFulfil(nil)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
	require.NoError(t, webhook.Permanent(nil))
}

func TestResolveRetryWithoutThePause(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), errPrinter)
	s.onFulfil(nil)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.requireStatus("order-1", checkout.Fulfilled)
}

// shortOrder is an order that was paid when its stock was gone.
func (s *testShop) shortOrder() {
	s.t.Helper()
	id := s.beginUnrecorded(cartOf("order-1", "last"))
	s.srv.Advance(3 * time.Minute)
	s.sweep()
	s.pay(s.begin(cartOf("order-2", "last")).SessionID)
	s.pay(id)
	require.NotEmpty(s.t, s.order("order-1").Shortfall)
}

func TestResolveShortfall(t *testing.T) {
	t.Parallel()
	t.Run("retry, still short", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		require.NotEmpty(t, s.order("order-1").Shortfall)
		require.Zero(t, s.shipments("order-1"))
	})
	t.Run("retry, with new stock", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		s.setStock("last", 1)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 2)
	})
	t.Run("fulfil anyway", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.FulfilAnyway))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
	})
	t.Run("give up", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp))
		require.False(t, s.order("order-1").Stuck())
		s.srv.Advance(48 * time.Hour)
		s.sweep()
		require.Zero(t, s.shipments("order-1"))
		require.ErrorContains(t, s.flow.Resolve(t.Context(), "order-1", "shrug"), "no such resolution")
	})
	t.Run("give up, and then not", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.shortOrder()
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp))
		s.setStock("last", 1)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 2)
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.GiveUp), checkout.ErrFulfilled)
		require.True(t, s.order("order-1").GivenUpAt.IsZero())
	})
	t.Run("not paid, not there", func(t *testing.T) {
		t.Parallel()
		s := newShop(t)
		s.begin(cartOf("order-1", "tee"))
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry), checkout.ErrNotPaid)
		require.ErrorIs(t, s.flow.Resolve(t.Context(), "order-9", checkout.Retry), store.ErrNotFound)
	})
}

func TestResolveMismatch(t *testing.T) {
	t.Parallel()
	for _, resolution := range []checkout.Resolution{checkout.FulfilAnyway, checkout.GiveUp, checkout.Retry} {
		s := newShop(t)
		started := s.begin(cartOf("order-1", "last"))
		paid := map[string]any{
			"id": started.SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
			"mode": "payment", "currency": "usd", "amount_subtotal": 1, "livemode": false,
		}
		require.NoError(t, s.dispatch("checkout.session.completed", paid))
		s.requireStock("last", 0, 1, 0)
		require.NoError(t, s.flow.Resolve(t.Context(), "order-1", resolution))
		require.NoError(t, s.dispatch("checkout.session.completed", paid))
		switch resolution {
		case checkout.FulfilAnyway:
			s.requireStatus("order-1", checkout.Fulfilled)
			s.requireStock("last", 0, 0, 1)
		case checkout.GiveUp:
			require.Zero(t, s.shipments("order-1"))
			s.requireStock("last", 1, 0, 0)
		default:
			require.NotEmpty(t, s.order("order-1").Parked)
		}
	}
}

// refundingShop gives back what it can't fulfil.
func refundingShop(t *testing.T, kinds ...checkout.ChangeKind) *testShop {
	t.Helper()
	s := newShop(t)
	logger := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.flow, err = checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: logger, Refund: kinds,
		Fulfil: func(ctx context.Context, tx tx, o *store.Order) error {
			return tx.Set(ctx, "shipment/"+o.ID+"/1", true)
		},
	})
	require.NoError(t, err)
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: logger})
	require.NoError(t, err)
	s.flow.Handle(s.hook)
	s.srv.Deliver(s.hook)
	return s
}

func TestRefundsWhatItCannotFulfil(t *testing.T) {
	t.Parallel()
	t.Run("duplicate", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeDuplicatePayment)
		old := s.beginUnrecorded(cartOf("order-1", "tee"))
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		s.pay(old)
		s.sweep()
		o := s.order("order-1")
		require.Len(t, o.Refunds, 1)
		require.Equal(t, int64(1999), o.Refunds[0].Amount)
		s.requireStatus("order-1", checkout.Fulfilled)
		require.True(t, o.DueAt.IsZero())
	})
	t.Run("shortfall, though the first answer is lost", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeShortfall)
		s.shortOrder()
		lost := false
		s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			response, err := send()
			if r.URL.Path == "/v1/refunds" && r.Method == http.MethodPost && !lost {
				lost = true
				return nil, errors.New("connection reset")
			}
			return response, err
		})
		for range 5 {
			s.sweep()
			s.srv.Advance(10 * time.Minute)
		}
		require.True(t, lost)
		s.requireStatus("order-1", "refunded")
		require.Len(t, s.order("order-1").Refunds, 1)
		require.Zero(t, s.shipments("order-1"))
	})
	t.Run("not what the bank has taken back", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeDuplicatePayment)
		old := s.beginUnrecorded(cartOf("order-1", "tee"))
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		s.pay(old)
		s.disputePayment(old)
		s.sweep()
		require.Zero(t, s.wire.count("POST /v1/refunds"))
		require.Empty(t, s.order("order-1").Refunds)
		require.True(t, s.order("order-1").DueAt.IsZero())
	})
	t.Run("not what is on another account", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeMismatch)
		ours := s.begin(cartOf("order-1", "tee")).SessionID
		id := s.foreignSession(func(p *stripe.CheckoutSessionCreateParams) {
			p.Metadata = s.stripeSession(ours).Metadata
			p.SetStripeAccount("acct_other")
		})
		s.pay(id)
		require.False(t, s.order("order-1").Paid())
		s.sweep()
		require.Zero(t, s.wire.count("POST /v1/refunds"))
	})
	t.Run("not what has no payment intent", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t, checkout.ChangeMismatch)
		ours := s.begin(cartOf("order-1", "tee")).SessionID
		require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
			"id": ours, "object": "checkout.session", "status": "complete", "payment_status": "no_payment_required", "mode": "payment",
			"currency": "eur", "amount_subtotal": 1999, "livemode": false,
		}))
		require.NotEmpty(t, s.order("order-1").Parked)
		s.sweep()
		require.Zero(t, s.wire.count("POST /v1/refunds"))
	})
	t.Run("not unless asked to", func(t *testing.T) {
		t.Parallel()
		s := refundingShop(t)
		s.shortOrder()
		s.srv.Advance(time.Hour)
		s.sweep()
		require.Empty(t, s.order("order-1").Refunds)
	})
	_, err := checkout.New(checkout.Config[tx]{
		Stripe: newShop(t).srv.Client(), Store: newShop(t).st, Fulfil: func(context.Context, tx, *store.Order) error { return nil },
		Refund: []checkout.ChangeKind{checkout.ChangeExpired},
	})
	require.ErrorContains(t, err, "Config.Refund")
}
