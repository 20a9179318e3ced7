package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
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

var errPrinter = errors.New("label printer is out of paper")

func TestFulfilFailsThreeTimes(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errPrinter },
		"panic": func() error { panic("out of paper") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.onFulfil(func(context.Context, tx, *store.Order) error {
				if s.fulfilRuns() <= 3 {
					return fail()
				}
				return nil
			})
			started := s.begin(cartOf("order-1", "last"))
			s.pay(started.SessionID)

			// The money is recorded and the stock is sold, whatever the callback does.
			s.requireStatus("order-1", "paid")
			s.requireStock("last", 0, 0, 1)
			require.Equal(t, 1, s.fulfilRuns())
			require.Zero(t, s.shipments("order-1"), "what a failed callback wrote is rolled back")
			for _, e := range s.sent() {
				if e.Type == "checkout.session.completed" {
					require.Equal(t, http.StatusInternalServerError, e.Attempts[0].Status, "Stripe is to come again")
				}
			}
			require.NotEmpty(t, s.order("order-1").Delivery.LastError)

			s.sweep()
			s.status(started.SessionID)
			require.Equal(t, 1, s.fulfilRuns(), "every trigger keeps to the pause")
			s.loseWebhooks()
			for range 8 {
				s.srv.Advance(time.Minute)
				s.sweep()
			}
			require.Equal(t, 4, s.fulfilRuns())
			s.requireStatus("order-1", checkout.Fulfilled)
			require.Equal(t, 1, s.shipments("order-1"))
			require.Equal(t, store.Delivery{}, s.order("order-1").Delivery)
		})
	}
}

// One order's bad callback delays no other order.
func TestFailingCallbackDelaysItsOwnOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(_ context.Context, _ tx, o *store.Order) error {
		if o.ID == "order-1" {
			return errPrinter
		}
		return nil
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.pay(s.begin(cartOf("order-2", "tee")).SessionID)
	s.requireStatus("order-1", "paid")
	s.requireStatus("order-2", checkout.Fulfilled)
	for range 10 {
		s.srv.Advance(2 * time.Hour)
		s.sweep()
	}
	require.True(t, s.order("order-1").Stuck())
	stuck, err := s.flow.List(t.Context(), store.Query{Stuck: true})
	require.NoError(t, err)
	require.Len(t, stuck, 1)
	require.Contains(t, stuck[0].Delivery.LastError, "paper")
}

// While a callback takes its time, other orders are fulfilled, its own can be settled and read, and pollers get answers.
func TestSlowCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		running, finish := make(chan struct{}), make(chan struct{})
		s.onFulfil(func(_ context.Context, _ tx, o *store.Order) error {
			if o.ID == "order-1" {
				close(running)
				<-finish
			}
			return nil
		})
		slow, other := s.begin(cartOf("order-1", "tee")), s.begin(cartOf("order-2", "tee"))
		s.loseWebhooks()
		s.pay(slow.SessionID)
		s.pay(other.SessionID)

		var polls sync.WaitGroup
		polls.Go(func() { s.status(slow.SessionID) }) // settles, and stays in the callback
		<-running
		for range 50 {
			polls.Go(func() {
				_, status := s.status(slow.SessionID)
				require.Equal(t, "paid", status)
			})
		}
		synctest.Wait() // everybody but the first has an answer, or waits for it
		s.requireStatus("order-1", "paid")
		_, status := s.status(other.SessionID)
		require.Equal(t, string(checkout.Fulfilled), status)
		require.NoError(t, s.dispatch("checkout.session.completed", map[string]any{
			"id": other.SessionID, "object": "checkout.session", "payment_status": "paid",
		}))

		close(finish)
		polls.Wait()
		s.requireStatus("order-1", checkout.Fulfilled)
		require.Equal(t, 1, s.shipments("order-1"))
	})
}

// A callback that outlasts its time is cut off, and tried again later.
func TestCallbackRunsOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.onFulfil(func(ctx context.Context, _ tx, _ *store.Order) error {
			if s.fulfilRuns() == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		start := time.Now()
		s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
		require.Equal(t, checkout.DeliverTimeout, time.Since(start))
		s.requireStatus("order-1", "paid")
		s.srv.Advance(time.Minute)
		s.sweep()
		s.requireStatus("order-1", checkout.Fulfilled)
		require.Equal(t, 1, s.shipments("order-1"))
	})
}

