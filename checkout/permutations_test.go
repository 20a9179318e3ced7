package checkout_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sampling"
	"github.com/gofulfil/fulfil/internal/scenarios"
)

// ordersPerStory is in how many orders TestPermutations tells a story unless it tells all of them.
const ordersPerStory = 24

// Every order of the events of a story, with duplicates, and with questions to Stripe in place of any of them, ends in the
// same facts, the same status, the same stock, and one shipment or none; and nothing is told twice.
func TestPermutations(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	t.Run("stories", func(t *testing.T) { // ends when all of them have
		for _, story := range scenarios.Stories {
			t.Run(story.Name, func(t *testing.T) {
				t.Parallel()
				total.Add(tellInManyOrders(t, &story))
			})
		}
	})
	t.Logf("%d orders of events in %d stories", total.Load(), len(scenarios.Stories))
}

func tellInManyOrders(t *testing.T, story *scenarios.Story) (tried int64) {
	recording := story.Record(t)
	s := &testShop{t: t, srv: recording.Stripe, wire: &wire{next: recording.Stripe.Transport()}, log: &syncBuffer{}}
	var want *scenarios.Outcome
	orders := slices.Collect(recording.Permutations())
	for _, n := range sampling.Indexes(t, ordersPerStory, len(orders)) {
		tried++
		order := orders[n]
		r := s.rewoundTo(recording.Shop, recording.Begun)
		for _, step := range order {
			require.NoError(t, step.Do(t.Context(), scenarios.Process{Flow: r.flow, Hook: r.hook}), "%v", order)
		}
		got, err := scenarios.OutcomeOf(t.Context(), r.st, r.stock, scenarios.OrderID)
		require.NoError(t, err)
		got.Shipments = r.shipments(scenarios.OrderID)
		require.LessOrEqual(t, got.Shipments, 1, "%v", order)
		if want == nil {
			want = &got
		}
		require.NoError(t, story.Check(got, *want), "%v", order)
		require.NoError(t, story.CheckTold(r.changes), "%v", order)
	}
	t.Logf("%d of %d orders: %s", tried, len(orders), want.Status)
	return tried
}
