package checkouttest

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// idemKeyLife is how long the server remembers an idempotency key: https://docs.stripe.com/api/idempotent_requests
const idemKeyLife = 24 * time.Hour

// A savedAnswer is the answer that an idempotency key remembers.
type savedAnswer struct {
	answer
	id     string // of the request
	path   string
	params string
	at     time.Time
}

// idemKeyLifeV2 is the same in /v2: https://docs.stripe.com/api-v2-overview#idempotency
const idemKeyLifeV2 = 30 * 24 * time.Hour

// hasIdemKey reports whether the server remembers the call by its key. GET ignores the key, and outside of /v2 DELETE does,
// too: repeating them does no harm.
func (c *call) hasIdemKey() bool {
	takesKey := c.method == http.MethodPost || c.v2 && c.method == http.MethodDelete
	return takesKey && c.idemKey != ""
}

// keyName is the call's key among the keys of all accounts. In /v2, each call has keys of its own.
func (c *call) keyName() string {
	if c.v2 {
		return c.account + " " + c.method + " " + c.url + " " + c.idemKey
	}
	return c.account + " " + c.idemKey
}

func (c *call) keyLife() time.Duration {
	if c.v2 {
		return idemKeyLifeV2
	}
	return idemKeyLife
}

// reserveKey takes a call's idempotency key until releaseKey. It reports false if a running call has the key.
// https://docs.stripe.com/error-low-level#idempotency
func (s *Server) reserveKey(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keysInUse[c.keyName()] {
		return false
	}
	s.keysInUse[c.keyName()] = true
	return true
}

func (s *Server) releaseKey(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keysInUse, c.keyName())
}

func keyInUse(c *call) *apiError {
	return &apiError{
		status: http.StatusConflict, typ: "idempotency_error", code: "idempotency_key_in_use",
		message: fmt.Sprintf("There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): %s. Please try again later.", c.idemKey),
	}
}

// executeOnce executes a call with an idempotency key, or returns the answer that the key remembers. The call has reserved
// the key, and the server is locked.
func (s *Server) executeOnce(c *call, op *operation, values url.Values) (_ answer, replayed bool) {
	if len(c.idemKey) > 255 {
		return c.failure(invalid("", "", "Idempotency keys must be at most 255 characters long.")), false
	}
	key, params, now := c.keyName(), values.Encode(), s.Now()
	first, found := s.savedAnswers[key]
	if found && now.Sub(first.at) < c.keyLife() {
		if err := first.mismatch(c, params); err != nil {
			return c.failure(err), false
		}
		c.original = first.id
		return first.answer, true
	}
	a, remember := s.execute(c, op, values)
	if remember {
		c.original = c.id
		s.savedAnswers[key] = savedAnswer{answer: a, id: c.id, path: c.url, params: params, at: now}
		s.schedule(now.Add(c.keyLife()), func() {
			if s.savedAnswers[key].at.Equal(now) {
				delete(s.savedAnswers, key)
			}
		})
	}
	return a, false
}

// mismatch returns an error if a call with the same key is not the same call.
func (first savedAnswer) mismatch(c *call, params string) *apiError {
	err := &apiError{status: http.StatusBadRequest, typ: "idempotency_error"}
	switch {
	case first.path != c.url:
		err.message = fmt.Sprintf("Keys for idempotent requests can only be used for the same endpoint they were first used for ('%s'). Try using a key other than '%s' if you meant to execute a different request.", first.path, c.idemKey)
	case first.params != params:
		err.message = fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '%s' if you meant to execute a different request.", c.idemKey)
	default:
		return nil
	}
	if c.v2 {
		err.status = http.StatusConflict
	}
	return err
}
