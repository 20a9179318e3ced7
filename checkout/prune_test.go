package checkout_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/scenarios"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/webhook"
)

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
	for _, e := range s.srv.Events() {
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
