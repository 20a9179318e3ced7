package flowtest

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/internal/dbtest"
	"github.com/gofulfil/fulfil/internal/sampling"
	"github.com/gofulfil/fulfil/internal/scenarios"
)

var (
	storySequences = flag.Int("story-sequences", sampling.Size(4, 8), "how many sequences of each story TestStories tells, on each database")
	storySeed      = flag.Uint64("story-seed", 1, "seed of the sequences that TestStories picks")
)

// toldStory is a story that has happened at Stripe, with its sequences in a random arrangement.
type toldStory struct {
	scenarios.Story
	*scenarios.Recording
	sequences [][]scenarios.Step

	mu   sync.Mutex
	want *scenarios.Outcome // on the first database, after the first sequence
}

// TestStories tells the stories of TestPermutations to two processes on each database, in a sample of the same sequences. In half of
// the sequences the steps go to the two processes in turn. In the other half both processes work at once, on the same sequence or on two.
// All databases must end in the same facts, status and stock, with one shipment at most, and no change may be delivered twice.
// `-story-sequences 1000` tells all sequences.
func TestStories(t *testing.T) {
	rng := rand.New(rand.NewPCG(*storySeed, 0))
	var stories []*toldStory
	for _, story := range scenarios.Stories {
		s := &toldStory{Story: story, Recording: story.Record(t)}
		s.sequences = slices.Collect(s.Permutations())
		rng.Shuffle(len(s.sequences), func(i, j int) { s.sequences[i], s.sequences[j] = s.sequences[j], s.sequences[i] })
		stories = append(stories, s)
	}
	for _, d := range append(dbtest.All(), serializable()...) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			began, pools := time.Now(), newPools(t, d)
			var total tally
			for _, s := range stories {
				total.add(s.tell(t, pools))
			}
			t.Logf("%s %s: %d sequences in %d stories, and %d pairs of sequences at once, of which %d steps came again, in %v",
				d.Name, d.Version(t, pools.dbs[0]), total.inTurn, len(stories), total.atOnce, total.again, time.Since(began).Round(time.Millisecond))
		})
	}
}

// serializable returns databases whose transactions are SERIALIZABLE by default. They answer with conflicts more often.
func serializable() (all []dbtest.Database) {
	for _, d := range dbtest.All() {
		if d.Driver != "pgx" {
			continue
		}
		create := d.Create
		d.Name += " serializable"
		d.Create = func(t testing.TB) string { return create(t) + "&default_transaction_isolation=serializable" }
		all = append(all, d)
	}
	return all
}

// tally counts the sequences that were told, and the steps that came again.
type tally struct{ inTurn, atOnce, again int }

func (n *tally) add(m tally) {
	n.inTurn, n.atOnce, n.again = n.inTurn+m.inTurn, n.atOnce+m.atOnce, n.again+m.again
}

// tell tells a sample of the story's sequences.
func (s *toldStory) tell(t *testing.T, pools *pools) (n tally) {
	t.Helper()
	picked := s.sequences[:min(*storySequences, len(s.sequences))]
	for i, sequence := range picked {
		p := newPair(t, pools, s.Stripe)
		require.NoError(t, scenarios.Rewind(t.Context(), p.st[0], p.stock, s.Shop, s.Begun))
		sequences := [2][]scenarios.Step{sequence}
		if i%2 == 0 {
			n.inTurn++
			for k, step := range sequence {
				require.NoError(t, step.Do(t.Context(), p.at((i+k)%2)), "%s: %v\n%s", s.Name, sequence, p.log)
			}
		} else {
			n.atOnce++
			sequences[1] = s.sequences[(i+i/2%2)%len(s.sequences)]
			n.again += p.tellAtOnce(sequences)
		}
		s.check(p, sequences)
	}
	return n
}

// tellAtOnce tells each process its sequence of the steps, both at once. Failed steps then come again, as Stripe's events do, to the two
// processes in turn. tellAtOnce returns the number of failed steps.
func (p *pair) tellAtOnce(sequences [2][]scenarios.Step) (again int) {
	p.t.Helper()
	var late [2][]scenarios.Step
	var odd [2]error
	atOnce(func(process int) {
		for _, step := range sequences[process] {
			if err := step.Do(context.WithoutCancel(p.t.Context()), p.at(process)); err != nil {
				late[process] = append(late[process], step)
				if !comesAgain(err) {
					odd[process] = errors.Join(odd[process], err)
				}
			}
		}
	})
	require.NoError(p.t, errors.Join(odd[:]...), "%v\n%s", sequences, p.log)
	for i, step := range slices.Concat(late[:]...) {
		require.NoError(p.t, step.Do(p.t.Context(), p.at(i%2)), "again: %v\n%s", sequences, p.log)
	}
	return len(late[0]) + len(late[1])
}

// comesAgain reports whether err may be the answer to Stripe when two processes compete for an order. A conflict in the
// database may not: the transaction is run again instead.
func comesAgain(err error) bool {
	return errors.Is(err, checkout.ErrBusy) || strings.Contains(err.Error(), "order changed while it was being delivered")
}

func (s *toldStory) check(p *pair, sequences [2][]scenarios.Step) {
	p.t.Helper()
	got, err := scenarios.OutcomeOf(p.t.Context(), p.st[1], p.stock, scenarios.OrderID)
	require.NoError(p.t, err)
	got.Shipments = p.shipments(scenarios.OrderID)
	require.LessOrEqual(p.t, got.Shipments, 1, "%s: %v\n%s", s.Name, sequences, p.log)
	s.mu.Lock()
	if s.want == nil {
		s.want = &got
	}
	want := *s.want
	s.mu.Unlock()
	require.NoError(p.t, s.Check(got, want), "%s: %v\n%s", s.Name, sequences, p.log)
	require.NoError(p.t, s.CheckTold(p.told()), "%s: %v\n%s", s.Name, sequences, p.log)
}
