package checkouttest

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Keys go when their time is up, so that a server that runs for long does not grow by them.
func TestIdempotencyKeysArePruned(t *testing.T) {
	t.Parallel()
	s := NewServer(Config{})
	defer s.Close()
	expire := func(key string) {
		r, err := http.NewRequest("POST", s.URL()+"/v1/checkout/sessions/cs_none/expire", strings.NewReader(""))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+s.Key())
		r.Header.Set("Idempotency-Key", key)
		resp, err := s.Transport().RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
	}
	for i := range 3 {
		expire(strconv.Itoa(i))
		s.Advance(time.Hour)
	}
	require.Len(t, s.saved, 3)
	s.Advance(21 * time.Hour)
	require.Len(t, s.saved, 2)
	s.Advance(2 * time.Hour)
	require.Empty(t, s.saved)
	require.Empty(t, s.agenda)

	// A wall clock may pass the time before the pruning does, and the key be taken again meanwhile.
	expire("again")
	for name, a := range s.saved {
		a.at = a.at.Add(time.Second)
		s.saved[name] = a
	}
	s.Advance(24 * time.Hour)
	require.Len(t, s.saved, 1)
}

// What is scheduled runs at its time, in the order of the times and then of the calls, also when it schedules more.
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
	s.pass(time.Hour)
	require.Equal(t, "later 2h0m0s", ran[6])
	require.Equal(t, start.Add(2*time.Hour), s.Now())
	s.pass(0)
	require.Equal(t, start.Add(2*time.Hour), s.Now())
}

func TestMatchStar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"charge.succeeded", "charge.succeeded", true}, {"charge.succeeded", "charge.succeeded.x", false}, {"charge.*", "charge.succeeded", true},
		{"charge.*", "charge.", true}, {"charge.*", "chargeback", false}, {"*", "", true}, {"", "", true}, {"", "a", false},
		{"*.succeeded", "charge.succeeded", true}, {"*.succeeded", "charge.succeeded.", false}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-c-b", false},
		{"* /v1/x/*/expire", "POST /v1/x/cs_1/expire", true}, {"* /v1/x/*/expire", "POST /v1/x/expire", false}, {"**", "a", true},
	} {
		require.Equal(t, c.want, matchStar(c.pattern, c.name), "%q %q", c.pattern, c.name)
	}
}

// Draws differ by each number, and are spread evenly.
func TestDraw(t *testing.T) {
	t.Parallel()
	seen := map[uint64]bool{}
	hits := 0
	for seed := range uint64(10) {
		for a := range 10 {
			for b := range 10 {
				n := draw(seed, a, b)
				seen[n] = true
				if float64(n>>11)/(1<<53) < 0.25 {
					hits++
				}
			}
		}
	}
	require.Equal(t, 1000, len(seen))
	require.InDelta(t, 250, hits, 50)
	require.NotEqual(t, draw(1, 2, 3), draw(1, 3, 2))
	require.NotEqual(t, draw(1), draw(1, 0))
}

// A connection that is cut is told from a mistake in the server.
func TestTransportLetsPanicsThrough(t *testing.T) {
	t.Parallel()
	s := NewServer(Config{})
	defer s.Close()
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) { panic("oops") })
	r, err := http.NewRequest("GET", s.URL()+"/", nil)
	require.NoError(t, err)
	require.PanicsWithValue(t, "oops", func() { _, _ = s.Transport().RoundTrip(r) })
}
