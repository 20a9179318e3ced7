package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// wrongTries is the number of wrong passwords that a process takes in a minute. Then it takes none for the rest of the
// minute, not even the right one, so that nobody can try out many. This shop has one password and one merchant. With more, or
// behind a proxy that knows its visitors, limit each of them alone.
const wrongTries = 10

// gate asks for a password.
type gate struct {
	sum [sha256.Size]byte // of the password
	now func() time.Time

	mu    sync.Mutex
	since time.Time // the beginning of the minute
	wrong int       // in this minute
}

// newGate returns the gate of a password, or nil for an empty one.
func newGate(password string) *gate {
	if password == "" {
		return nil
	}
	return &gate{sum: sha256.Sum256([]byte(password)), now: time.Now}
}

// try reports whether the password is right, and whether it was looked at.
func (g *gate) try(password string) (right, tried bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); now.Sub(g.since) >= time.Minute {
		g.since, g.wrong = now, 0
	}
	if g.wrong >= wrongTries {
		return false, false
	}
	sum := sha256.Sum256([]byte(password)) // of one length, so that the comparison takes the same time for each
	right = subtle.ConstantTimeCompare(sum[:], g.sum[:]) == 1
	if !right {
		g.wrong++
	}
	return right, true
}

// withPassword asks for ORDERS_PASSWORD before it shows a page, if the password is set.
func (s *shop) withPassword(next http.HandlerFunc) http.HandlerFunc {
	if s.gate == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		_, password, asked := r.BasicAuth()
		if asked {
			right, tried := s.gate.try(password)
			switch {
			case right:
				next(w, r)
				return
			case !tried:
				w.Header().Set("Retry-After", "60")
				s.message(w, http.StatusTooManyRequests, "Too many wrong passwords", "Please wait a minute.")
				return
			}
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="Orders", charset="UTF-8"`)
		s.message(w, http.StatusUnauthorized, "Orders", "This page asks for the password of the shop. Any user name will do.")
	}
}
