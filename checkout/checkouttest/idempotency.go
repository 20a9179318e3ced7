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
	request string // method, path and parameters
	at      time.Time
}

// once answers a request with an idempotency key: the first answer to it, if there was one that is to be remembered.
// The server stays locked while a call runs, so that two requests with one key never overlap.
func (s *Server) once(c *call, request string, run func() (_ answer, save bool)) (_ answer, replayed bool) {
	if len(c.idemKey) > 255 {
		return answerWith(nil, invalid("", "", "Idempotency keys must be at most 255 characters long.")), false
	}
	name, now := c.account+" "+c.idemKey, s.Now()
	if first, ok := s.saved[name]; ok && now.Sub(first.at) < keptFor {
		if first.request != request {
			return answerWith(nil, &apiError{
				status: http.StatusBadRequest, typ: "idempotency_error",
				message: fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '%s' if you meant to execute a different request.", c.idemKey),
			}), false
		}
		return first.answer, true
	}
	a, save := run()
	if save {
		s.saved[name] = savedAnswer{answer: a, request: request, at: now}
		s.schedule(now.Add(keptFor), func() {
			if s.saved[name].at.Equal(now) {
				delete(s.saved, name)
			}
		})
	}
	return a, false
}
