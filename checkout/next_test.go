package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

var nextStart = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// at is a time in minutes after the order began.
func at(minutes int) time.Time { return nextStart.Add(time.Duration(minutes) * time.Minute) }

// openAttempt is an attempt whose session was recorded at the start and lives for a day.
func openAttempt() store.Attempt {
	return store.Attempt{
		N: 1, CreatedAt: at(0), SessionID: "cs_1", ExpiresAt: at(1440), PayBy: at(1440), Lines: []store.Line{{SKU: "tee", Quantity: 1}},
		Hold: store.Hold{ID: "o/1", State: store.Held},
	}
}

// paidAttempt is an attempt that was paid in minute 5 and is sold.
func paidAttempt() store.Attempt {
	a := openAttempt()
	a.Completed, a.Paid, a.CompletedAt, a.PaidAt, a.VerifiedAt = true, true, at(5), at(5), at(5)
	a.PaymentIntent, a.Amount, a.Hold.State = "pi_1", 100, store.Sold
	return a
}

// TestNext reads row by row: the facts, the minute, and what is to be done next.
func TestNext(t *testing.T) {
	t.Parallel()
	one := func(a store.Attempt, change func(o *store.Order, a *store.Attempt)) *store.Order {
		o := &store.Order{ID: "o", Attempts: []store.Attempt{a}}
		change(o, &o.Attempts[0])
		return o
	}
	fulfil := store.Notice{N: 1, Kind: store.NoticeFulfil, Attempt: 1}
	for _, row := range []struct {
		facts string
		order *store.Order
		now   int
		want  []string
	}{
		{"a draft", &store.Order{ID: "o"}, 0, nil},
		{"open", one(openAttempt(), func(*store.Order, *store.Attempt) {}), 1, []string{"ask session 1 at 1441"}},
		{"open, with a short hold", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.PayBy = at(10) }), 1, []string{"end session 1 at 10"}},
		{"open, asked in vain", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.PayBy, a.CheckFailedAt = at(10), at(10) }), 11, []string{"end session 1 at 12"}},
		{"open, past its end", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.PayBy = at(10) }), 1500, []string{"ask session 1 at 10"}},
		{"open and canceled", one(openAttempt(), func(o *store.Order, _ *store.Attempt) { o.CancelRequestedAt = at(1) }), 2, []string{"end session 1"}},
		{"gone", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.Gone = true }), 2, []string{"decide 0"}},
		{"not recorded", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.SessionID = "" }), 1, []string{"close attempt 1 at 5"}},
		{"not recorded and canceled", one(openAttempt(), func(o *store.Order, a *store.Attempt) { a.SessionID, o.CancelRequestedAt = "", at(1) }), 1, []string{"close attempt 1"}},
		{"processing", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.Completed, a.CompletedAt = true, at(4) }), 5, []string{"ask session 1 at 9"}},
		{"processing for a day", one(openAttempt(), func(_ *store.Order, a *store.Attempt) {
			a.Completed, a.CompletedAt, a.CheckedAt = true, at(4), at(1600)
		}), 1601, []string{"ask session 1 at 1960"}},
		{"expired", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.Expired = true }), 5, []string{"release stock 1"}},
		{"failed", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.Completed, a.Failed = true, true }), 5, []string{"release stock 1"}},
		{"closed", one(openAttempt(), func(_ *store.Order, a *store.Attempt) { a.ClosedAt = at(1) }), 5, []string{"release stock 1"}},
		{"paid, with its hold", one(paidAttempt(), func(_ *store.Order, a *store.Attempt) { a.Hold.State = store.Held }), 5, []string{"sell stock 1"}},
		{"paid late", one(paidAttempt(), func(_ *store.Order, a *store.Attempt) { a.Hold.State = store.Released }), 5, []string{"sell stock 1"}},
		{"paid late and short", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			a.Hold.State, o.Shortfall = store.Released, []store.Shortage{{SKU: "tee", Wanted: 1}}
		}), 5, []string{"decide 0"}},
		{"paid late and disputed", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			a.Hold.State, o.Disputes = store.Released, []store.Dispute{{ID: "dp", Attempt: 1, State: store.DisputeOpen}}
		}), 5, nil},
		{"paid and given up", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			a.Hold.State, o.GivenUpAt, a.DismissedAt = store.Held, at(6), at(6)
		}), 7, []string{"release stock 1"}},
		{"mismatched: the hold waits for a person", one(paidAttempt(), func(_ *store.Order, a *store.Attempt) { a.Hold.State, a.Mismatch = store.Held, "currency" }), 5, []string{"decide 0"}},
		{"mismatched, with an increase alone", one(paidAttempt(), func(_ *store.Order, a *store.Attempt) {
			a.Mismatch, a.Hold.State, a.Increase = "currency", store.NotHeld, store.Hold{ID: "o/1+", State: store.Held}
		}), 5, []string{"release stock 1", "decide 0"}},
		{"mismatched and given up", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			a.Hold.State, a.Mismatch, o.GivenUpAt, a.DismissedAt = store.Held, "currency", at(6), at(6)
		}), 7, []string{"release stock 1"}},
		{"paid, to be fulfilled", one(paidAttempt(), func(o *store.Order, _ *store.Attempt) { o.Notices = []store.Notice{fulfil} }), 6, []string{"fulfil order 1"}},
		{"paid, heard of long ago", one(paidAttempt(), func(o *store.Order, _ *store.Attempt) { o.Notices = []store.Notice{fulfil} }), 60, []string{"verify payment 1"}},
		{"paid, verified in vain", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			o.Notices, a.VerifyFailedAt = []store.Notice{fulfil}, at(60)
		}), 60, []string{"verify payment 1 at 73"}},
		{"paid, refund wanted", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			o.Notices, a.RefundWanted = []store.Notice{fulfil}, "shortfall"
		}), 6, []string{"refund payment 1"}},
		{"refund wanted, disputed meanwhile", one(paidAttempt(), func(o *store.Order, a *store.Attempt) {
			a.RefundWanted, o.Disputes = "mismatch", []store.Dispute{{ID: "dp", Attempt: 1, State: store.DisputeOpen}}
		}), 6, nil},
		{"a change waits", one(paidAttempt(), func(o *store.Order, _ *store.Attempt) {
			o.FulfilledAt, o.Notices = at(5), []store.Notice{{N: 1, Kind: "refunded", Attempt: 1}}
		}), 6, []string{"deliver change 1"}},
		{"replaced, expired", &store.Order{ID: "o", Attempts: []store.Attempt{
			func() store.Attempt { a := openAttempt(); a.Expired = true; return a }(),
			func() store.Attempt {
				a := openAttempt()
				a.N, a.SessionID, a.Replaces, a.Hold = 2, "", 1, store.Hold{ID: "o/2"}
				return a
			}(),
		}}, 1, []string{"transfer stock 1", "close attempt 2 at 5"}},
		{"paid, and an older session is open", &store.Order{ID: "o", Attempts: []store.Attempt{
			openAttempt(), func() store.Attempt { a := paidAttempt(); a.N = 2; return a }(),
		}}, 6, []string{"release stock 1", "end session 1"}},
	} {
		t.Run(row.facts, func(t *testing.T) {
			t.Parallel()
			before := row.order.Clone()
			var got []string
			for _, s := range next(row.order, at(row.now)) {
				text := fmt.Sprintf("%s %d", s.Action, s.Attempt)
				if !s.At.IsZero() {
					text += fmt.Sprintf(" at %d", int(s.At.Sub(nextStart)/time.Minute))
				}
				require.NotEmpty(t, s.Reason)
				got = append(got, text)
			}
			require.Equal(t, row.want, got)
			require.Equal(t, before, row.order, "next changes nothing")
		})
	}
}

