package checkouttest

import (
	"fmt"
	"net/http"
	"time"
)

// keptFor is how long an idempotency key is remembered: https://docs.stripe.com/api/idempotent_requests
const keptFor = 24 * time.Hour

type savedAnswer struct {
	answer
	id     string // of the request
	path   string
	params string
	at     time.Time
}

// reserve takes a call's idempotency key for as long as it runs, latency and all, and reports false if another call has it.
// https://docs.stripe.com/error-low-level#idempotency
func (s *Server) reserve(c *call) (release func(), free bool) {
	if !c.keyed() {
		return func() {}, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := c.keyName()
	if s.inUse[name] {
		return nil, false
	}
	s.inUse[name] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.inUse, name)
	}, true
}

func keyInUse(c *call) *apiError {
	return &apiError{
		status: http.StatusConflict, typ: "idempotency_error", code: "idempotency_key_in_use",
		message: fmt.Sprintf("There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): %s. Please try again later.", c.idemKey),
	}
}

// keyed says whether a call is remembered by its key: those of GET and DELETE repeat without harm.
func (c *call) keyed() bool { return c.method == http.MethodPost && c.idemKey != "" }

// keyName is the key among those of all accounts.
func (c *call) keyName() string { return c.account + " " + c.idemKey }

// once answers a request with an idempotency key: the first answer to it, if there was one that is to be remembered. The
// call has reserved the key.
func (s *Server) once(c *call, params string, run func() (_ answer, save bool)) (_ answer, replayed bool) {
	if len(c.idemKey) > 255 {
		return answerWith(nil, invalid("", "", "Idempotency keys must be at most 255 characters long.")), false
	}
	name, now := c.keyName(), s.Now()
	if first, ok := s.saved[name]; ok && now.Sub(first.at) < keptFor {
		e := &apiError{status: http.StatusBadRequest, typ: "idempotency_error"}
		switch {
		case first.path != c.url:
			e.message = fmt.Sprintf("Keys for idempotent requests can only be used for the same endpoint they were first used for ('%s'). Try using a key other than '%s' if you meant to execute a different request.", first.path, c.idemKey)
		case first.params != params:
			e.message = fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '%s' if you meant to execute a different request.", c.idemKey)
		default:
			c.original = first.id
			return first.answer, true
		}
		return answerWith(nil, e), false
	}
	a, save := run()
	if save {
		c.original = c.id
		s.saved[name] = savedAnswer{answer: a, id: c.id, path: c.url, params: params, at: now}
		s.schedule(now.Add(keptFor), func() {
			if s.saved[name].at.Equal(now) {
				delete(s.saved, name)
			}
		})
	}
	return a, false
}
