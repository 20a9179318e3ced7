package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

// A change is told once, for the attempt that it happened to, however often an order is begun and looked at again.
func TestChangesAreToldOncePerAttempt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
	require.NoError(t, s.srv.Bounce(id))
	for range 2 {
		s.begin(cartOf("order-1", "tee"))
		s.srv.Advance(25 * time.Hour)
		s.sweep()
		_, err := s.flow.Settle(t.Context(), id)
		require.NoError(t, err)
	}
	type told struct {
		kind    checkout.ChangeKind
		attempt int
	}
	var all []told
	for _, c := range s.changes {
		all = append(all, told{c.Kind, c.Attempt})
	}
	require.Equal(t, []told{
		{checkout.ChangeProcessing, 1}, {checkout.ChangeFailed, 1}, {checkout.ChangeExpired, 2}, {checkout.ChangeExpired, 3},
	}, all)
}

// A change that can't be delivered holds back later changes, and no goods. A person hears of it.
func TestFailingOnChangeHoldsBackChangesOnly(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var tried []string
	s.runAs(func(c *checkout.Config[tx]) {
		c.OnChange = func(_ context.Context, _ tx, c checkout.Change) error {
			tried = append(tried, c.Key)
			return errPrinter
		}
	})
	id := s.begin(cartOf("order-1", "tee")).SessionID
	require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
	require.NoError(t, s.srv.Settle(id))
	s.refund(id, 100)
	for range 12 {
		s.srv.Advance(time.Hour)
		s.sweep()
	}
	require.Equal(t, 1, s.shipments("order-1"))
	require.Contains(t, s.order("order-1").StuckReason(), "a change could not be delivered")
	for _, key := range tried {
		require.Equal(t, "order-1/1", key)
	}
}

// A Fulfil that fails holds back no changes.
func TestFailingFulfilHoldsBackNoChanges(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	id := s.begin(cartOf("order-1", "tee")).SessionID
	s.pay(id)
	s.refund(id, 100)
	require.Contains(t, s.kinds(), checkout.ChangeRefunded)
	require.Zero(t, s.order("order-1").FulfilledAt)
}

// A process without OnChange fulfils, and leaves changes to a process that has one.
func TestProcessWithoutOnChange(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.begin(cartOf("order-1", "tee")).SessionID
	listening := s.flow
	s.runAs(func(c *checkout.Config[tx]) { c.OnChange = nil })
	require.NoError(t, s.srv.Pay(id, checkouttest.BankDebit))
	require.NoError(t, s.srv.Settle(id))
	s.requireStatus("order-1", checkout.Fulfilled)
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Empty(t, s.kinds())
	s.srv.Advance(time.Hour)
	_, err := listening.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing}, s.kinds())
}

// While one process delivers, another whose clock differs by two minutes does not.
func TestLeaseBetweenClocks(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
		s := newShop(t)
		other, _ := s.processWith(func(c *checkout.Config[tx]) {
			c.Clock = func() time.Time { return s.srv.Now().Add(ahead) }
		})
		s.onFulfil(func(ctx context.Context, _ tx, _ *store.Order) error {
			_, err := other.Sweep(ctx)
			require.NoError(t, err)
			require.ErrorIs(t, other.Resolve(ctx, "order-1", checkout.Retry), checkout.ErrBusy)
			return nil
		})
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		require.Equal(t, 1, s.fulfilRuns())
		require.Equal(t, 1, s.shipments("order-1"))
	}
}

// An order with hundreds of attempts stays small.
func TestManyAttemptsStaySmall(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cart := cartOf("order-1", "tee", "last", "tee")
	for range 40 {
		s.begin(cart)
		s.srv.Advance(25 * time.Hour)
	}
	encoded, err := s.order("order-1").Encode()
	require.NoError(t, err)
	require.Less(t, len(encoded), 30_000)
}

// One event can bring goods to fulfil and a change. Settling leases both lanes, and goods that fail hold back no change.
func TestGoodsThatFailHoldBackNoChange(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	started := s.begin(cartOf("order-1", "last"))
	require.ErrorIs(t, s.dispatch("checkout.session.completed", map[string]any{
		"id": started.SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
		"mode": "payment", "currency": "usd", "amount_subtotal": 1999, "amount_total": 1999, "livemode": false,
		"payment_intent": map[string]any{"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount_received": 1000},
	}), errPrinter)
	require.Equal(t, 1, s.fulfilRuns())
	require.Equal(t, []checkout.ChangeKind{checkout.ChangePartlyCaptured}, s.kinds())
	o := s.order("order-1")
	require.Zero(t, o.ChangeDelivery, "the lease was given back")
	require.Empty(t, o.Delivery.Token)
}

// A change that can't be delivered holds back no goods, and is delivered when that is possible again.
func TestChangeThatFailsHoldsBackNoGoods(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	failing := true
	var told []checkout.ChangeKind
	logger := slog.New(slog.DiscardHandler)
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.Client(), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: logger,
		Fulfil: func(ctx context.Context, tx tx, o *store.Order) error {
			return tx.Set(ctx, "shipment/"+o.ID+"/1", true)
		},
		OnChange: func(_ context.Context, _ tx, c checkout.Change) error {
			if failing {
				return errors.New("mail server down")
			}
			told = append(told, c.Kind)
			return nil
		},
	})
	require.NoError(t, err)
	hook, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: logger})
	require.NoError(t, err)
	flow.Handle(hook)
	s.srv.Deliver(hook, testPayloads())

	started, err := flow.Begin(t.Context(), cartOf("order-1", "last"))
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.BankDebit))
	require.NoError(t, s.srv.Settle(started.SessionID))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.shipments("order-1"))
	require.Positive(t, s.order("order-1").ChangeDelivery.Tries)

	failing = false
	s.srv.Advance(2 * time.Hour)
	_, err = flow.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing}, told)
	require.Equal(t, 1, s.shipments("order-1"))
}
