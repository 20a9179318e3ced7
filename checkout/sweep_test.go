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
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/scenarios"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
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

func TestWarnsWhenNobodySweeps(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const warning = "no sweep for"
	pay := func(id string) { s.pay(s.begin(cartOf(id, "tee")).SessionID) }
	pay("order-1")
	require.NotContains(t, s.log.String(), warning)
	s.srv.Advance(50 * time.Minute)
	s.sweep()
	s.srv.Advance(20 * time.Minute)
	pay("order-2")
	require.NotContains(t, s.log.String(), warning)
	s.srv.Advance(61 * time.Minute)
	pay("order-3")
	pay("order-4")
	require.Contains(t, s.log.String(), warning)
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.loseWebhooks()
		started := s.begin(cartOf("order-1", "last"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.flow.Run(ctx) }()
		s.srv.Advance(25 * time.Hour)
		time.Sleep(time.Minute) // of the bubble's clock
		s.requireStatus("order-1", "expired")
		require.Equal(t, "expired", s.stripeStatus(started.SessionID))
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

// No personal data in the log, whatever happens.
func TestLogHoldsNoPersonalData(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.onFulfil(func(context.Context, tx, *store.Order) error { return errPrinter })
	session := cartOf("order-1", "tee")
	session.CustomerEmail = "private@shop.example"
	started := s.begin(session)
	require.NoError(t, s.srv.PayAs(started.SessionID, checkouttest.CardOK, checkouttest.Buyer{Name: "Private Person"}))
	s.srv.Advance(time.Hour)
	s.sweep()
	require.Equal(t, "private@shop.example", s.order("order-1").Customer.Email)
	require.Contains(t, s.log.String(), "delivery failed")
	require.NotContains(t, s.log.String(), "private@")
	require.NotContains(t, s.log.String(), "Private Person")
	require.NotContains(t, s.log.String(), started.URL)
}

const day = 24 * time.Hour

// once has the shop count the completed sessions, with nothing but a claim against counting one twice.
func (s *testShop) once() (counted func() int) {
	webhook.On(s.hook, webhook.CheckoutSessionCompleted, webhook.Once("count", s.st,
		func(ctx context.Context, tx tx, e *webhook.Event[stripe.CheckoutSession]) error {
			return tx.Set(ctx, fmt.Sprintf("counted/%s/%d", e.ID, s.srv.Now().UnixNano()), true)
		}))
	return func() int { return len(s.st.Scan("counted/")) }
}

// hearAgain has every event so far sent again.
func (s *testShop) hearAgain() {
	s.t.Helper()
	for _, e := range s.sent() {
		require.NoError(s.t, s.srv.Redeliver(e.ID))
	}
}

// claimMany claims keys now.
func (s *testShop) claimMany(name string, n int) {
	s.t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(name, "/", i)
	}
	require.NoError(s.t, s.st.InTx(s.t.Context(), func(tx tx) error {
		_, err := s.st.Claim(s.t.Context(), tx, s.srv.Now(), keys...)
		return err
	}))
}

// A claim outlives the last time that Stripe can send its event, by whichever way, and then goes.
func TestClaimsArePruned(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	counted := s.once()
	s.pay(s.begin(cartOf("order-1", "tee")).SessionID)
	require.Equal(t, 1, counted())
	for range 33 { // resent on the last day that it can be, and then retried
		s.srv.Advance(day)
		s.sweep()
	}
	s.hearAgain()
	require.Equal(t, 1, counted(), "an event that can come again must stay claimed")
	for range 13 {
		s.srv.Advance(day)
		s.sweep()
	}
	pruned, err := s.st.Prune(t.Context(), s.srv.Now(), 100)
	require.NoError(t, err)
	require.Zero(t, pruned, "sweeping frees what was claimed 46 days ago")
}

// What the Flow has heard is in its orders: without any claim, every event heard again changes nothing and tells nothing.
func TestEveryClaimPruned(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	counted := s.once()
	forget := func() {
		pruned, err := s.st.Prune(t.Context(), s.srv.Now().Add(time.Second), 1000)
		require.NoError(t, err)
		require.NotZero(t, pruned)
	}
	paid := s.begin(cartOf("paid", "tee")).SessionID
	debited := s.begin(cartOf("debited", "last")).SessionID
	s.begin(cartOf("left", "tee"))
	s.pay(paid)
	require.NoError(t, s.srv.Pay(debited, checkouttest.BankDebit))
	require.Equal(t, 2, counted())

	forget()
	s.srv.Advance(time.Second)
	s.hearAgain()
	require.Equal(t, 4, counted(), "only the claim was in the way of counting twice")

	require.NoError(t, s.srv.Bounce(debited))
	s.refund(paid, 500)
	failed := s.refund(paid, 700)
	require.NoError(t, s.srv.FailRefund(failed))
	dispute, err := s.srv.Dispute(paid)
	require.NoError(t, err)
	require.NoError(t, s.srv.WinDispute(dispute))
	s.srv.Advance(25 * time.Hour)
	s.sweep()

	orders := []string{"paid", "debited", "left"}
	outcomes := func() (all []scenarios.Outcome) {
		for _, id := range orders {
			out, err := scenarios.OutcomeOf(t.Context(), s.st, s.stock, id)
			require.NoError(t, err)
			all = append(all, out)
		}
		return all
	}
	before, told, runs := outcomes(), s.kinds(), s.fulfilRuns()
	require.Equal(t, 1, s.shipments("paid"))
	require.Equal(t, int64(500), s.order("paid").Refunded())
	for _, kind := range []checkout.ChangeKind{checkout.ChangeRefunded, checkout.ChangeDisputed, checkout.ChangeDisputeWon, checkout.ChangeProcessing, checkout.ChangeFailed, checkout.ChangeExpired} {
		require.Contains(t, told, kind)
	}
	for range 2 {
		forget()
		s.srv.Advance(time.Second)
		s.hearAgain()
		// And from Stripe's lists.
		require.NoError(t, s.st.SetCursor(t.Context(), "events", fmt.Sprint(testStart.Unix())))
		require.NoError(t, s.st.SetCursor(t.Context(), "refunds", ""))
		require.NoError(t, s.st.SetCursor(t.Context(), "disputes", ""))
		s.sweep()
	}
	require.Equal(t, before, outcomes())
	require.Equal(t, told, s.kinds())
	require.Equal(t, runs, s.fulfilRuns())
	require.Equal(t, 1, s.shipments("paid"))
}

// pruneStore notes the calls of Prune.
type pruneStore struct {
	store.Store[tx]
	calls []int // what each pruned
}

func (p *pruneStore) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := p.Store.Prune(ctx, before, limit)
	p.calls = append(p.calls, n)
	return n, err
}

