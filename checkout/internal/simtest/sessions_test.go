package simtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// simSession is a session that the shop began.
type simSession struct {
	id, order string
	attempt   string
	handed    bool // a customer was given its URL
	paying    bool // complete, and the money on its way
	paid      bool // Stripe has the money, or had it
	ended     bool // it can no longer be paid
	created   time.Time
	debit     string    // the payment intent of its debit, if it was paid by one
	givenBack time.Time // when all its money was refunded or disputed; zero: it was not, or not for good

	authorized bool // the money waits to be captured
	recovered  bool // a copy of an expired session, that Stripe made
	lost       bool // the database knew of it before it went back to a backup
	foreign    bool // another application's, with the marks of the order copied
	elsewhere  bool // and on another account
}

func (s *simSession) String() string { return s.order + "#" + s.attempt }

// answeredBy notes the sessions and refunds that Stripe answered with.
func (w *world) answeredBy(r *http.Request, response *http.Response) {
	refund := r.Method == http.MethodPost && r.URL.Path == "/v1/refunds"
	if !isCreate(r) && !refund {
		return
	}
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		ID            string
		PaymentIntent string `json:"payment_intent"`
		Error         struct{ Type string }
	}
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return // the process can't read it either
	}
	_, key, _ := strings.Cut(r.Header.Get("Idempotency-Key"), "/")
	order, attempt, _ := strings.Cut(key, "/")
	switch {
	case answer.Error.Type == "idempotency_error":
		w.conflicts(r.Context(), order)
	case response.StatusCode != http.StatusOK:
	case refund:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.refunds[answer.PaymentIntent] = answer.ID
	default:
		w.session(answer.ID, order, attempt)
	}
}

// session returns the session of an ID, and makes it known if it is not.
func (w *world) session(id, order, attempt string) *simSession {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sessions {
		if s.id == id {
			return s
		}
	}
	s := &simSession{id: id, order: order, attempt: attempt, created: w.srv.Now()}
	w.sessions = append(w.sessions, s)
	return s
}

// payable returns the n-th of the sessions of an order that its customer may try to pay, or nil.
func (w *world) payable(order string, n int) *simSession {
	w.mu.Lock()
	defer w.mu.Unlock()
	var known []*simSession
	for _, s := range w.sessions {
		if s.order == order && !s.foreign && (s.handed || w.leaks) {
			known = append(known, s)
		}
	}
	if len(known) == 0 {
		return nil
	}
	return known[max(len(known)-1-n, 0)]
}

// named is a path of the API with names instead of IDs, which are random.
func (w *world) named(path string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	parts := strings.Split(strings.TrimPrefix(path, "/v1/"), "/")
	for i, part := range parts {
		if strings.Contains(part, "_") && i > 0 && part != "line_items" {
			parts[i] = "?"
			for _, s := range w.sessions {
				if s.id == part {
					parts[i] = s.String()
				}
			}
		}
	}
	return strings.Join(parts, "/")
}