// randomOrder is an order of any facts, the impossible included.
func randomOrder(r *rand.Rand) *store.Order {
	yes := func() bool { return r.IntN(2) == 0 }
	when := func() time.Time {
		if yes() {
			return time.Time{}
		}
		return at(r.IntN(3000))
	}
	states := []store.HoldState{store.NotHeld, store.Held, store.Sold, store.Released}
	o := &store.Order{ID: "o", CancelRequestedAt: when(), GivenUpAt: when(), FulfilledAt: when()}
	for n := range r.IntN(4) {
		a := openAttempt()
		a.N, a.Completed, a.Paid, a.Failed, a.Expired, a.Gone, a.Duplicate = n+1, yes(), yes(), r.IntN(4) == 0, yes(), r.IntN(8) == 0, r.IntN(4) == 0
		a.ClosedAt, a.CompletedAt, a.PaidAt, a.CheckedAt, a.CheckFailedAt, a.VerifiedAt, a.AcceptedAt = when(), when(), when(), when(), when(), when(), when()
		a.Hold = store.Hold{ID: fmt.Sprintf("o/%d", a.N), State: states[r.IntN(4)]}
		a.Increase = store.Hold{ID: a.Hold.ID + "+", State: states[r.IntN(4)]}
		if n > 0 {
			a.Replaces = r.IntN(n + 1)
		}
		if yes() {
			a.SessionID = ""
		}
		if r.IntN(4) == 0 {
			a.Mismatch = "currency"
		}
		o.Attempts = append(o.Attempts, a)
	}
	if yes() {
		o.Notices = []store.Notice{{N: 1, Kind: store.NoticeFulfil, Attempt: 1}, {N: 2, Kind: "failed", Attempt: 1}}
	}
	return o
}

