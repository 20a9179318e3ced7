package checkouttest

import (
	crypto "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"
)

// An idSource makes the IDs and secrets of one server.
type idSource struct {
	mu   sync.Mutex // a lock of its own, as requests get their IDs before they lock the server
	from [32]byte   // the seed
	rng  *rand.ChaCha8
}

// newIDSource returns a source for a seed. Seed 0 stands for a random seed that a stranger can't guess.
func newIDSource(seed uint64) *idSource {
	var from [32]byte
	if seed == 0 {
		_, _ = crypto.Read(from[:]) // never fails
	} else {
		binary.LittleEndian.PutUint64(from[:], seed)
	}
	return &idSource{from: from, rng: rand.NewChaCha8(from)}
}

// A stream is a use of an idSource. Streams of one seed have different IDs.
type stream byte

const (
	ofReads stream = iota + 1
	ofSteps
	ofTimes // the tasks that fall due at a time
)

// reseed begins the n-th sequence of IDs of a stream, and returns the sequence before.
func (ids *idSource) reseed(of stream, n uint64) (before *rand.ChaCha8) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	from := ids.from
	binary.LittleEndian.PutUint64(from[16:], binary.LittleEndian.Uint64(from[16:])^n)
	from[24] ^= byte(of)
	before, ids.rng = ids.rng, rand.NewChaCha8(from)
	return before
}

// resume goes on with an earlier sequence of IDs.
func (ids *idSource) resume(rng *rand.ChaCha8) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.rng = rng
}

// idLetters are 32 letters, so that each stands for five random bits. IDs of 26 letters or more can't be guessed.
const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID returns a new ID: prefix and n letters.
func (s *Server) newID(prefix string, n int) string { return s.ids.next(prefix, n) }

func (ids *idSource) next(prefix string, n int) string {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	b := make([]byte, 0, 64)
	b = append(b, prefix...)
	for ; n > 0; n -= 12 {
		bits := ids.rng.Uint64()
		for range min(n, 12) {
			b = append(b, idLetters[bits&31])
			bits >>= 5
		}
	}
	return string(b)
}

// newSecret returns a secret that signs webhook deliveries.
func (s *Server) newSecret() string { return s.newID("whsec_", 26) }
