package checkouttest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

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
