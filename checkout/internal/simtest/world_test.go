package simtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/memreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/memstore"
)

// world is one simulated history: a shop of a few processes, a Stripe, customers and a merchant, all of whom do what the
// history's plan says, in an order that is drawn from its seed.
type world struct {
	plan
	rng   *rand.Rand // whose turn it is
	srv   *checkouttest.Server
	st    atomic.Pointer[memstore.Store]
	stock *memreserver.Reserver
	sched *scheduler
	check *checker

	processes  []*atomic.Pointer[simProcess]
	deliveries atomic.Int64 // by Stripe
	actors     atomic.Int64
	running    atomic.Int64 // operations
	waiting    atomic.Int64 // callbacks that wait for their context to end
	advancing  atomic.Bool
	limited    atomic.Bool // Stripe answered 429 since everybody waited the last time, so a Begin may be waiting it out
	crashes    int
	losses     atomic.Int64 // times that the database went back to a backup
	backup     []memstore.Row
	jam        jam
	mute       time.Time   // since when there is no receiver for events; zero: there is one
	dirty      atomic.Bool // something was committed, or Stripe changed
	healed     atomic.Bool

	mu       sync.Mutex
	sessions []*simSession
	callers  map[string]context.CancelFunc
	runs     map[string]int // of callbacks, by order
	commits  map[string]int // by actor
	failures map[string]int // of callbacks, by order
	// refused are the changes whose callback failed for good, by order.
	refused map[string][]tale
	// fulfilling is when the last run of Fulfil for an order began. Stripe's clock may jump while it runs.
	fulfilling map[string]time.Time
	failed     error
	// unreadable and consoles are the orders whose rows can't be read, or are locked until the channel is closed.
	unreadable map[string]bool
	consoles   map[string]chan struct{}
	ended      map[tx]bool            // transactions that the database ended
	lostPaid   map[string]*simSession // by actor: see conflicts
	forgotten  map[string]bool        // orders that were paid when the database lost that
	refunds    map[string]string      // that the shop made by itself, by payment intent
	faults     map[string]int
	record     bool
	news       []string
	history    []string
	digest     uint64
}

var simStock = map[string]int64{"tee": 3, "last": 1}

func newWorld(t *testing.T, p plan, record bool) *world {
	w := &world{
		plan: p, rng: rand.New(rand.NewPCG(p.seed, 2)), record: record,
		srv:     checkouttest.NewServer(checkouttest.Config{Start: testStart, Sequential: true, Seed: p.seed, DunningEnd: p.dunning, DebitActivates: p.debitActivates}),
		stock:   memreserver.New(),
		sched:   &scheduler{threads: map[string]string{}, leaders: map[string]string{}},
		callers: map[string]context.CancelFunc{}, runs: map[string]int{}, commits: map[string]int{}, failures: map[string]int{}, fulfilling: map[string]time.Time{}, faults: map[string]int{},
		unreadable: map[string]bool{}, consoles: map[string]chan struct{}{}, ended: map[tx]bool{},
		lostPaid: map[string]*simSession{}, forgotten: map[string]bool{}, refunds: map[string]string{}, refused: map[string][]tale{},
	}
	w.st.Store(memstore.New())
	w.check = newChecker(w)
	_, err := w.database().ShopID(t.Context(), "shop_sim")
	require.NoError(t, err)
	require.NoError(t, w.database().InTx(t.Context(), func(tx tx) error {
		for sku, n := range simStock {
			if err := w.stock.Set(t.Context(), tx, sku, n); err != nil {
				return err
			}
		}
		return nil
	}))
	for i := range 2 {
		at := &atomic.Pointer[simProcess]{}
		at.Store(w.newProcess(t, fmt.Sprintf("p%d", i+1)))
		w.processes = append(w.processes, at)
	}
	w.srv.Deliver(hookRouter{w}, w.payloads)
	switch w.payloads {
	case checkouttest.Thin:
		w.met("thin events")
	case checkouttest.Both:
		w.met("both forms of events")
	}
	w.srv.Faults(p.stripeFaults()...)
	w.offerPlans()
	return w
}

