package checkouttest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Tasks run at their times, in the order of the times and then of the calls. A task may schedule further tasks.
func TestSchedule(t *testing.T) {
	t.Parallel()
	s := NewServer(Config{})
	defer s.Close()
	start := s.Now()
	var ran []string
	at := func(d time.Duration, name string, then ...func()) {
		s.schedule(start.Add(d), func() {
			ran = append(ran, name+" "+s.Now().Sub(start).String())
			for _, f := range then {
				f()
			}
		})
	}
	s.mu.Lock()
	at(time.Hour, "c")
	at(time.Minute, "a", func() { at(time.Minute, "a2"); at(2*time.Minute, "b") })
	at(time.Minute, "a1")
	at(-time.Minute, "past")
	at(2*time.Hour, "later")
	s.mu.Unlock()
	s.Advance(time.Hour)
	require.Equal(t, []string{"past 0s", "a 1m0s", "a1 1m0s", "a2 1m0s", "b 2m0s", "c 1h0m0s"}, ran)
	s.passTime(time.Hour)
	require.Equal(t, "later 2h0m0s", ran[6])
	require.Equal(t, start.Add(2*time.Hour), s.Now())
	s.passTime(0)
	require.Equal(t, start.Add(2*time.Hour), s.Now())
}
