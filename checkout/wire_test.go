package checkout_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
)

// wire is a transport to Stripe. A test can change or answer the requests on it.
type wire struct {
	next http.RoundTripper

	mu     sync.Mutex
	meddle func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error)
	calls  []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	meddle := w.meddle
	w.calls = append(w.calls, r.Method+" "+r.URL.Path)
	w.mu.Unlock()
	send := func() (*http.Response, error) { return w.next.RoundTrip(r) }
	if meddle == nil {
		return send()
	}
	return meddle(r, send)
}

func (w *wire) on(meddle func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meddle = meddle
}

func (w *wire) count(call string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if c == call {
			n++
		}
	}
	return n
}

const createCall = "POST /v1/checkout/sessions"

func isCreate(r *http.Request) bool { return r.Method+" "+r.URL.Path == createCall }

// answer is a made-up response of Stripe.
func answer(r *http.Request, status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	response := w.Result()
	response.Request = r
	return response
}
