package checkouttest

import (
	crypto "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"
)

// idSource is where the IDs and secrets of one server come from.
type idSource struct {
	mu  sync.Mutex // requests get their IDs before the server is locked
	rng *rand.ChaCha8
}

// newIDSource draws from a seed, or, if it is 0, from one that nobody can guess.
func newIDSource(seed uint64) *idSource {
	var from [32]byte
	if seed == 0 {
		_, _ = crypto.Read(from[:]) // never fails
	} else {
		binary.LittleEndian.PutUint64(from[:], seed)
	}
	return &idSource{rng: rand.NewChaCha8(from)}
}

// idLetters are 32, so that five bits are one: each of 26 letters or more can't be guessed.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID is an ID that no other object has: prefix and n letters.
func (s *Server) newID(prefix string, n int) string {
	s.ids.mu.Lock()
	defer s.ids.mu.Unlock()
	b := make([]byte, 0, 64)
	b = append(b, prefix...)
	for ; n > 0; n -= 12 {
		bits := s.ids.rng.Uint64()
		for range min(n, 12) {
			b = append(b, idLetters[bits&31])
			bits >>= 5
		}
	}
	return string(b)
}

// newSecret is a secret that webhook deliveries are signed with.
func (s *Server) newSecret() string { return s.newID("whsec_", 26) }
