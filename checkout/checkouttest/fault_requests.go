package checkouttest

import (
	"net/http"
	"strconv"
	"time"
)

// trouble is what befalls one request. Each has a value for before the write and for after it.
type trouble struct {
	names         []string
	limited       *time.Duration
	failed, reset [2]bool
	latency       [2]time.Duration
}

const (
	beforeWrite = iota
	afterWrite
)

// troubleOf asks the faults about a request.
func (s *Server) troubleOf(r *http.Request) trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	var t trouble
	for _, f := range s.faults {
		if !f.kind.ofRequests() || !f.picks(r.Method+" "+r.URL.Path, 0, s.requests) {
			continue
		}
		t.names = append(t.names, f.String())
		when := beforeWrite
		if f.after {
			when = afterWrite
		}
		switch f.kind {
		case rateLimit:
			t.limited = &f.d
		case serverError:
			t.failed[when] = true
		case reset:
			t.reset[when] = true
		case latency:
			t.latency[when] += f.d
		}
	}
	return t
}

// answerOrFail answers a call, or what befalls it does. Status zero is no answer.
func (s *Server) answerOrFail(h http.Header, r *http.Request, c *call, known *schema, do endpoint) (_ answer, replayed bool) {
	t := c.trouble
	s.pass(t.latency[beforeWrite])
	switch {
	case t.reset[beforeWrite]:
		return answer{}, false
	case t.limited != nil:
		h.Set("Stripe-Should-Retry", "true")
		h.Set("Retry-After", strconv.Itoa(int((*t.limited+time.Second-1)/time.Second)))
		return answerWith(nil, &apiError{
			status: http.StatusTooManyRequests, typ: "invalid_request_error", code: "rate_limit",
			message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
		}), false
	case t.failed[beforeWrite]:
		h.Set("Stripe-Should-Retry", "true")
		return answerWith(nil, broken()), false
	}
	a, replayed := s.answer(r, c, known, do)
	s.pass(t.latency[afterWrite])
	if t.reset[afterWrite] {
		return answer{}, false
	}
	return a, replayed
}

// recordCall adds a call to the history.
func (s *Server) recordCall(r *http.Request, c *call, a answer, replayed bool) {
	e := Entry{
		At: s.Now(), Status: a.status, Faults: c.trouble.names, Method: r.Method, Path: r.URL.Path,
		RequestID: c.id, IdempotencyKey: c.idemKey, Replayed: replayed,
	}
	if a.status == 0 {
		e.Err = "connection cut"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(e)
}

// broken is an error of the server's own.
func broken() *apiError {
	return &apiError{
		status: http.StatusInternalServerError, typ: "api_error",
		message: "An unknown error occurred. You can retry the request with the same idempotency key.",
	}
}

// hangUp cuts the connection of a request instead of answering. The first line of one keeps net/http's client from
// sending the request again by itself, as it may when a connection ends before the first byte.
func hangUp(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // not a connection: serveUncut
	}
	_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n")
	_ = rw.Flush()
	_ = conn.Close()
}
