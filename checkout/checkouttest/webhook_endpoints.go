package checkouttest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
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

var (
	eventTypePattern  = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)
	apiVersionPattern = regexp.MustCompile(`^\d{4}-\d\d-\d\d(\.[a-z]+)?$`)
)

// maxEndpoints is how many an account can have: https://docs.stripe.com/webhooks#register-webhook
const maxEndpoints = 16

// createEndpoint makes a webhook endpoint. Its secret is shown in this answer and never again.
// https://docs.stripe.com/api/webhook_endpoints/create
func (s *Server) createEndpoint(c *call) (object, *apiError) {
	p := c.params
	switch {
	case p.get("enabled_events") == nil:
		return nil, missing("enabled_events")
	case p.get("url") == nil:
		return nil, missing("url")
	}
	if v := p.get("api_version"); v != nil && !apiVersionPattern.MatchString(v.str()) {
		return nil, invalid("", "api_version", "Invalid Stripe API version: %s", v.str())
	}
	meta, err := p.get("metadata").metadata()
	if err != nil {
		return nil, err
	}
	h := &hook{
		id: s.newID("we_1", 23), account: c.account, version: p.get("api_version").str(), connect: p.get("connect").bool(),
		secrets: []signingSecret{{value: s.newSecret()}},
	}
	o := object{
		"id": h.id, "object": "webhook_endpoint", "api_version": p.get("api_version").value(), "application": nil, "created": s.Now().Unix(),
		"description": p.get("description").value(), "enabled_events": nil, "livemode": false, "metadata": meta, "status": "enabled", "url": nil,
	}
	if err := s.setUp(h, o, p); err != nil {
		return nil, err
	}
	if s.countEndpoints(c.account) >= maxEndpoints {
		return nil, &apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error", message: "You have reached the maximum of 16 test webhook endpoints.",
		}
	}
	s.keep(&session{account: c.account}, o)
	s.hooks = append(s.hooks, h)
	shown := maps.Clone(o)
	shown["secret"] = h.secret()
	return shown, nil
}

// setUp sets what can be set at any time, or nothing.
func (s *Server) setUp(h *hook, o object, p *param) *apiError {
	types := p.get("enabled_events")
	if types != nil {
		for _, t := range types.list() {
			if t.scalar != "*" && !eventTypePattern.MatchString(t.scalar) {
				return invalid("", t.name, "Invalid %s: must be an event type or *", t.name)
			}
		}
	}
	if to := p.get("url"); to != nil {
		u, err := url.Parse(to.str())
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopback(u.Hostname()) {
			return invalid("url_invalid", "url", "Invalid URL: this test server delivers to loopback hosts only, over http or https.")
		}
		o["url"], h.to = to.str(), overHTTP{client: s.http, url: to.str()}
	}
	if types != nil {
		h.types = types.strings()
		o["enabled_events"] = h.types
	}
	return nil
}

func (s *Server) countEndpoints(account string) (n int) {
	for _, h := range s.hooks {
		if h.id != "" && !h.deleted && h.account == account {
			n++
		}
	}
	return n
}

// https://docs.stripe.com/api/webhook_endpoints/update
func (s *Server) updateEndpoint(c *call) (object, *apiError) {
	o, err := s.named(c, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	p := c.params
	meta, err := p.get("metadata").mergedInto(o["metadata"])
	if err != nil {
		return nil, err
	}
	h := s.hook(o.str("id"))
	if err := s.setUp(h, o, p); err != nil {
		return nil, err
	}
	o["metadata"] = meta
	if d := p.get("description"); d != nil {
		o["description"] = d.value()
	}
	if d := p.get("disabled"); d != nil {
		h.disabled = d.bool()
		o["status"] = map[bool]string{true: "disabled", false: "enabled"}[h.disabled]
	}
	return o, nil
}

// https://docs.stripe.com/api/webhook_endpoints/delete
func (s *Server) deleteEndpoint(c *call) (object, *apiError) {
	o, err := s.named(c, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	id := o.str("id")
	s.hook(id).deleted = true
	delete(s.objects, id)
	s.kinds["webhook_endpoint"] = slices.DeleteFunc(s.kinds["webhook_endpoint"], func(k object) bool { return k.str("id") == id })
	return object{"id": id, "object": "webhook_endpoint", "deleted": true}, nil
}
