package checkouttest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// ErrNoEndpoint says that the server has no such webhook endpoint.
var ErrNoEndpoint = errors.New("checkouttest: no such webhook endpoint")

// maxOverlap is how long an earlier secret can stay in use: https://docs.stripe.com/webhooks#roll-endpoint-secrets
const maxOverlap = 24 * time.Hour

// A hook is a webhook endpoint.
type hook struct {
	id       string // empty: the default endpoint
	account  string // that it was made for; empty: the platform's own
	to       receiver
	types    []string // of events; "*" for all
	version  string   // of the API; empty: the server's
	connect  bool     // it gets the events of connected accounts, instead of the platform's own
	disabled bool
	deleted  bool
	secrets  []signingSecret // the newest last
}

type signingSecret struct {
	value string
	until time.Time // zero: for good
}

// wants says whether an event that is made now goes to this endpoint. The default endpoint gets those of all accounts.
func (h *hook) wants(e *event) bool {
	switch {
	case h.to == nil, h.off(), !slices.Contains(h.types, "*") && !slices.Contains(h.types, e.typ):
		return false
	case h.id == "":
		return true
	case h.connect:
		return e.account != ""
	default:
		return e.account == h.account
	}
}

func (h *hook) off() bool { return h.deleted || h.disabled }

// secret is the newest one.
func (h *hook) secret() string { return h.secrets[len(h.secrets)-1].value }

// live are the secrets that a delivery is signed with, the newest first.
func (h *hook) live(now time.Time) []string {
	var out []string
	for _, s := range slices.Backward(h.secrets) {
		if s.until.IsZero() || now.Before(s.until) {
			out = append(out, s.value)
		}
	}
	return out
}

// apiVersion is that of the envelopes it gets.
func (h *hook) apiVersion() string {
	if h.version != "" {
		return h.version
	}
	return stripe.APIVersion
}

// hook finds an endpoint that was not deleted.
func (s *Server) hook(id string) *hook {
	for _, h := range s.hooks {
		if h.id == id && !h.deleted {
			return h
		}
	}
	return nil
}

// WebhookSecret is the secret that deliveries to the default endpoint are signed with: the newest, after RollSecret.
func (s *Server) WebhookSecret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hooks[0].secret()
}

// RollSecret gives an endpoint a new secret and returns it. Those before it stay in use for overlap longer, at most 24 hours
// on the server's clock: until then a delivery carries one v1 signature for each. An empty ID is the default endpoint.
// https://docs.stripe.com/webhooks#roll-endpoint-secrets
// Errors: ErrNoEndpoint, an overlap out of range.
func (s *Server) RollSecret(endpointID string, overlap time.Duration) (secret string, _ error) {
	if overlap < 0 || overlap > maxOverlap {
		return "", fmt.Errorf("checkouttest: overlap of %v is not within 0 and %v", overlap, maxOverlap)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hook(endpointID)
	if h == nil {
		return "", ErrNoEndpoint
	}
	until := s.Now().Add(overlap)
	for i := range h.secrets {
		if u := h.secrets[i].until; u.IsZero() || until.Before(u) {
			h.secrets[i].until = until
		}
	}
	h.secrets = append(h.secrets, signingSecret{value: s.newSecret()})
	return h.secret(), nil
}
