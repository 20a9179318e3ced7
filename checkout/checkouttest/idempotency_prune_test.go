package checkouttest

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The server forgets idempotency keys after a day, so that they do not fill its memory.
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
	require.Len(t, s.savedAnswers, 3)
	s.Advance(21 * time.Hour)
	require.Len(t, s.savedAnswers, 2)
	s.Advance(2 * time.Hour)
	require.Empty(t, s.savedAnswers)
	require.Empty(t, s.agenda)

	// With a wall clock, a key may end before its task runs, and be used again before then.
	expire("again")
	for name, a := range s.savedAnswers {
		a.at = a.at.Add(time.Second)
		s.savedAnswers[name] = a
	}
	s.Advance(24 * time.Hour)
	require.Len(t, s.savedAnswers, 1)
}