// Two processes hear of a payment at once: one transition, one delivery.
func TestTwoTriggersAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		s := newShop(t)
		other, _ := s.process()
		started := s.begin(cartOf("order-1", "last"))
		s.loseWebhooks()
		s.pay(started.SessionID)
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				flow := s.flow
				if i%2 == 1 {
					flow = other
				}
				switch i % 3 {
				case 0:
					_, _ = flow.Settle(context.Background(), started.SessionID)
				case 1:
					_, _ = flow.Sweep(context.Background())
				default:
					_ = s.dispatch("checkout.session.completed", map[string]any{
						"id": started.SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
						"mode": "payment", "currency": "usd", "amount_subtotal": 1999, "livemode": false,
					})
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, s.shipments("order-1"))
		require.Equal(t, 1, s.fulfilRuns())
		s.requireStatus("order-1", checkout.Fulfilled)
		s.requireStock("last", 0, 0, 1)
	}
}

// An event that comes to the same process while its order is being delivered waits for that, and succeeds.
func TestEventWaitsForTheDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		started := s.begin(cartOf("order-1", "last"))
		printing := make(chan struct{})
		s.onFulfil(func(context.Context, tx, *store.Order) error { <-printing; return nil })
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				errs <- s.dispatch("checkout.session.completed", map[string]any{
					"id": started.SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
					"mode": "payment", "currency": "usd", "amount_subtotal": 1999, "livemode": false,
				})
			}()
			synctest.Wait()
		}
		close(printing)
		require.NoError(t, <-errs)
		require.NoError(t, <-errs)
		require.Equal(t, 1, s.fulfilRuns())
	})
}

// While another process delivers, a webhook answers that Stripe is to come again.
func TestDeliveredElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		_, otherHook := s.process()
		running, finish := make(chan struct{}), make(chan struct{})
		s.onFulfil(func(context.Context, tx, *store.Order) error {
			if s.fulfilRuns() == 1 {
				close(running)
				<-finish
			}
			return nil
		})
		started := s.begin(cartOf("order-1", "tee"))
		s.loseWebhooks()
		s.pay(started.SessionID)
		paid := map[string]any{
			"id": started.SessionID, "object": "checkout.session", "status": "complete", "payment_status": "paid",
			"mode": "payment", "currency": "usd", "amount_subtotal": 1999, "livemode": false,
		}
		done := make(chan error)
		go func() { done <- s.dispatch("checkout.session.completed", paid) }()
		<-running
		s.hook = otherHook
		require.ErrorIs(t, s.dispatch("checkout.session.completed", paid), checkout.ErrBusy)

		// The process that holds the lease dies: another takes over, and what the first wrote is not committed.
		s.srv.Advance(6 * time.Minute)
		require.NoError(t, s.dispatch("checkout.session.completed", paid))
		require.Equal(t, 1, s.shipments("order-1"))
		close(finish)
		require.NoError(t, <-done)
		require.Equal(t, 2, s.fulfilRuns())
		require.Equal(t, 1, s.shipments("order-1"))
		s.requireStatus("order-1", checkout.Fulfilled)
	})
}

// park is a callback during which a person parks the order.
func (s *testShop) park(ctx context.Context, _ tx, o *store.Order) error {
	return s.st.InTx(ctx, func(second tx) error {
		orders, err := s.st.Lock(ctx, second, o.ID)
		if err != nil {
			return err
		}
		orders[0].Parked = "looks like fraud"
		return s.st.Save(ctx, second, orders[0])
	})
}

// If the order can no longer be fulfilled when the callback returns, the writes of the callback are rolled back.
func TestParkedWhileFulfilling(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(s.park)
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.Equal(t, 1, s.fulfilRuns())
	require.Zero(t, s.shipments("order-1"))
	s.requireStatus("order-1", "paid")
	require.Zero(t, s.order("order-1").Delivery.Tries)
	s.srv.Advance(48 * time.Hour)
	s.sweep()
	require.Equal(t, 1, s.fulfilRuns())
}

func TestChangesAreToldInOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	started := s.begin(cartOf("order-1", "last"))
	require.NoError(t, s.srv.Pay(started.SessionID, checkouttest.BankDebit))
	require.NoError(t, s.srv.Bounce(started.SessionID))
	require.NoError(t, s.flow.Cancel(t.Context(), "order-1"))
	var told []string
	for _, c := range s.changes {
		told = append(told, fmt.Sprintf("%s %s %s->%s", c.Key, c.Kind, c.From, c.To))
		require.Equal(t, "order-1", c.Order.ID)
		require.NotEmpty(t, c.Cause)
		require.Equal(t, s.srv.Now(), c.At)
	}
	require.Equal(t, []string{
		"order-1/1 processing open->processing",
		"order-1/2 failed processing->failed",
		"order-1/3 canceled failed->canceled",
	}, told)
}

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
	require.Contains(t, s.log.String(), "deliver_test.go", "where it panicked")
}

