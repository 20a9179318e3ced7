// Package suite is the harness of the conformance suites storetest and reservationtest. It imports only the standard library,
// because a backend's tests import it with the suites.
package suite

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Reporter is the part of [testing.T] that checks use. With another Reporter the suites' own tests can watch checks fail.
type Reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Context returns the context of one check. It ends after a minute.
func Context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// Wrongf returns the error of a backend that breaks a promise. Its text may begin with the name of a method.
func Wrongf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// Race runs fn n times at once and fails for the first error.
func Race(t Reporter, n int, fn func(i int) error) {
	t.Helper()
	start, errs := make(chan struct{}), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatalf("one of %d concurrent callers failed: %v", n, err)
		}
	}
}

// Yield lets other goroutines run.
func Yield() {
	for range 20 {
		runtime.Gosched()
	}
}

// recorder keeps the messages of a check.
type recorder struct {
	mu       sync.Mutex
	messages []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// Watch runs a check in a bubble of synctest and returns its messages. In the bubble a check that waits for ever ends at once
// with its context.
func Watch(t *testing.T, check func(r Reporter)) []string {
	r := new(recorder)
	synctest.Test(t, func(*testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			check(r)
		}()
		<-done
	})
	return r.messages
}

// Breach is a backend that breaks one promise, and the check that must reject it.
type Breach struct {
	Name, Check string
	// Says is a part of the check's message. It holds several texts between bars if the message depends on which of two
	// goroutines is faster.
	Says string
	// Watch runs the check against the backend and returns the check's messages.
	Watch func(t *testing.T) []string
}

// Rejects fails unless every breach is rejected by its check, and every check rejects a breach.
func Rejects(t *testing.T, checks []string, breaches []Breach) {
	t.Helper()
	rejecting := map[string]bool{}
	for _, b := range breaches {
		if !slices.Contains(checks, b.Check) {
			t.Fatalf("%s: there is no check %q", b.Name, b.Check)
		}
		rejecting[b.Check] = true
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			var messages []string
			for range 20 { // some breaches show only in an unlucky sequence of events
				messages = b.Watch(t)
				if len(messages) > 0 {
					break
				}
			}
			if len(messages) == 0 {
				t.Fatalf("%q accepted the broken backend", b.Check)
			}
			all := strings.Join(messages, "\n")
			if !slices.ContainsFunc(strings.Split(b.Says, "|"), func(says string) bool { return strings.Contains(all, says) }) {
				t.Errorf("%q rejected the broken backend, but instead of %q it said:\n%s", b.Check, b.Says, all)
			}
		})
	}
	for _, check := range checks {
		if !rejecting[check] {
			t.Errorf("no broken backend shows that the check %q can fail", check)
		}
	}
}
