package simtest

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofulfil/fulfil/internal/turns"
)

// scheduler lets one goroutine of a simulated world run at a time. Each of them waits for its turn before every call that
// reaches out of its process, to the Store, the Reserver, Stripe, and after it has waited for another goroutine of its process. The
// world, in a synctest bubble, waits until all of them wait, for a turn or for each other, and gives one a turn.
type scheduler struct {
	mu     sync.Mutex
	parked []*spot
	free   bool // nobody waits anymore
	turns  atomic.Int64
	// threads tells the goroutines of one sweep apart, by the order that each looked up last.
	threads map[string]string
	// leaders says who a goroutine acts for, as the context of a transaction for several callers does not.
	leaders map[string]string
}

// spot is where a goroutine waits for its turn.
type spot struct {
	who, what string
	turn      chan struct{}
}

func (s *scheduler) wait(who, what string) {
	s.mu.Lock()
	if s.free {
		s.mu.Unlock()
		return
	}
	at := &spot{who: who, what: what, turn: make(chan struct{})}
	s.parked = append(s.parked, at)
	s.mu.Unlock()
	<-at.turn
}

// acting returns the context of an actor that waits for its turn whenever another goroutine woke it.
func (s *scheduler) acting(ctx context.Context, a actor) context.Context {
	return turns.Context(a.context(ctx), func(ctx context.Context, what string) error {
		s.wait(a.name, "goes on: "+what+" "+s.thread(ctx))
		return ended(ctx)
	})
}

// waiting returns those that wait, in an order that does not depend on when they came.
func (s *scheduler) waiting() []*spot {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.parked, func(a, b *spot) int {
		return cmp.Or(strings.Compare(a.who, b.who), strings.Compare(a.what, b.what))
	})
	return slices.Clone(s.parked)
}

func (s *scheduler) grant(at *spot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked = slices.DeleteFunc(s.parked, func(other *spot) bool { return other == at })
	s.turns.Add(1)
	close(at.turn)
}

// release lets everybody run, now and later.
func (s *scheduler) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = true
	for _, at := range s.parked {
		close(at.turn)
	}
	s.parked = nil
}

// actor is who does something, as its context says.
type actor struct {
	name string
	// threaded says that it may run several goroutines, as a sweep does.
	threaded bool
}

type actorKey struct{}

func (a actor) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func actorOf(ctx context.Context) actor {
	a, _ := ctx.Value(actorKey{}).(actor)
	return a
}

// looksAt notes that the calling goroutine is about an order.
func (s *scheduler) looksAt(ctx context.Context, order string) {
	if !actorOf(ctx).threaded {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.threads[goroutine()] = order
	s.leaders[goroutine()] = actorOf(ctx).name + " of " + order
}

// leads notes that the calling goroutine acts for a, until it calls done.
func (s *scheduler) leads(a actor) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := goroutine()
	s.leaders[who] = a.name
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.leaders, who)
	}
}

// leader is who the calling goroutine acts for.
func (s *scheduler) leader() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaders[goroutine()]
}

// thread is the order that the calling goroutine is about.
func (s *scheduler) thread(ctx context.Context) string {
	if !actorOf(ctx).threaded {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.threads[goroutine()]
}

// goroutine names the calling goroutine.
func goroutine() string {
	var buf [32]byte
	name, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), " [")
	return name
}