// An update that is not committed is not logged as settled.
func TestSettledIsLoggedAfterTheCommit(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	st := failingStore{Store: s.st}
	_, hook := s.processOn(&st, s.stock, s.wire)
	started := s.begin(cartOf("order-1", "tee"))
	st.fail = true
	s.srv.Deliver(hook, testPayloads())
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

// endingStore is a store whose database ends transactions before their function does.
type endingStore struct {
	store.Store[tx]
	ended map[tx]bool
}

func (s *endingStore) InTx(ctx context.Context, fn func(tx tx) error) error {
	return s.Store.InTx(ctx, func(t tx) error {
		err := fn(t)
		if err == nil && s.ended[t] {
			err = errors.New("the transaction ended before its function did")
		}
		return err
	})
}

// A callback whose transaction fails each time, as one that does not return an error of the database, is tried with growing
// pauses, and is a person's soon.
func TestTransactionOfFulfilFails(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	st := &endingStore{s.st, map[tx]bool{}}
	swallows, runs := true, 0
	s.runAs(func(c *checkout.Config[tx]) {
		c.Store = st
		c.Fulfil = func(_ context.Context, t tx, _ *store.Order) error {
			runs++
			st.ended[t] = swallows
			return nil
		}
	})
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	for range 120 {
		s.srv.Advance(30 * time.Second)
		s.sweep()
	}
	require.Less(t, runs, 12)
	require.Zero(t, s.order("order-1").Delivery.Tries, "the callback did not fail")
	require.Contains(t, s.order("order-1").StuckReason(), "transaction")
	swallows = false
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.requireStatus("order-1", checkout.Fulfilled)
	require.False(t, s.order("order-1").Stuck())
}

// An order that a person parks while Resolve delivers is no failure of Resolve.
func TestParkedWhileResolveDelivers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.failFulfil()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	s.onFulfil(s.park)
	require.NoError(t, s.flow.Resolve(t.Context(), "order-1", checkout.Retry))
	s.requireStatus("order-1", "paid")
	require.Zero(t, s.shipments("order-1"))
}

// A callback that ends its goroutine, as FailNow of a test does, has failed, and keeps nothing waiting.
func TestCallbackEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	s.setStock("tee", 20)
	s.onFulfil(func(context.Context, tx, *store.Order) error { runtime.Goexit(); return nil })
	var ids []string
	for i := range 12 { // more than a sweep delivers at a time
		ids = append(ids, fmt.Sprintf("order-%d", i))
		s.pay(s.begin(cartOf(ids[i], "tee")).SessionID)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.flow.Settle(context.Background(), s.order(ids[0]).Attempts[0].SessionID)
	}()
	<-done
	require.Equal(t, 1, s.order(ids[0]).Delivery.Tries)
	for range 2 {
		s.srv.Advance(10 * time.Minute)
		s.sweep()
	}
	require.Contains(t, s.order(ids[11]).Delivery.LastError, "goroutine")
	s.onFulfil(nil)
	s.srv.Advance(10 * time.Minute)
	s.sweep()
	for _, id := range ids {
		s.requireStatus(id, checkout.Fulfilled)
	}
}

// A callback that ends its goroutine keeps the changes of the order waiting no longer than its process has the lease on them.
func TestCallbackEndsTheGoroutineBeforeTheChanges(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	down := true
	var told []checkout.ChangeKind
	s.runAs(func(c *checkout.Config[tx]) {
		c.OnChange = func(_ context.Context, _ tx, change checkout.Change) error {
			if down {
				return errors.New("mail server down")
			}
			told = append(told, change.Kind)
			return nil
		}
	})
	session := s.begin(cartOf("order-1", "tee")).SessionID
	require.NoError(t, s.srv.Pay(session, checkouttest.BankDebit))
	down = false
	all := s.recordEvents()
	s.srv.Advance(time.Hour)
	require.NoError(t, s.srv.Settle(session))
	s.onFulfil(func(context.Context, tx, *store.Order) error { runtime.Goexit(); return nil })
	var dying sync.WaitGroup
	for _, e := range *all {
		if e.eventType == "checkout.session.async_payment_succeeded" {
			dying.Go(func() { _ = s.hook.Dispatch(context.Background(), e.payload) })
		}
	}
	dying.Wait()
	require.NotEmpty(t, s.order("order-1").ChangeDelivery.Token, "both lanes were leased by the payment")
	s.onFulfil(nil)
	s.srv.Advance(time.Hour)
	_, err := s.flow.Settle(t.Context(), session)
	require.NoError(t, err)
	require.Equal(t, []checkout.ChangeKind{checkout.ChangeProcessing}, told)
}

