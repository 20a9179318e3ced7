package checkout_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/sampling"
	"github.com/gofulfil/fulfil/internal/scenarios"
)

// sequencesPerStory is the number of sequences of each story that TestPermutations samples.
const sequencesPerStory = 24

// Every sequence of a story's events ends in the same facts, the same status, the same stock, and one shipment or none. Events may come
// twice, and a question to Stripe may take the place of any of them. No change is delivered twice. It does not matter whether the shop
// gets snapshot events, thin events or both.
func TestPermutations(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	t.Run("stories", func(t *testing.T) { // waits for the parallel subtests
		for _, story := range scenarios.Stories {
			t.Run(story.Name, func(t *testing.T) {
				t.Parallel()
				total.Add(tellInManySequences(t, &story))
			})
		}
	})
	t.Logf("%d sequences of events in %d stories", total.Load(), len(scenarios.Stories))
}

// tellInManySequences tells a sample of the story's sequences, each to a new shop, and returns their number.
func tellInManySequences(t *testing.T, story *scenarios.Story) (tried int64) {
	recording := story.Record(t)
	s := &testShop{t: t, srv: recording.Stripe, wire: &wire{next: recording.Stripe.Transport()}, log: &syncBuffer{}}
	var want *scenarios.Outcome
	sequences := slices.Collect(recording.Permutations())
	rng := sampling.Rand(t)
	for _, n := range sampling.Indexes(t, sequencesPerStory, len(sequences)) {
		for _, form := range []checkouttest.Payloads{checkouttest.Snapshot, checkouttest.Thin, checkouttest.Both} {
			tried++
			sequence := scenarios.In(form, sequences[n], rng)
			r := s.rewoundTo(recording.Shop, recording.Begun)
			for _, step := range sequence {
				require.NoError(t, step.Do(t.Context(), scenarios.Process{Flow: r.flow, Hook: r.hook}), "%v", sequence)
			}
			got, err := scenarios.OutcomeOf(t.Context(), r.st, r.stock, scenarios.OrderID)
			require.NoError(t, err)
			got.Shipments = r.shipments(scenarios.OrderID)
			require.LessOrEqual(t, got.Shipments, 1, "%v", sequence)
			if want == nil {
				want = &got
			}
			require.NoError(t, story.Check(got, *want), "%v", sequence)
			require.NoError(t, story.CheckTold(r.changes), "%v", sequence)
		}
	}
	t.Logf("%d of %d sequences: %s", tried, len(sequences), want.Status)
	return tried
}
