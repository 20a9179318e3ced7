package checkouttest

import (
	"container/heap"
	"sync"
	"time"
)

// A clock is the server's time. It stands still or follows the wall clock, and Advance moves it forward.
type clock struct {
	mu   sync.Mutex
	wall bool
	at   time.Time     // the time, while the clock stands still
	lead time.Duration // how far the clock is ahead of the wall clock
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

// A task falls due at a time. The server calls run with the lock held.
type task struct {
	at  time.Time
	seq int // orders the tasks of one time
	run func()
}

// An agenda holds the tasks that are due later, as a heap.
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

// schedule makes something happen later: an expiry, a settlement, a renewal, a retry, the end of an idempotency key.
// Nothing happens later in any other way. The server calls run, with the lock held, when its clock shows at. Tasks run in
// the order of their times, and tasks of one time in the order in which they were scheduled. A time in the past is due with
// the next Advance. A task cannot be taken back, so run checks whether it still has anything to do. The server is locked.
func (s *Server) schedule(at time.Time, run func()) {
	s.taskSeq++
	heap.Push(&s.agenda, task{at: at, seq: s.taskSeq, run: run})
	s.wakeFollower()
}

// wakeFollower makes followWallClock look at the agenda again.
func (s *Server) wakeFollower() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// runDue sets the clock to the first time at which a task is due, and runs all tasks of that time. It reports false if no
// task is due by t.
func (s *Server) runDue(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.agenda) == 0 || s.agenda[0].at.After(t) {
		return false
	}
	at := s.agenda[0].at
	if s.stepped && at.After(s.lastDue) {
		s.lastDue = at
		before := s.ids.reseed(ofTimes, uint64(at.UnixNano()))
		defer s.ids.resume(before) // a retry, which no replay has, must not change the IDs of the step
	}
	s.clock.set(at)
	for len(s.agenda) > 0 && s.agenda[0].at.Equal(at) {
		heap.Pop(&s.agenda).(task).run()
	}
	return true
}

// Now returns the time on the server's clock. Give this method to the program under test as its clock.
func (s *Server) Now() time.Time { return s.clock.now() }

// Advance moves the clock forward by d. Everything that falls due on the way happens at its own time and in order: sessions
// expire, subscriptions renew, failed deliveries are tried again. Advance returns when the receivers have answered every
// delivery that is due by then. Do not call it from a webhook receiver. A negative d panics.
func (s *Server) Advance(d time.Duration) {
	if d < 0 {
		panic("checkouttest: Advance by a negative duration")
	}
	s.advancing.Lock()
	defer s.advancing.Unlock()
	s.flush()
	until := s.Now().Add(d)
	for s.runDue(until) {
		s.flush()
	}
	s.clock.set(until)
	s.wakeFollower()
}

// passTime lets time go by during a request. Everything that falls due happens, but passTime does not wait for deliveries.
func (s *Server) passTime(d time.Duration) {
	if d <= 0 {
		return
	}
	until := s.Now().Add(d)
	for s.runDue(until) {
	}
	s.clock.set(until)
	s.wakeFollower()
}

// followWallClock runs tasks as the wall clock reaches their times, until Close.
func (s *Server) followWallClock() {
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
