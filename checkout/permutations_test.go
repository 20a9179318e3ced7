package checkout_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
)

// mostOrders is how many orders of its events, with duplicates, a story is told in at most.
const mostOrders = 1000

// Every order of the events of a story, with duplicates, and with questions to Stripe in place of any of them, ends in the
// same facts, the same status, the same stock, and one shipment or none; and nothing is told twice.
func TestPermutations(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	t.Run("stories", func(t *testing.T) { // ends when all of them have
		for _, st := range stories {
			t.Run(st.name, func(t *testing.T) {
				t.Parallel()
				total.Add(st.tellInEveryOrder(t))
			})
		}
	})
	t.Logf("%d orders of events in %d stories", total.Load(), len(stories))
}

func (st *story) tellInEveryOrder(t *testing.T) (tried int64) {
	s := newShop(t)
	all := s.recordEvents()
	begun := st.happens(s)
	s.srv.Flush()
	var steps []step
	for _, e := range *all {
		if slices.Contains(st.events, e.eventType) {
			steps = append(steps, step{e.eventType, func(r *testShop) {
				require.NoError(t, r.hook.Dispatch(t.Context(), e.payload))
			}})
		}
	}
	events := len(steps)
	steps = append(steps, st.acts...)
	require.Equal(t, st.steps, len(steps))

	var want *outcome
	try := func(order []step) {
		tried++
		if raceEnabled && tried%8 != 1 { // every eighth, as each takes several times as long
			return
		}
		r := s.rewound(begun)
		for _, step := range order {
			step.do(r)
		}
		got := r.outcome("order-1")
		if st.handedOverOrNot {
			require.LessOrEqual(t, got.Shipments, 1, "%v", order)
			got.Shipments = 0
		}
		if want == nil {
			want = &got
			require.Equal(t, st.ends, got.Status)
		}
		require.Equal(t, *want, got, "%v", order)
		r.requireToldOnce(st.told, order)
	}
	for _, counts := range withDuplicates(len(steps)) {
		arrangements(counts, func(order []int) { try(pick(steps, order)) })
	}
	if !st.unpolled {
		withPoll := append(slices.Clone(steps), step{"poll", (*testShop).poll})
		for _, counts := range withPolls(events, len(steps)) {
			arrangements(counts, func(order []int) { try(pick(withPoll, order)) })
		}
		for _, counts := range lost(events, len(steps)) {
			arrangements(counts, func(order []int) { try(append(pick(steps, order), withPoll[len(steps)])) })
		}
	}
	t.Logf("%d orders of %d events: %s", tried, len(steps), want.Status)
	return tried
}

// step is one thing that reaches the shop: an event, an answer of Stripe's, a decision of the merchant's.
type step struct {
	name string
	do   func(r *testShop)
}

func (s step) String() string { return s.name }

func pick(steps []step, order []int) []step {
	picked := make([]step, 0, len(order)+1)
	for _, i := range order {
		picked = append(picked, steps[i])
	}
	return picked
}

// poll asks Stripe for everything, as pages and sweeps do.
func (s *testShop) poll() {
	for _, a := range s.order("order-1").Attempts {
		if a.SessionID != "" {
			_, err := s.flow.Settle(s.t.Context(), a.SessionID)
			require.NoError(s.t, err)
		}
	}
	s.sweep()
}

// requireToldOnce checks that no change was told twice, and that these were told.
func (s *testShop) requireToldOnce(kinds []checkout.ChangeKind, order []step) {
	s.t.Helper()
	told := map[string]bool{}
	for _, c := range s.changes {
		what := fmt.Sprint(c.Kind, " ", c.Attempt, " ", c.Detail)
		require.False(s.t, told[what], "told twice: %s: %v", what, order)
		told[what] = true
	}
	for _, kind := range kinds {
		require.Contains(s.t, s.kinds(), kind, "%v", order)
	}
}

// withDuplicates is how often each of n events is heard: twice, if that makes few enough orders; else each of them in turn
// twice; else once.
func withDuplicates(n int) [][]int {
	once := slices.Repeat([]int{1}, n)
	doubled := slices.Repeat([]int{2}, n)
	if countOrders(doubled) <= mostOrders {
		return [][]int{doubled}
	}
	var inTurn [][]int
	for i := range n {
		counts := slices.Clone(once)
		counts[i] = 2
		inTurn = append(inTurn, counts)
	}
	if n*countOrders(inTurn[0]) <= mostOrders {
		return inTurn
	}
	return [][]int{once}
}

// withPolls has the question, step n, asked in place of each of the events among n steps.
func withPolls(events, n int) (all [][]int) {
	for i := range events {
		counts := slices.Repeat([]int{1}, n+1)
		counts[i] = 0
		all = append(all, counts)
	}
	return all
}

// lost has two or more of the events among n steps never heard.
func lost(events, n int) (all [][]int) {
	for mask := range 1 << events {
		counts := slices.Repeat([]int{1}, n)
		heard := 0
		for i := range events {
			counts[i] = mask >> i & 1
			heard += counts[i]
		}
		if heard < events-1 {
			all = append(all, counts)
		}
	}
	return all
}

// arrangements calls fn with every order of a multiset: counts[i] times the number i.
func arrangements(counts []int, fn func(order []int)) {
	left := slices.Clone(counts)
	var order []int
	var next func(n int)
	next = func(n int) {
		if n == 0 {
			fn(order)
			return
		}
		for i := range left {
			if left[i] > 0 {
				left[i]--
				order = append(order, i)
				next(n - 1)
				order = order[:len(order)-1]
				left[i]++
			}
		}
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	next(n)
}

func countOrders(counts []int) (orders int) {
	if len(counts) > 5 {
		return mostOrders + 1 // without counting to the end
	}
	arrangements(counts, func([]int) { orders++ })
	return orders
}

func TestArrangements(t *testing.T) {
	t.Parallel()
	var all []string
	arrangements([]int{2, 0, 1}, func(order []int) { all = append(all, strings.Trim(fmt.Sprint(order), "[]")) })
	require.Equal(t, []string{"0 0 2", "0 2 0", "2 0 0"}, all)
	require.Equal(t, 90, countOrders([]int{2, 2, 2}))
	require.Equal(t, [][]int{{2, 2, 2}}, withDuplicates(3))
	require.Equal(t, [][]int{{0, 1, 1, 1}, {1, 0, 1, 1}}, withPolls(2, 3))
	require.Equal(t, [][]int{{0, 0, 1}}, lost(2, 3))
}