// The answer to a commit is lost, of a transaction that takes the lease, too: the order is fulfilled when it is heard of again, and does
// not wait for the end of a lease that nobody delivers by.
func TestLeaseInDoubt(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(s *testShop, session string, payment func() error){
		"by a page": func(s *testShop, session string, _ func() error) { _, _ = s.flow.Settle(s.t.Context(), session) },
		"by events": func(_ *testShop, _ string, payment func() error) { _ = payment() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at++ {
				s := newShop(t)
				st := &doubtStore{Store: s.st, at: at, err: store.ErrInDoubt}
				session := s.begin(cartOf("order-1", "last")).SessionID
				s.runAs(func(c *checkout.Config[tx]) { c.Store = st })
				payment := s.payments(t.Context(), session)[0]
				for range 2 {
					hear(s, session, payment)
					s.srv.Advance(time.Minute)
				}
				require.Equal(t, checkout.Fulfilled, checkout.Display(s.order("order-1")), "the answer to commit %d is lost", at)
				if st.n < at {
					require.Greater(t, at, 2)
					break
				}
			}
		})
	}
}

// Several orders are delivered at the same time, and the answer to the commit that took their leases is lost.
func TestLeasesInDoubt(t *testing.T) {
	t.Parallel()
	busyShop(t, func(t *testing.T, s *testShop, st *slowStore, _ *countedStock, flow *checkout.Flow[tx], sessions []string) {
		s.failFulfil()
		require.Error(t, errors.Join(sideBySide(s.payments(t.Context(), sessions[:3]...)...)...))
		s.onFulfil(nil)
		s.srv.Advance(time.Minute)
		st.end = func(commit func() error) error { return errors.Join(commit(), errors.New("the database failed")) }
		var looks []func() error
		for _, id := range sessions[:3] {
			looks = append(looks, func() error {
				_, err := flow.Settle(t.Context(), id)
				return err
			})
		}
		require.NoError(t, errors.Join(sideBySide(looks...)...))
		require.Contains(t, s.log.String(), "each runs alone")
		for i := range looks {
			s.requireStatus(fmt.Sprint("order-", i), checkout.Fulfilled)
			require.Equal(t, 1, s.shipments(fmt.Sprint("order-", i)))
		}
	})
}

// A process stands still between the look at what was given back and the end of the callback, as on a machine that is suspended. The
// payment is disputed meanwhile, and its webhook is lost: nothing is shipped.
func TestProcessStandsStillBeforeItShips(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := s.begin(cartOf("order-1", "last")).SessionID
	var calls int
	s.onFulfil(func(context.Context, tx, *store.Order) error {
		if calls++; calls == 1 {
			if _, err := s.srv.Dispute(session); err != nil {
				return err
			}
			s.srv.Advance(time.Hour)
		}
		return nil
	})
	s.loseWebhooks()
	s.pay(session)
	_, err := s.flow.Settle(t.Context(), session)
	require.NoError(t, err)
	for range 3 {
		s.srv.Advance(time.Hour)
		s.sweep()
	}
	s.requireStatus("order-1", "disputed")
	require.True(t, s.order("order-1").FulfilledAt.IsZero())
	require.Equal(t, 1, calls)
}

// suspendedStore has the machine stand still for an hour when the first transaction of a delivery begins.
type suspendedStore struct {
	store.Store[tx]
	suspend func()
	once    sync.Once
}

func (d *suspendedStore) InTx(ctx context.Context, fn func(tx tx) error) error {
	if o, err := d.Find(ctx, "order-1"); err == nil && o.Delivery.Token != "" {
		d.once.Do(d.suspend)
	}
	return d.Store.InTx(ctx, fn)
}

// A process stands still after it took the lease: it runs no callback whose writes would be rolled back, and looks at the payment again.
func TestProcessStandsStillBeforeTheCallback(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	session := s.begin(cartOf("order-1", "last")).SessionID
	suspended := &suspendedStore{Store: s.st, suspend: func() { s.srv.Advance(time.Hour) }}
	s.runAs(func(c *checkout.Config[tx]) { c.Store = suspended })
	s.loseWebhooks()
	s.pay(session)
	_, err := s.flow.Settle(t.Context(), session)
	require.NoError(t, err)
	s.requireStatus("order-1", checkout.Fulfilled)
	require.Equal(t, 1, s.fulfilRuns())
}