// next is deterministic and changes nothing, steps come by time, and dueAt is the earliest of them. To carry out the stock
// steps of any order ends, and to do it again does nothing.
func TestNextOfAnyOrder(t *testing.T) {
	t.Parallel()
	st, stock := memstore.New(), memreserver.New()
	f := &Flow[*memstore.Tx]{store: st, reserver: stock, log: slog.New(slog.DiscardHandler)}
	require.NoError(t, st.InTx(t.Context(), func(tx *memstore.Tx) error { return stock.Set(t.Context(), tx, "tee", 2) }))
	for seed := range uint64(3000) {
		o, now := randomOrder(rand.New(rand.NewPCG(seed, 1))), at(int(seed))
		before := o.Clone()
		steps := next(o, now)
		require.Equal(t, steps, next(o.Clone(), now))
		require.Equal(t, before, o)
		var earliest time.Time
		for i, s := range steps {
			if s.Action == Decide {
				continue
			}
			if i > 0 {
				require.False(t, s.At.Before(steps[i-1].At))
			}
			due := s.At
			if due.Before(now) {
				due = now
			}
			if (s.Action == FulfilOrder || s.Action == DeliverChange) && due.Equal(now) {
				due = now.Add(triggerGrace)
			}
			if earliest.IsZero() || due.Before(earliest) {
				earliest = due
			}
		}
		require.Equal(t, earliest, dueAt(o, now), "seed %d", seed)

		require.ErrorIs(t, st.InTx(t.Context(), func(tx *memstore.Tx) error {
			for n := 0; carryOutOne(t, f, tx, o, now); n++ {
				require.Less(t, n, 50, "seed %d: the steps don't end", seed)
			}
			rest := o.Clone()
			require.False(t, carryOutOne(t, f, tx, o, now))
			require.Equal(t, rest, o, "seed %d", seed)
			return errRollBack
		}), errRollBack)
	}
}

var errRollBack = fmt.Errorf("roll back")

// carryOutOne carries out the first step that can be, and reports whether there was one.
func carryOutOne(t *testing.T, f *Flow[*memstore.Tx], tx *memstore.Tx, o *store.Order, now time.Time) bool {
	t.Helper()
	for _, step := range next(o, now) {
		done, err := f.moveStock(context.Background(), tx, o, step, now)
		require.NoError(t, err, step)
		if done {
			return true
		}
	}
	return false
}

// A hold that somebody ended by hand becomes what the Reserver's books say.
func TestHoldEndedByHand(t *testing.T) {
	t.Parallel()
	st, stock := memstore.New(), memreserver.New()
	f := &Flow[*memstore.Tx]{store: st, reserver: stock, log: slog.New(slog.DiscardHandler)}
	require.NoError(t, st.InTx(t.Context(), func(tx *memstore.Tx) error {
		require.NoError(t, stock.Set(t.Context(), tx, "tee", 2))
		h := store.Hold{ID: "o/1"}
		refusal, err := f.holdStock(t.Context(), tx, &h, stockLines(openAttempt().Lines))
		require.NoError(t, err)
		require.NoError(t, refusal)
		_, err = stock.Commit(t.Context(), tx, "o/1")
		require.NoError(t, err)
		require.NoError(t, f.release(t.Context(), tx, &h))
		require.Equal(t, store.Sold, h.State)
		unknown := store.Hold{ID: "o/2", State: store.Held}
		require.NoError(t, f.release(t.Context(), tx, &unknown))
		require.Equal(t, store.Released, unknown.State)
		return nil
	}))
}
