package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxSignatures is how many v1 signatures a header may have. Stripe sends one for each secret of the endpoint that is valid.
const maxSignatures = 16

// signature is a parsed Stripe-Signature header (https://docs.stripe.com/webhooks/signature).
type signature struct {
	stamp string // the timestamp's text, which is part of what was signed
	at    time.Time
	v1    [maxSignatures][sha256.Size]byte
	n     int // how many of v1 are set
}

// parseSignature reads a header such as "t=1495999758,v1=5257…,v0=6ffb…". It ignores other parts than t and v1, which belong to
// other schemes, and every v1 that can't be a SHA-256. It refuses several t, because only one of them was signed.
func parseSignature(header string) (sig signature, err error) {
	if header == "" {
		return sig, ErrNoSignature
	}
	for part := range strings.SplitSeq(header, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		switch name {
		case "t":
			if sig.stamp != "" {
				return sig, fmt.Errorf("%w: several timestamps", ErrHeader)
			}
			seconds, err := strconv.ParseUint(value, 10, 62)
			if err != nil {
				return sig, fmt.Errorf("%w: timestamp is not a number of seconds", ErrHeader)
			}
			sig.stamp, sig.at = value, time.Unix(int64(seconds), 0)
		case "v1":
			if len(value) != 2*sha256.Size {
				continue
			}
			if sig.n == maxSignatures {
				return sig, fmt.Errorf("%w: more than %d signatures", ErrHeader, maxSignatures)
			}
			var digits [2 * sha256.Size]byte
			copy(digits[:], value)
			if _, err := hex.Decode(sig.v1[sig.n][:], digits[:]); err == nil {
				sig.n++
			}
		}
	}
	if sig.stamp == "" {
		return sig, fmt.Errorf("%w: no timestamp", ErrHeader)
	}
	if sig.n == 0 {
		return sig, fmt.Errorf("%w: no v1 signature", ErrHeader)
	}
	return sig, nil
}

// Verify checks that header, the value of a Stripe-Signature header, was made for payload with one of Config.Secrets, and that its
// timestamp is within Config.Tolerance. Use it where one process receives payloads and another one dispatches them. Its errors
// match ErrNoSignature, ErrHeader, ErrTimestamp or ErrSignature.
func (h *Handler) Verify(payload []byte, header string) error {
	sig, err := h.checkHeader(header)
	if err != nil {
		return err
	}
	return h.checkBody(&sig, payload)
}

// checkHeader parses the header and checks its timestamp. Both need no body.
func (h *Handler) checkHeader(header string) (signature, error) {
	sig, err := parseSignature(header)
	if err != nil {
		return sig, err
	}
	now := h.cfg.Clock()
	if sig.at.Before(now.Add(-h.cfg.Tolerance)) {
		return sig, fmt.Errorf("%w: it is %v in the past", ErrTimestamp, now.Sub(sig.at).Truncate(time.Second))
	}
	if sig.at.After(now.Add(h.cfg.Tolerance)) {
		return sig, fmt.Errorf("%w: it is %v in the future: check this machine's clock, or Config.Clock in a test", ErrTimestamp, sig.at.Sub(now).Truncate(time.Second))
	}
	return sig, nil
}

// checkBody checks that one of the signatures was made for payload with one of the secrets.
func (h *Handler) checkBody(sig *signature, payload []byte) error {
	for _, key := range h.keys {
		if key.signed(sig, payload) {
			return nil
		}
	}
	return ErrSignature
}

// signingKey computes the signatures of one secret.
type signingKey struct {
	macs sync.Pool // of *macState
}

// macState is a keyed hash with its buffers. Setting up the hash is costly, so it is reused.
type macState struct {
	hash  hash.Hash
	stamp []byte
	sum   []byte
}

func newSigningKey(secret string) *signingKey {
	return &signingKey{macs: sync.Pool{New: func() any {
		return &macState{hash: hmac.New(sha256.New, []byte(secret))}
	}}}
}

// signed reports whether one of the signatures was made for payload with this key.
func (k *signingKey) signed(sig *signature, payload []byte) bool {
	m := k.macs.Get().(*macState)
	defer k.macs.Put(m)
	m.hash.Reset()
	m.stamp = append(append(m.stamp[:0], sig.stamp...), '.')
	m.hash.Write(m.stamp)
	m.hash.Write(payload)
	m.sum = m.hash.Sum(m.sum[:0])
	for i := range sig.n {
		if hmac.Equal(m.sum, sig.v1[i][:]) {
			return true
		}
	}
	return false
}
