package checkout_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
	"github.com/gofulfil/fulfil/webhook"
)

// Changes that nobody wants to be told of anymore do not keep an order from being fulfilled.
func TestOnChangeTakenOut(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	logger := slog.New(slog.DiscardHandler)
	make := func(onChange func(context.Context, *memstore.Tx, checkout.Change) error) (*checkout.Flow[*memstore.Tx], *webhook.Handler) {
		f, err := checkout.New(checkout.Config[*memstore.Tx]{
			Stripe: s.srv.Client(), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: logger, OnChange: onChange,
			Fulfil: func(ctx context.Context, tx *memstore.Tx, o *store.Order) error {
				return tx.Set(ctx, "shipment/"+o.ID+"/1", true)
			},
		})
		require.NoError(t, err)
		h, err := webhook.New(webhook.Config{Secrets: []string{s.srv.WebhookSecret()}, Clock: s.srv.Now, Logger: logger})
		require.NoError(t, err)
		f.Handle(h)
		return f, h
	}
	v1, h1 := make(func(context.Context, *memstore.Tx, checkout.Change) error { return errors.New("bug") })
	s.srv.Deliver(h1)
	st, err := v1.Begin(t.Context(), cartOf("order-1", "last"))
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(st.SessionID, checkouttest.BankDebit))
	require.NoError(t, s.srv.Settle(st.SessionID))
	// The merchant takes the faulty OnChange out.
	v2, h2 := make(nil)
	s.srv.Deliver(h2)
	for range 20 {
		s.srv.Advance(2 * time.Hour)
		_, err := v2.Sweep(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 1, s.shipments("order-1"))
}

// A callback may fail for a change that another process passed over meanwhile.
func TestFailureOfWhatOthersPassedOver(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other, _ := s.untracked() // no OnChange: marks changes as told
	s.loseWebhooks()
	var flow *checkout.Flow[*memstore.Tx]
	ran := false
	started := &checkout.Started{}
	var err error
	flow, err = checkout.New(checkout.Config[*memstore.Tx]{
		Stripe: s.srv.Client(), Store: s.st, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
		OnChange: func(context.Context, *memstore.Tx, checkout.Change) error {
			ran = true
			s.srv.Advance(10 * time.Minute)
			_, err := other.Settle(context.Background(), started.SessionID)
			require.NoError(t, err)
			return errors.New("mail server down")
		},
	})
	require.NoError(t, err)
	c := cartOf("order-1", "")
	started, err = flow.Begin(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.BankDebit))
	require.NotPanics(t, func() { _, _ = flow.Settle(t.Context(), started.SessionID) })
	require.True(t, ran)
}

// A customer who closes the page is no failure of the callback's.
func TestClosedPageIsNoFailure(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	started := s.begin(cartOf("order-1", "tee"))
	s.pay(started.SessionID)
	ctx, cancel := context.WithCancel(t.Context())
	s.onFulfil(func(c context.Context, _ tx, _ *store.Order) error {
		if s.fulfilRuns() == 1 {
			cancel() // the customer closes the tab
		}
		return c.Err()
	})
	_, _ = s.flow.Settle(ctx, started.SessionID)
	require.Zero(t, s.order("order-1").Delivery.Tries, "the merchant's callback is not to blame")
}

// OnChange may cancel or begin its own order.
func TestOnChangeMayUseTheFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		var flow *checkout.Flow[*memstore.Tx]
		var err error
		flow, err = checkout.New(checkout.Config[*memstore.Tx]{
			Stripe: s.srv.Client(), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, Logger: slog.New(slog.DiscardHandler),
			Fulfil: func(context.Context, *memstore.Tx, *store.Order) error { return nil },
			OnChange: func(ctx context.Context, _ *memstore.Tx, c checkout.Change) error {
				err := flow.Cancel(ctx, c.Order.ID) // a no-op: it is canceled
				return err
			},
		})
		require.NoError(t, err)
		s.loseWebhooks()
		_, err = flow.Begin(t.Context(), cartOf("order-1", "last"))
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, flow.Cancel(t.Context(), "order-1"))
		require.Zero(t, time.Since(start))
		require.Zero(t, s.order("order-1").Delivery.Tries)
	})
}

// A callback that does not end keeps no other order from being swept.
func TestHungCallbackKeepsNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.loseWebhooks()
		release := make(chan struct{})
		s.onFulfil(func(_ context.Context, _ tx, o *store.Order) error {
			if o.ID == "order-1" {
				<-release // ignores its context
			}
			return nil
		})
		hung := s.begin(cartOf("order-1", "tee"))
		short := cartOf("order-2", "last")
		short.HoldFor = 30 * time.Minute
		s.begin(short)
		s.pay(hung.SessionID)
		s.srv.Advance(25 * time.Hour) // order-1 is due for a question
		third := cartOf("order-3", "tee")
		third.HoldFor = 5 * time.Minute
		s.begin(third)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = s.flow.Run(ctx); close(done) }()
		synctest.Wait()
		s.srv.Advance(10 * time.Minute)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		status := checkout.Display(s.order("order-3"))
		close(release)
		cancel()
		<-done
		require.Equal(t, checkout.DisplayStatus("expired"), status, "another order's callback keeps nothing waiting")
	})
}

// Where a callback panicked is logged.
func TestPanicIsLoggedWithItsStack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	s.onFulfil(func(context.Context, tx, *store.Order) error { panic("out of paper") })
	st := s.begin(cartOf("order-1", "tee"))
	s.pay(st.SessionID)
	s.srv.Advance(25 * time.Hour)
	s.sweep()
	require.Contains(t, s.log.String(), "deliver_edge_test.go", "where it panicked")
}

// What is not committed is not logged as settled.
func TestSettledIsLoggedAfterTheCommit(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	st := failingStore{Store: s.st}
	_, hook := s.processOn(&st, s.stock, s.wire)
	started := s.begin(cartOf("order-1", "tee"))
	st.fail = true
	s.srv.Deliver(hook)
	s.pay(started.SessionID)
	s.requireStatus("order-1", "open")
	require.NotContains(t, s.log.String(), "order settled")
}

// failingStore fails every commit while fail is set.
type failingStore struct {
	store.Store[tx]
	fail bool
}

func (f *failingStore) InTx(ctx context.Context, fn func(tx) error) error {
	return f.Store.InTx(ctx, func(t tx) error {
		if err := fn(t); err != nil {
			return err
		}
		if f.fail {
			return errors.New("commit failed")
		}
		return nil
	})
}