// Of any number of processes one looks for old claims, once a day.
func TestPruningIsDaily(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	st := &pruneStore{Store: s.st}
	one, _ := s.processOn(st, s.stock, s.wire)
	two, _ := s.processOn(st, s.stock, s.wire)
	for range 4 * 24 {
		for _, flow := range []*checkout.Flow[tx]{one, two} {
			_, err := flow.Sweep(t.Context())
			require.NoError(t, err)
		}
		s.srv.Advance(30 * time.Minute)
	}
	require.Len(t, st.calls, 2, "in two days")
}

// A sweep prunes no more than ten thousand claims, and the next goes on.
func TestPruningIsBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	st := &pruneStore{Store: s.st}
	flow, _ := s.processOn(st, s.stock, s.wire)
	s.claimMany("old", 23_000)
	s.srv.Advance(46 * day)
	s.claimMany("new", 500)
	var pruned []int
	for range 4 {
		st.calls = nil
		_, err := flow.Sweep(t.Context())
		require.NoError(t, err)
		sum := 0
		for _, n := range st.calls {
			require.LessOrEqual(t, n, 1000)
			sum += n
		}
		pruned = append(pruned, sum)
		s.srv.Advance(30 * time.Second)
	}
	require.Equal(t, []int{10_000, 10_000, 3_000, 0}, pruned)
	require.Empty(t, st.calls, "until tomorrow")
}