// run lives through the history and returns what was wrong with it.
func (w *world) run(t *testing.T) error {
	defer w.srv.Close()
	defer w.unlockRows()
	todo := w.ops
	var last string
	waited := 0
	for {
		synctest.Wait()
		w.tell()
		if err := w.stepCheck(); err != nil {
			w.abort()
			return err
		}
		waiting := w.sched.waiting()
		busy := int(w.running.Load())
		canStart := len(todo) > 0 && busy < w.crowd && !(todo[0].passesTime() && w.advancing.Load())
		switch {
		case canStart && (len(waiting) == 0 || todo[0].rushes || !todo[0].quiet && w.rng.IntN(10) == 0):
			w.start(t, todo[0])
			todo = todo[1:]
			continue
		case len(waiting) == 0 && w.waiting.Load() > 0:
			time.Sleep(pause) // on the bubble's clock: callbacks that wait for their context go on
			continue
		case len(waiting) == 0 && busy > 0 && w.limited.Swap(false):
			time.Sleep(pause) // longer than any pause of a Begin
			continue
		case len(waiting) == 0 && busy > 0 && (w.locked() || w.losses.Load() > 0) && waited < lockedMost: // or a Begin waits for a lost order
			time.Sleep(pause)
			waited++
			continue
		case len(waiting) == 0 && busy == 0 && len(todo) == 0:
			w.settleDown(t)
			return w.check.atRest(t)
		case len(waiting) == 0:
			w.abort()
			return fmt.Errorf("%d operations wait for each other", busy)
		}
		waited = 0
		at := w.pick(waiting, last)
		last = at.who
		w.misfortune(t, at)
		w.note("%s: %s", at.who, at.what)
		w.sched.grant(at)
	}
}

// pause is how long everybody waits while nobody can go on. No timeout is as long as that or a multiple of it: otherwise, it would
// depend on chance whether what has ended at the end of a pause is over before somebody gets a turn.
const pause = checkout.DeliverTimeout + time.Millisecond

// lockedMost is how often in a row everybody may pause while a row is locked: nothing hangs for ever.
const lockedMost = 20

// pick draws whose turn it is: now and then that of another, as often as the plan says.
func (w *world) pick(waiting []*spot, last string) *spot {
	if w.rng.Float64() < w.sticky {
		for _, at := range waiting {
			if at.who == last {
				return at
			}
		}
	}
	return waiting[w.rng.IntN(len(waiting))]
}

func (w *world) stepCheck() error {
	w.mu.Lock()
	err := w.failed
	w.mu.Unlock()
	if err != nil || !w.dirty.Swap(false) {
		return err
	}
	return w.check.step()
}

// abort ends everything that is going on.
func (w *world) abort() {
	w.tell()
	for _, p := range w.processes {
		p.Load().dead.Store(true)
	}
	w.healed.Store(true)
	w.mu.Lock()
	for _, cancel := range w.callers {
		cancel()
	}
	w.mu.Unlock()
	w.srv.Faults()
	w.srv.Deliver(nil)
	w.unlockRows()
	w.sched.release()
	for w.running.Load() > 0 {
		time.Sleep(checkout.DeliverTimeout)
	}
}

func (w *world) actorName(does string) string { return fmt.Sprintf("%02d %s", w.actors.Add(1), does) }

// fail ends the history: something happened that must not.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = fmt.Errorf(format, args...)
	}
}

// say adds to the history what an actor did or met, in the order of the actors, as some may run side by side for a moment.
func (w *world) say(ctx context.Context, format string, args ...any) {
	if !w.record {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news = append(w.news, actorOf(ctx).name+":   "+strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "))
}

// tell moves what was said to the history.
func (w *world) tell() {
	who := func(line string) string { before, _, _ := strings.Cut(line, ":"); return before }
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortStableFunc(w.news, func(a, b string) int { return strings.Compare(who(a), who(b)) })
	w.history = append(w.history, w.news...)
	w.news = nil
}

// note adds a step to the history and to the digest by which two histories are told apart.
func (w *world) note(format string, args ...any) {
	line := w.srv.Now().Format("02 15:04:05 ") + fmt.Sprintf(format, args...)
	h := fnv.New64a()
	_, _ = io.WriteString(h, line)
	w.digest = mix(w.digest, h.Sum64())
	if w.record {
		w.history = append(w.history, line)
	}
}

// met counts a fault that came to pass.
func (w *world) met(fault string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[fault]++
}

func (w *world) order(id string) *store.Order {
	o, err := w.database().Find(context.Background(), id)
	if err != nil {
		return nil
	}
	return o
}

func (w *world) stocks() []reservation.Stock {
	var all []reservation.Stock
	err := w.database().InTx(context.Background(), func(tx tx) (err error) {
		all, err = w.stock.Stock(context.Background(), tx, "last", "tee")
		return err
	})
	if err != nil {
		panic(err)
	}
	return all
}

// holds are those that stand.
func (w *world) holds() (all []reservation.Hold) {
	err := w.database().InTx(context.Background(), func(tx tx) (err error) {
		all, err = w.stock.Holds(context.Background(), tx, "", 1000)
		return err
	})
	if err != nil {
		panic(err)
	}
	return all
}

// mix draws a number from others (SplitMix64).
func mix(numbers ...uint64) uint64 {
	var x uint64
	for _, n := range numbers {
		x = (x ^ n) + 0x9e3779b97f4a7c15
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}
