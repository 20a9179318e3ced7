package checkouttest

import (
	"container/heap"
	"sync"
	"time"
)

// clock is the server's time: it stands still, or follows the wall clock, and Advance moves it forward.
type clock struct {
	mu   sync.Mutex
	wall bool
	at   time.Time     // when it stands still
	lead time.Duration // ahead of the wall clock
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wall {
		return time.Now().Add(c.lead)
	}
	return c.at
}

// set moves the clock forward to t, never back.
func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wall {
		c.lead = max(c.lead, time.Until(t))
	} else if t.After(c.at) {
		c.at = t
	}
}

// A task is something due at a time. Its run is called with the server locked.
type task struct {
	at  time.Time
	seq int // tasks of one moment run in the order in which they were made
	run func()
}

// agenda holds what is due later, as a heap.
type agenda []task

func (a agenda) Len() int { return len(a) }

func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

func (a agenda) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].seq < a[j].seq
}

// Push implements heap.Interface.
func (a *agenda) Push(x any) { *a = append(*a, x.(task)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// schedule is the one way for anything to happen later: an expiry, a settlement, a renewal, a retry, the end of an
// idempotency key. It has run called with the server locked, once the server's clock shows at, by Advance or by the wall
// clock, in the order of the times and, at one time, in the order of the calls. A time that has passed is due with the
// next Advance. The server must be locked. There is no taking back: run looks whether it still has anything to do.
func (s *Server) schedule(at time.Time, run func()) {
	s.taskSeq++
	heap.Push(&s.agenda, task{at: at, seq: s.taskSeq, run: run})
	s.poke()
}

// poke has follow look at the agenda again.
func (s *Server) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// runDue runs what is due first, and at the same moment, of all that is due by t, with the clock set to its time. It
// reports whether there was anything.
func (s *Server) runDue(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.agenda) == 0 || s.agenda[0].at.After(t) {
		return false
	}
	at := s.agenda[0].at
	s.clock.set(at)
	for len(s.agenda) > 0 && s.agenda[0].at.Equal(at) {
		heap.Pop(&s.agenda).(task).run()
	}
	return true
}

// Now is the server's clock. Give it to whatever the server is tested with.
func (s *Server) Now() time.Time { return s.clock.now() }

// Advance moves the clock forward by d. Whatever falls due on the way happens at its own time and in order: sessions
// expire, deliveries that failed are tried again. It returns when every delivery due by then has been answered, and
// must not be called from a webhook receiver. A negative d panics.
func (s *Server) Advance(d time.Duration) {
	if d < 0 {
		panic("checkouttest: Advance by a negative duration")
	}
	s.advancing.Lock()
	defer s.advancing.Unlock()
	s.Flush()
	until := s.Now().Add(d)
	for s.runDue(until) {
		s.Flush()
	}
	s.clock.set(until)
	s.poke()
}

// pass lets time go by during a request: what falls due happens, and what it has delivered is not waited for.
func (s *Server) pass(d time.Duration) {
	if d <= 0 {
		return
	}
	until := s.Now().Add(d)
	for s.runDue(until) {
	}
	s.clock.set(until)
	s.poke()
}

// follow does what falls due as the wall clock goes on, until the server is closed.
func (s *Server) follow() {
	defer s.running.Done()
	for {
		for s.runDue(s.Now()) {
		}
		pause := time.Hour
		s.mu.Lock()
		if len(s.agenda) > 0 {
			pause = s.agenda[0].at.Sub(s.Now())
		}
		s.mu.Unlock()
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.ctx.Done():
		}
		timer.Stop()
		if s.ctx.Err() != nil {
			return
		}
	}
}
