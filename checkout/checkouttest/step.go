package checkouttest

import "time"

// A Step is one change of a server whose history can be made again: see Server.Step.
type Step struct {
	// Number is the place of the step in the history. It determines the IDs that the step makes up, together with Config.Seed.
	Number uint64
	// At is the time of the step on the server's clock. The clock does not go back: an earlier time stands for the present one.
	At time.Time
	// Wait is how long Step waits for the deliveries afterwards. Default: 0, it does not wait.
	Wait time.Duration
	// Replay marks a step that has happened before, in an earlier server. Its deliveries count as accepted and are not made.
	Replay bool
}

// Step moves the clock to step.At and runs do, which may change the server in any way: it serves a request with ServeHTTP, or calls
// a method such as Pay. Steps run one after the other, and methods that do calls do not wait for deliveries. So a receiver of a
// delivery may call the API in a step of its own. Do must not call Step, Advance, Flush or WaitFor; Advance may run beside steps. A nil do only lets time go by.
//
// A server with the same Config, and a Seed and a Start, that makes the same steps has the same objects, IDs and events. Outcomes of
// deliveries are not part of them: a replayed server tries no delivery again. GET requests to the API need no step, unless a fault
// counts requests. Step excludes WallClock and Sequential, and panics with either.
func (s *Server) Step(step Step, do func()) {
	if s.clock.wall || s.sequential {
		panic("checkouttest: Step excludes Config.WallClock and Config.Sequential")
	}
	s.makeStep(step, do)
	if step.Wait > 0 && !step.Replay {
		s.await(step.Wait)
	}
}

func (s *Server) makeStep(step Step, do func()) {
	s.steps.Lock()
	defer s.steps.Unlock()
	s.setStep(&step)
	defer s.setStep(nil)
	s.passTime(step.At.Sub(s.Now()))
	s.ids.reseed(ofSteps, step.Number)
	if do != nil {
		do()
	}
}

func (s *Server) setStep(step *Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step, s.stepped = step, true
}

// inStep reports whether a step runs. Its methods must not wait, as a receiver may wait for the next step.
func (s *Server) inStep() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.step != nil
}
