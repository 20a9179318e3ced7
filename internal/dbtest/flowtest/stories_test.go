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
	storyOrders = flag.Int("story-orders", sampling.Size(4, 8), "in how many of its orders TestStories tells each story, on each database")
	storySeed   = flag.Uint64("story-seed", 1, "seed of the orders that TestStories picks")
)

// toldStory is a story that has happened at Stripe, and the orders in which databases are told of it.
type toldStory struct {
	scenarios.Story
	*scenarios.Recording
	orders [][]scenarios.Step

	mu   sync.Mutex
	want *scenarios.Outcome // on the first database, in the first order
}

// TestStories tells two processes on each database the stories that TestPermutations of package checkout tells one in
// memory, in some of the same orders. Half of them are told step by step, to one process and the other in turn; of the others each
// process is told one, the same or one of its own, both at once. All databases must end in the same facts, status and stock,
// with one shipment at most, and nothing told twice. `-story-orders 1000` tells all of them.
func TestStories(t *testing.T) {
	rng := rand.New(rand.NewPCG(*storySeed, 0))
	var stories []*toldStory
	for _, story := range scenarios.Stories {
		s := &toldStory{Story: story, Recording: story.Record(t)}
		s.orders = slices.Collect(s.Permutations())
		rng.Shuffle(len(s.orders), func(i, j int) { s.orders[i], s.orders[j] = s.orders[j], s.orders[i] })
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
			t.Logf("%s %s: %d orders of events in %d stories, and %d pairs of orders at once, of which %d steps came again, in %v",
				d.Name, d.Version(t, pools.dbs[0]), total.inTurn, len(stories), total.atOnce, total.again, time.Since(began).Round(time.Millisecond))
		})
	}
}

// serializable are databases that refuse transactions which they could not order one after the other.
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

// tally counts the orders that were told.
type tally struct{ inTurn, atOnce, again int }

func (n *tally) add(m tally) {
	n.inTurn, n.atOnce, n.again = n.inTurn+m.inTurn, n.atOnce+m.atOnce, n.again+m.again
}

// tell tells the story in some of its orders.
func (s *toldStory) tell(t *testing.T, pools *pools) (n tally) {
	t.Helper()
	picked := s.orders[:min(*storyOrders, len(s.orders))]
	for i, order := range picked {
		p := newPair(t, pools, s.Stripe)
		require.NoError(t, scenarios.Rewind(t.Context(), p.st[0], p.stock, s.Shop, s.Begun))
		orders := [2][]scenarios.Step{order}
		if i%2 == 0 {
			n.inTurn++
			for k, step := range order {
				require.NoError(t, step.Do(t.Context(), p.at((i+k)%2)), "%s: %v\n%s", s.Name, order, p.log)
			}
		} else {
			n.atOnce++
			orders[1] = s.orders[(i+i/2%2)%len(s.orders)]
			n.again += p.tellAtOnce(orders)
		}
		s.check(p, orders)
	}
	return n
}

// tellAtOnce tells each process its order of the steps, both at once. What could not be done then comes again, as Stripe's
// events do: to one process and the other in turn.
func (p *pair) tellAtOnce(orders [2][]scenarios.Step) (again int) {
	p.t.Helper()
	var late [2][]scenarios.Step
	var odd [2]error
	atOnce(func(process int) {
		for _, step := range orders[process] {
			if err := step.Do(context.WithoutCancel(p.t.Context()), p.at(process)); err != nil {
				late[process] = append(late[process], step)
				if !comesAgain(err) {
					odd[process] = errors.Join(odd[process], err)
				}
			}
		}
	})
	require.NoError(p.t, errors.Join(odd[:]...), "%v\n%s", orders, p.log)
	for i, step := range slices.Concat(late[:]...) {
		require.NoError(p.t, step.Do(p.t.Context(), p.at(i%2)), "again: %v\n%s", orders, p.log)
	}
	return len(late[0]) + len(late[1])
}

// comesAgain reports whether err is one that processes which compete for an order may give Stripe. Conflicts in the database
// are not: they are tried again there.
func comesAgain(err error) bool {
	return errors.Is(err, checkout.ErrBusy) || strings.Contains(err.Error(), "order changed while it was being delivered")
}

func (s *toldStory) check(p *pair, orders [2][]scenarios.Step) {
	p.t.Helper()
	got, err := scenarios.OutcomeOf(p.t.Context(), p.st[1], p.stock, scenarios.OrderID)
	require.NoError(p.t, err)
	got.Shipments = p.shipments(scenarios.OrderID)
	require.LessOrEqual(p.t, got.Shipments, 1, "%s: %v\n%s", s.Name, orders, p.log)
	s.mu.Lock()
	if s.want == nil {
		s.want = &got
	}
	want := *s.want
	s.mu.Unlock()
	require.NoError(p.t, s.Check(got, want), "%s: %v\n%s", s.Name, orders, p.log)
	require.NoError(p.t, s.CheckTold(p.told()), "%s: %v\n%s", s.Name, orders, p.log)
}
