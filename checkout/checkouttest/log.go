package checkouttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Entry is one line of the server's history: a request to the API and its answer, or an attempt to deliver an event and
// the answer. Requests have a Method, attempts an EventID. An Entry holds no parameters, no bodies and no keys.
type Entry struct {
	At     time.Time // on the server's clock: the start of an attempt, the end of a request
	Status int       // HTTP status; 0: there was no answer
	Err    string    // why there was none
	Faults []string  // that hit it, such as "drop"

	Method         string
	Path           string // without the query
	RequestID      string // req_…
	IdempotencyKey string
	Replayed       bool // the idempotency key remembered the answer

	EventID   string
	EventType string
	Endpoint  string // we_… or ed_…; empty: the default endpoint
	Attempt   int    // as Attempt.Number
}

// String returns the entry in one line.
func (e Entry) String() string {
	var b strings.Builder
	b.WriteString(e.At.UTC().Format("2006-01-02 15:04:05.000 "))
	if e.Method != "" {
		fmt.Fprintf(&b, "%s %s", e.Method, e.Path)
	} else {
		fmt.Fprintf(&b, "%s %s attempt %d", e.EventType, e.EventID, e.Attempt)
		if e.Endpoint != "" {
			b.WriteString(" to " + e.Endpoint)
		}
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	if e.Err != "" {
		b.WriteString(": " + e.Err)
	}
	if e.RequestID != "" {
		b.WriteString(" " + e.RequestID)
	}
	if e.IdempotencyKey != "" {
		b.WriteString(" key " + e.IdempotencyKey)
	}
	if e.Replayed {
		b.WriteString(" replayed")
	}
	if len(e.Faults) > 0 {
		b.WriteString(" [" + strings.Join(e.Faults, ", ") + "]")
	}
	return b.String()
}

// Log returns the server's history: every request to the API and every attempt to deliver an event, in the order in which
// they ended.
func (s *Server) Log() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// record adds an entry to the history. The server is locked.
func (s *Server) record(e Entry) {
	s.entries = append(s.entries, e)
	s.wakeWaiters()
}

// wakeWaiters makes every WaitFor check its condition again. The server is locked.
func (s *Server) wakeWaiters() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// WaitFor returns once condition reports true. It checks the condition at once, and again after each event, request and
// attempt to deliver. The condition may call the server and look at the program under test. With Config.Sequential, WaitFor
// makes the due deliveries before each check. Do not call it from a webhook receiver. Errors: the context's, if ctx ends
// before the condition holds; context.Canceled, if the server is closed before.
func (s *Server) WaitFor(ctx context.Context, condition func() bool) error {
	for {
		if s.sequential {
			s.Flush()
		}
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("checkouttest: the condition of WaitFor did not come true: %w", ctx.Err())
		case <-s.ctx.Done():
			return fmt.Errorf("checkouttest: the condition of WaitFor did not come true before Close: %w", s.ctx.Err())
		}
	}
}

// A TestingT is the part of *testing.T, *testing.B and *testing.F that LogOnFailure needs. With it, programs that serve
// this package outside of tests do not link package testing.
type TestingT interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
}

// LogOnFailure writes the server's history to the log of t at the end of the test, if the test has failed.
func (s *Server) LogOnFailure(t TestingT) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		var b strings.Builder
		for _, e := range s.Log() {
			b.WriteString("\n" + e.String())
		}
		t.Logf("history of the Stripe server:%s", b.String())
	})
}
