package checkouttest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Transport passes panics on, except for the panic that cuts a connection.
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
