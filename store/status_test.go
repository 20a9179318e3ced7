package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Attempts with different facts.
var (
	open       = store.Attempt{}
	closed     = store.Attempt{ClosedAt: at}
	processing = store.Attempt{Completed: true}
	paid       = store.Attempt{Completed: true, Paid: true, PaidAt: at}
	failed     = store.Attempt{Completed: true, Failed: true}
	expired    = store.Attempt{Expired: true}
	latePaid   = store.Attempt{ClosedAt: at, Expired: true, Failed: true, Paid: true, PaidAt: at}
)

func TestStatus(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attempts []store.Attempt
		canceled bool
		refunds  []store.Refund
		disputes []store.Dispute
		want     store.Status
	}{
		"nothing known":                      {want: store.Draft},
		"closed before the URL was out":      {attempts: []store.Attempt{closed, closed}, want: store.Draft},
		"open":                               {attempts: []store.Attempt{closed, open}, want: store.Open},
		"open after one expired":             {attempts: []store.Attempt{expired, open}, want: store.Open},
		"open after one failed":              {attempts: []store.Attempt{failed, open}, want: store.Open},
		"open and to be canceled":            {attempts: []store.Attempt{open}, canceled: true, want: store.Open},
		"processing":                         {attempts: []store.Attempt{processing}, want: store.Processing},
		"processing beside an open one":      {attempts: []store.Attempt{processing, open}, want: store.Processing},
		"processing and to be canceled":      {attempts: []store.Attempt{processing}, canceled: true, want: store.Processing},
		"paid":                               {attempts: []store.Attempt{paid}, want: store.Paid},
		"paid without a completed page":      {attempts: []store.Attempt{{Paid: true}}, want: store.Paid},
		"paid beside everything else":        {attempts: []store.Attempt{open, processing, failed, expired, paid}, canceled: true, want: store.Paid},
		"paid after it failed and expired":   {attempts: []store.Attempt{latePaid}, want: store.Paid},
		"canceled":                           {canceled: true, want: store.Canceled},
		"canceled after it expired":          {attempts: []store.Attempt{expired}, canceled: true, want: store.Canceled},
		"canceled after it failed":           {attempts: []store.Attempt{failed}, canceled: true, want: store.Canceled},
		"failed":                             {attempts: []store.Attempt{failed}, want: store.Failed},
		"failed and expired":                 {attempts: []store.Attempt{failed, expired}, want: store.Failed},
		"expired":                            {attempts: []store.Attempt{expired, closed}, want: store.Expired},
		"refunded in part":                   {attempts: []store.Attempt{paid}, refunds: refunds(99), want: store.PartiallyRefunded},
		"refunded in several parts":          {attempts: []store.Attempt{paid}, refunds: refunds(40, 60), want: store.Refunded},
		"refunded more than was paid":        {attempts: []store.Attempt{paid}, refunds: refunds(101), want: store.Refunded},
		"refund heard of before the payment": {attempts: []store.Attempt{open}, refunds: refunds(100), want: store.Open},
		"refund that failed": {
			attempts: []store.Attempt{paid}, refunds: []store.Refund{{ID: "re", Amount: 100, State: store.RefundFailed}}, want: store.Paid,
		},
		"refund on its way": {
			attempts: []store.Attempt{paid}, refunds: []store.Refund{{ID: "re", Amount: 100, State: store.RefundPending}}, want: store.Refunded,
		},
		"dispute open":      {attempts: []store.Attempt{paid}, disputes: dispute(store.DisputeOpen), want: store.Disputed},
		"dispute lost":      {attempts: []store.Attempt{paid}, disputes: dispute(store.DisputeLost), want: store.Disputed},
		"dispute won":       {attempts: []store.Attempt{paid}, disputes: dispute(store.DisputeWon), want: store.Paid},
		"disputed, unpaid":  {attempts: []store.Attempt{open}, disputes: dispute(store.DisputeOpen), want: store.Open},
		"disputed, refunds": {attempts: []store.Attempt{paid}, refunds: refunds(100), disputes: dispute(store.DisputeOpen), want: store.Disputed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &store.Order{Attempts: tt.attempts, Refunds: tt.refunds, Disputes: tt.disputes, Amounts: store.Amounts{Total: 100}}
			if tt.canceled {
				o.CancelRequestedAt = at
			}
			require.Equal(t, tt.want, o.Status())
			slices.Reverse(o.Attempts)
			slices.Reverse(o.Refunds)
			require.Equal(t, tt.want, o.Status(), "the sequence of attempts and refunds must not matter")
		})
	}
}

