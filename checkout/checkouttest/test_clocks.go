package checkouttest

import (
	"container/heap"
	"time"
)

// The server has one clock. A test clock is a name for it: to advance a test clock advances the server, with every object that it has.
// https://docs.stripe.com/billing/testing/test-clocks

// createTestClock makes a test clock. A frozen_time ahead of the server's time moves the server's clock to it.
func (s *Server) createTestClock(c *call) (object, *apiError) {
	frozen := c.params.Get("frozen_time")
	switch {
	case frozen == nil:
		return nil, missing("frozen_time")
	case frozen.Int() < s.Now().Unix():
		return nil, invalid("", "frozen_time", "This test server has one clock, and cannot go back to an earlier time than its own, %d.", s.Now().Unix())
	}
	s.moveClock(time.Unix(frozen.Int(), 0))
	o := object{
		"id": s.newID("clock_1", 23), "object": "test_helpers.test_clock", "created": s.Now().Unix(), "deletes_after": s.Now().AddDate(0, 0, 30).Unix(),
		"frozen_time": frozen.Int(), "livemode": false, "name": value(c.params.Get("name")), "status": "ready", "status_details": object{},
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("test_helpers.test_clock.created", o, nil, c)
	s.emitChange("test_helpers.test_clock.ready", o, nil, c)
	return o, nil
}

// advanceTestClock moves the server's clock. Everything that falls due on the way happens before the answer, and its events follow. As at
// Stripe, the answer says that the clock is advancing; the next look at it says that it is ready.
func (s *Server) advanceTestClock(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "test_helpers.test_clock")
	if err != nil {
		return nil, err
	}
	to := c.params.Get("frozen_time")
	switch {
	case to == nil:
		return nil, missing("frozen_time")
	case to.Int() <= o["frozen_time"].(int64):
		return nil, invalid("", "frozen_time", "frozen_time must be after the current frozen_time of the test clock.")
	case to.Int() < s.Now().Unix():
		return nil, invalid("", "frozen_time", "This test server has one clock, and cannot go back to an earlier time than its own, %d.", s.Now().Unix())
	}
	target := object{"target_frozen_time": to.Int()}
	answer := o.with(object{"status": "advancing", "status_details": object{"advancing": target}})
	s.emitChange("test_helpers.test_clock.advancing", answer, nil, c)
	s.moveClock(time.Unix(to.Int(), 0))
	o["frozen_time"] = to.Int()
	s.emitChange("test_helpers.test_clock.ready", o, nil, c)
	return answer, nil
}

// moveClock moves the clock forward. Everything that falls due on the way happens at its own time; nothing waits for deliveries. The
// server is locked.
func (s *Server) moveClock(until time.Time) {
	for len(s.agenda) > 0 && !s.agenda[0].at.After(until) {
		due := heap.Pop(&s.agenda).(task)
		s.clock.set(due.at)
		due.run()
	}
	s.clock.set(until)
	s.wakeFollower()
}

// deleteTestClock forgets a test clock. At Stripe its customers are deleted with it; here objects belong to no clock.
func (s *Server) deleteTestClock(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "test_helpers.test_clock")
	if err != nil {
		return nil, err
	}
	s.emitChange("test_helpers.test_clock.deleted", o, nil, c)
	return s.remove(o), nil
}
