package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// lockedStore is a store in which somebody holds the lock of an order for ever, or in which an order can't be read.
type lockedStore struct {
	store.Store[tx]
	locked, broken string
}

func (l *lockedStore) Lock(ctx context.Context, tx tx, ids ...string) ([]*store.Order, error) {
	if ids[0] == l.locked {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return l.Store.Lock(ctx, tx, ids...)
}

func (l *lockedStore) Find(ctx context.Context, id string) (*store.Order, error) {
	if id == l.broken {
		return nil, errors.New("row can't be decoded")
	}
	return l.Store.Find(ctx, id)
}

// hang is an answer that never comes.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// small is a process whose sweeps make few requests.
func (s *testShop) small(budget int, accounts ...string) *checkout.Flow[tx] {
	s.t.Helper()
	flow, err := checkout.New(checkout.Config[tx]{
		Stripe: s.srv.ClientOver(s.wire), Store: s.st, Reserver: s.stock, Clock: s.srv.Now, SweepBudget: budget, Logger: slog.New(slog.DiscardHandler),
		Fulfil:   func(context.Context, tx, *store.Order) error { return nil },
		Accounts: func(context.Context) ([]string, error) { return accounts, nil },
	})
	require.NoError(s.t, err)
	return flow
}

// An order that can't be read, and one that somebody has locked for ever, keep no other order waiting.
func TestSweepGoesOnBesideOneOrder(t *testing.T) {
	t.Parallel()
	for _, budget := range []int{1, 500} { // with one request, the locked order is postponed, too
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			s.loseWebhooks()
			for _, id := range []string{"broken", "locked", "other"} {
				cart := cartOf(id, "tee")
				cart.HoldFor = 10 * time.Minute
				s.begin(cart)
			}
			s.pay(s.begin(cartOf("waits", "tee")).SessionID)
			s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
			_, err := s.flow.Settle(t.Context(), s.order("waits").Attempts[0].SessionID)
			require.NoError(t, err)
			st := &lockedStore{Store: s.st, locked: "locked", broken: "broken"}
			flow, err := checkout.New(checkout.Config[tx]{
				Stripe: s.srv.ClientOver(s.wire), Store: st, Reserver: s.stock, Clock: s.srv.Now, SweepBudget: budget, Logger: slog.New(slog.DiscardHandler),
				Fulfil: func(context.Context, tx, *store.Order) error { return nil },
			})
			require.NoError(t, err)
			s.srv.Advance(11 * time.Minute)
			for range 6 {
				began := time.Now()
				_, err = flow.Sweep(context.Background())
				require.NoError(t, err)
				require.Less(t, time.Since(began), 3*time.Minute)
				s.srv.Advance(6 * time.Minute)
			}
			s.requireStatus("other", "expired")
			st.locked = "waits" // and a delivery that is locked lets the sweep end
			s.srv.Advance(6 * time.Minute)
			_, err = flow.Sweep(context.Background())
			require.NoError(t, err)
		})
	}
}

// While Stripe hangs, deliveries that need nothing of it go out at once, and a sweep soon stops asking.
func TestSweepWhileStripeHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.setStock("tee", 100)
		s.loseWebhooks()
		for i := range 40 {
			cart := cartOf(fmt.Sprintf("order-%d", i), "tee")
			cart.HoldFor = 10 * time.Minute
			s.begin(cart)
		}
		s.srv.Advance(20 * time.Minute)
		started := s.begin(cartOf("paid", "last"))
		s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
		s.pay(started.SessionID)
		_, _ = s.flow.Settle(t.Context(), started.SessionID)
		s.srv.Advance(time.Minute)
		var shipped time.Time
		s.onFulfil(func(context.Context, tx, *store.Order) error { shipped = time.Now(); return nil })
		s.wire.on(func(r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) { return hang(r) })
		began := time.Now()
		s.sweep()
		require.Equal(t, began, shipped)
		require.Less(t, time.Since(began), 5*time.Minute)
		require.NotZero(t, s.order("order-0").Attempts[0].CheckFailedAt, "the failure is kept, although the time of the order was over")

		s.wire.on(nil)
		s.srv.Advance(6 * time.Minute)
		s.sweep()
		for i := range 40 {
			s.requireStatus(fmt.Sprintf("order-%d", i), "expired")
		}
	})
}

// A 429 ends the requests of this sweep, those for missed events and for other accounts, too. The next sweep asks again.
func TestSweepAfter429(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/expire", "/v1/events", "acct_1"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.connected = []string{"acct_1", "acct_2", "acct_3"}
			s.loseWebhooks()
			cart := cartOf("order-1", "tee")
			cart.HoldFor = 10 * time.Minute
			s.begin(cart)
			s.srv.Advance(11 * time.Minute)
			refused, after := false, 0
			s.wire.on(func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if refused {
					after++
				}
				if strings.HasSuffix(r.URL.Path, path) || r.Header.Get("Stripe-Account") == path {
					refused = true
					return answer(r, http.StatusTooManyRequests, `{"error":{"type":"rate_limit_error","code":"rate_limit"}}`), nil
				}
				return send()
			})
			s.sweep()
			require.True(t, refused)
			require.Zero(t, after)
			s.wire.on(nil)
			before := len(s.wire.calls)
			s.srv.Advance(3 * time.Minute)
			s.sweep()
			require.Greater(t, len(s.wire.calls), before)
			s.requireStatus("order-1", "expired")
		})
	}
}

// Deliveries of a sweep make no requests beside those that it counts.
func TestSweepBudgetOfDeliveries(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.loseWebhooks()
	s.setStock("tee", 100)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	for i := range 10 {
		id := s.begin(cartOf(fmt.Sprintf("order-%d", i), "tee")).SessionID
		s.pay(id)
		_, _ = s.flow.Settle(t.Context(), id)
	}
	s.srv.Advance(time.Hour) // what is known of the payments is old
	before := len(s.wire.calls)
	flow := s.small(6)
	_, err := flow.Sweep(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, len(s.wire.calls)-before, 7, "the last question may take two requests")
	for range 9 {
		s.srv.Advance(30 * time.Second)
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
	}
	for i := range 10 {
		s.requireStatus(fmt.Sprintf("order-%d", i), checkout.Fulfilled)
	}
}

// Run stops promptly, though callbacks wait for a slot: it begins none anymore.
func TestRunBeginsNothingAfterItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.setStock("tee", 100)
		s.loseWebhooks()
		for i := range 40 {
			s.pay(s.begin(cartOf(fmt.Sprintf("order-%d", i), "tee")).SessionID)
		}
		runs := 0
		s.srv.Advance(25 * time.Hour)
		s.onFulfil(func(ctx context.Context, _ tx, _ *store.Order) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.flow.Run(ctx) }()
		synctest.Wait()
		runs = s.fulfilRuns()
		require.NotZero(t, runs)
		cancel()
		began := time.Now()
		require.ErrorIs(t, <-done, context.Canceled)
		require.LessOrEqual(t, time.Since(began), checkout.DeliverTimeout)
		require.Equal(t, runs, s.fulfilRuns())
	})
}
