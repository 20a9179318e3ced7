package simtest

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/internal/sampling"
	"github.com/gofulfil/fulfil/store"
)

var (
	simSeeds    = flag.Int("seeds", 0, "histories that TestSimulation lives through; 0: 150, and 2000 with FULFIL_TEST_FULL=1")
	simFirst    = flag.Uint64("firstseed", 0, "seed of the first of them; 0: a random one")
	simSeed     = flag.Uint64("seed", 0, "the one seed that TestSimulation replays, with its history")
	simMinimise = flag.Bool("minimise", true, "have TestSimulation look for the shortest history that still fails")
)

// outcomeOf is what one history came to.
type outcomeOf struct {
	seed     uint64
	err      error
	digest   uint64
	history  []string
	statuses map[string]int
	faults   map[string]int
}

// simulate lives through one history in a bubble of its own, in which it is known when all goroutines wait.
func simulate(t *testing.T, p plan, record bool) (out outcomeOf) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p, record)
		out.err = w.run(t)
		out.seed, out.digest, out.history, out.faults = p.seed, w.digest, w.history, w.countFaults()
		out.statuses = map[string]int{}
		for i := range w.orders {
			if o := w.order(fmt.Sprintf("order-%d", i+1)); o != nil {
				for _, reached := range reached(o) {
					out.statuses[reached]++
				}
				if out.err != nil {
					out.history = append(out.history, describe(o)...)
				}
			}
		}
	})
	return out
}

// reached says where an order got: its status, and what else became of it.
func reached(o *store.Order) []string {
	all := []string{string(checkout.Display(o))}
	if len(o.Attempts) > 1 {
		all = append(all, "(more than one attempt)")
	}
	if len(o.Shortfall) > 0 {
		all = append(all, "(short)")
	}
	if slices.ContainsFunc(o.Attempts, func(a store.Attempt) bool { return a.Duplicate }) {
		all = append(all, "(paid twice)")
	}
	if o.Parked != "" {
		all = append(all, "(parked)")
	}
	if !o.GivenUpAt.IsZero() {
		all = append(all, "(given up)")
	}
	for _, s := range o.Subscriptions {
		all = append(all, "(subscription "+string(s.Status)+")")
	}
	for _, n := range o.Notices {
		if len(o.Subscriptions) > 0 && n.Kind != store.NoticeFulfil {
			all = append(all, "(told "+n.Kind+")")
		}
	}
	return all
}

// TestSimulation lives through many histories of a shop in which everything goes wrong that can, each drawn from a seed, and
// holds them to the invariants after every step and at rest. A seed replays exactly: -seed shows its history.
func TestSimulation(t *testing.T) {
	t.Parallel()
	if *simSeed != 0 {
		out := simulate(t, newPlan(*simSeed), true)
		t.Log(strings.Join(out.history, "\n"))
		if out.err != nil {
			t.Errorf("seed %d: %v", *simSeed, out.err)
		}
		return
	}
	begun, first, seeds := time.Now(), firstSeed(t), *simSeeds
	if seeds == 0 {
		seeds = sampling.Size(150, 2000)
	}
	var mu sync.Mutex
	var next, lived atomic.Int64
	var failed []outcomeOf
	statuses, faults := map[string]int{}, map[string]int{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				n := next.Add(1) - 1
				mu.Lock()
				enough := len(failed) > 0
				mu.Unlock()
				if n >= int64(seeds) || enough {
					return
				}
				out := simulate(t, newPlan(first+uint64(n)), false)
				lived.Add(1)
				mu.Lock()
				if out.err != nil {
					failed = append(failed, out)
				}
				add(statuses, out.statuses)
				add(faults, out.faults)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for _, out := range failed {
		if !*simMinimise {
			t.Errorf("seed %d: %v", out.seed, out.err)
			continue
		}
		report(t, out)
	}
	took := time.Since(begun)
	t.Logf("statuses: %s", histogram(statuses))
	t.Logf("faults: %s", histogram(faults))
	t.Logf("%d histories, %.0f per second", lived.Load(), float64(lived.Load())/took.Seconds())
}

// firstSeed returns the seed that -firstseed says, or a random one.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	if *simFirst != 0 {
		return *simFirst
	}
	return uint64(sampling.Rand(t).Uint32()) + 1
}

func add(to, more map[string]int) {
	for key, n := range more {
		to[key] += n
	}
}

func histogram(counts map[string]int) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", key, counts[key]))
	}
	return strings.Join(parts, ", ")
}

// TestSimulationReplays: one seed, one history.
func TestSimulationReplays(t *testing.T) {
	t.Parallel()
	const seeds = 30
	first, seen := firstSeed(t), map[uint64]bool{}
	for seed := first; seed < first+seeds; seed++ {
		once, again := simulate(t, newPlan(seed), true), simulate(t, newPlan(seed), true)
		if once.digest != again.digest {
			for i := range min(len(once.history), len(again.history)) {
				if once.history[i] != again.history[i] {
					from := max(i-20, 0)
					t.Fatalf("seed %d has two histories:\n%s\n\n%s", seed, strings.Join(once.history[from:i+5], "\n"), strings.Join(again.history[from:i+5], "\n"))
				}
			}
			t.Fatalf("seed %d has histories of %d and %d steps", seed, len(once.history), len(again.history))
		}
		seen[once.digest] = true
	}
	if len(seen) != seeds {
		t.Errorf("%d seeds have %d histories", seeds, len(seen))
	}
}