func refunds(amounts ...int64) (all []store.Refund) {
	for i, amount := range amounts {
		all = append(all, store.Refund{ID: fmt.Sprint("re_", i), Amount: amount, State: store.RefundSucceeded})
	}
	return all
}

func dispute(state store.DisputeState) []store.Dispute {
	return []store.Dispute{{ID: "dp_1", Amount: 100, State: state}}
}

// Facts end in the same status, whatever the sequence in which they are heard and whether some are heard twice.
func TestStatusWhateverTheOrderOfTheFacts(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(6, 7))
	states := []store.RefundState{store.RefundPending, store.RefundRequiresAction, store.RefundSucceeded, store.RefundFailed}
	for range 500 {
		var facts []func(o *store.Order)
		for n := range 3 {
			for _, fact := range []func(a *store.Attempt){
				func(a *store.Attempt) { a.ClosedAt = at },
				func(a *store.Attempt) { a.Completed = true },
				func(a *store.Attempt) { a.Paid = true },
				func(a *store.Attempt) { a.Failed = true },
				func(a *store.Attempt) { a.Expired = true },
			} {
				if random.IntN(4) == 0 {
					facts = append(facts, func(o *store.Order) { fact(o.Attempt(n + 1)) })
				}
			}
		}
		for n := range 2 {
			r := store.Refund{ID: fmt.Sprint("re_", n), Amount: 50, State: states[random.IntN(len(states))]}
			facts = append(facts, func(o *store.Order) {
				if !slices.Contains(o.Refunds, r) {
					o.Refunds = append(o.Refunds, r)
				}
			})
		}
		if n := random.IntN(3); n > 0 {
			state := []store.DisputeState{store.DisputeOpen, store.DisputeWon}[n-1]
			facts = append(facts, func(o *store.Order) { o.Disputes = []store.Dispute{{ID: "dp_1", State: state}} })
		}
		if random.IntN(4) == 0 {
			facts = append(facts, func(o *store.Order) { o.CancelRequestedAt = at })
		}
		var want store.Status
		for round := range 10 {
			o := &store.Order{Attempts: make([]store.Attempt, 3), Amounts: store.Amounts{Total: 100}}
			heard := append(slices.Clone(facts), facts[:len(facts)/2]...)
			random.Shuffle(len(heard), func(i, j int) { heard[i], heard[j] = heard[j], heard[i] })
			for _, fact := range heard {
				fact(o)
			}
			if round == 0 {
				want = o.Status()
			}
			require.Equal(t, want, o.Status())
		}
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	o := &store.Order{Attempts: []store.Attempt{
		{N: 1, SessionID: "cs_1", Expired: true}, {N: 2, SessionID: "cs_2"}, {N: 3}, {N: 4, ClosedAt: at}, {N: 5, Completed: true},
	}}
	require.Nil(t, o.Attempt(0))
	require.Nil(t, o.Attempt(6))
	require.Equal(t, 5, o.Attempt(5).N)
	require.Equal(t, 2, o.AttemptBySession("cs_2").N)
	require.Nil(t, o.AttemptBySession("cs_3"))
	require.Nil(t, o.AttemptBySession(""), "an empty ID must not find an attempt without a session")
	require.Equal(t, 3, o.OpenAttempt().N, "the latest that is open")
	o.OpenAttempt().Expired = true
	require.Equal(t, 2, o.OpenAttempt().N)
	o.OpenAttempt().Failed = true
	require.Nil(t, o.OpenAttempt())
}

func TestPaidAttempt(t *testing.T) {
	t.Parallel()
	o := &store.Order{Attempts: []store.Attempt{{N: 1, Failed: true}, {N: 2}, {N: 3}, {N: 4}, {N: 5}}}
	require.False(t, o.Paid())
	require.Nil(t, o.PaidAttempt())
	pay := func(n int, mismatch string, duplicate bool) {
		a := o.Attempt(n)
		a.Paid, a.Mismatch, a.Duplicate = true, mismatch, duplicate
	}
	pay(4, "another currency", false)
	require.True(t, o.Paid())
	require.Equal(t, 4, o.PaidAttempt().N, "the only one, though it does not agree with what was sold")
	pay(3, "another currency", false)
	require.Equal(t, 3, o.PaidAttempt().N, "the first of those that do not agree")
	pay(5, "", false)
	require.Equal(t, 5, o.PaidAttempt().N, "the one that agrees")
	pay(2, "", true)
	require.Equal(t, 5, o.PaidAttempt().N, "a duplicate does not count")
}
