package checkouttest

import (
	crypto "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"
)

// An idSource makes the IDs and secrets of one server.
type idSource struct {
	mu  sync.Mutex // a lock of its own, as requests get their IDs before they lock the server
	rng *rand.ChaCha8
}

// newIDSource returns a source for a seed. Seed 0 stands for a random seed that a stranger can't guess.
func newIDSource(seed uint64) *idSource {
	var from [32]byte
	if seed == 0 {
		_, _ = crypto.Read(from[:]) // never fails
	} else {
		binary.LittleEndian.PutUint64(from[:], seed)
	}
	return &idSource{rng: rand.NewChaCha8(from)}
}

// idLetters are 32 letters, so that each stands for five random bits. IDs of 26 letters or more can't be guessed.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID returns a new ID: prefix and n letters.
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

// newSecret returns a secret that signs webhook deliveries.
func (s *Server) newSecret() string { return s.newID("whsec_", 26) }
