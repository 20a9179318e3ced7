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

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// ErrNoEndpoint says that the server has no such webhook endpoint.
var ErrNoEndpoint = errors.New("checkouttest: no such webhook endpoint")

// maxOverlap is the longest time for which an earlier secret stays in use: https://docs.stripe.com/webhooks#roll-endpoint-secrets
const maxOverlap = 24 * time.Hour

// A webhookEndpoint is a place that events are delivered to. An event destination is one, too.
type webhookEndpoint struct {
	id        string // empty: the default endpoint
	account   string // that has the endpoint; empty: the platform
	to        receiver
	payloads  Payloads
	types     []string // of events; "*" for all
	version   string   // of the API; empty: the server's
	self      bool     // it gets the events of its own account
	connected bool     // it gets the events of connected accounts
	disabled  bool
	deleted   bool
	secrets   []signingSecret // the newest last
}

type signingSecret struct {
	value string
	until time.Time // zero: for good
}

// wants reports whether a new event goes to this endpoint. The default endpoint gets the events of all accounts.
func (e *webhookEndpoint) wants(ev *event) bool {
	switch {
	case e.to == nil, e.off(), e.payloads&ev.payloads() == 0, !slices.Contains(e.types, "*") && !slices.Contains(e.types, ev.typ):
		return false
	case e.id == "":
		return true
	default:
		return e.self && ev.account == e.account || e.connected && ev.account != ""
	}
}

func (e *webhookEndpoint) off() bool { return e.deleted || e.disabled }

// newestSecret returns the secret that was made last.
func (e *webhookEndpoint) newestSecret() string { return e.secrets[len(e.secrets)-1].value }

// liveSecrets returns the secrets that sign a delivery, the newest first.
func (e *webhookEndpoint) liveSecrets(now time.Time) []string {
	var live []string
	for _, secret := range slices.Backward(e.secrets) {
		if secret.until.IsZero() || now.Before(secret.until) {
			live = append(live, secret.value)
		}
	}
	return live
}

// apiVersion returns the version of the API in which the endpoint gets events.
func (e *webhookEndpoint) apiVersion() string {
	if e.version != "" {
		return e.version
	}
	return stripe.APIVersion
}

// webhookEndpoint returns an endpoint that was not deleted, or nil.
func (s *Server) webhookEndpoint(id string) *webhookEndpoint {
	for _, e := range s.webhookEndpoints {
		if e.id == id && !e.deleted {
			return e
		}
	}
	return nil
}

// WebhookSecret returns the secret that signs deliveries to the default endpoint. After RollSecret it returns the new one.
func (s *Server) WebhookSecret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.webhookEndpoints[0].newestSecret()
}

// RollSecret gives an endpoint a new secret and returns it. An empty ID stands for the default endpoint. The earlier
// secrets stay in use for overlap, on the server's clock: until then each delivery carries one v1 signature for each
// secret. Overlap is at most 24 hours. https://docs.stripe.com/webhooks#roll-endpoint-secrets
// Errors: ErrNoEndpoint; overlap is out of range.
func (s *Server) RollSecret(endpointID string, overlap time.Duration) (secret string, _ error) {
	if overlap < 0 || overlap > maxOverlap {
		return "", fmt.Errorf("checkouttest: overlap of %v is not within 0 and %v", overlap, maxOverlap)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.webhookEndpoint(endpointID)
	if e == nil {
		return "", ErrNoEndpoint
	}
	until := s.Now().Add(overlap)
	for i := range e.secrets {
		if u := e.secrets[i].until; u.IsZero() || until.Before(u) {
			e.secrets[i].until = until
		}
	}
	e.secrets = append(e.secrets, signingSecret{value: s.newSecret()})
	return e.newestSecret(), nil
}

var (
	eventTypePattern = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)
)

// maxEndpoints is the number of endpoints that an account can have: https://docs.stripe.com/webhooks#register-webhook
const maxEndpoints = 16

// createEndpoint makes a webhook endpoint. Only this answer shows the endpoint's secret.
// https://docs.stripe.com/api/webhook_endpoints/create
func (s *Server) createEndpoint(c *call) (object, *apiError) {
	p := c.params
	switch {
	case p.Get("enabled_events") == nil:
		return nil, missing("enabled_events")
	case p.Get("url") == nil:
		return nil, missing("url")
	}
	if err := checkEventVersion(p.Get("api_version")); err != nil {
		return nil, err
	}
	metadata, err := metadataOf(p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	e := &webhookEndpoint{
		id: s.newID("we_1", 23), account: c.account, payloads: Snapshot, version: p.Get("api_version").String(), connected: p.Get("connect").Bool(), self: !p.Get("connect").Bool(),
		secrets: []signingSecret{{value: s.newSecret()}},
	}
	o := object{
		"id": e.id, "object": "webhook_endpoint", "api_version": value(p.Get("api_version")), "application": nil, "created": s.Now().Unix(),
		"description": value(p.Get("description")), "enabled_events": nil, "livemode": false, "metadata": metadata, "status": "enabled", "url": nil,
	}
	if err := s.setEndpoint(e, o, p); err != nil {
		return nil, err
	}
	if s.countEndpoints(c.account) >= maxEndpoints {
		return nil, tooManyEndpoints()
	}
	s.keep(&session{account: c.account}, o)
	s.webhookEndpoints = append(s.webhookEndpoints, e)
	shown := maps.Clone(o)
	shown["secret"] = e.newestSecret()
	return shown, nil
}

// setEndpoint sets the URL and the event types of an endpoint. If it returns an error, it has changed nothing.
func (s *Server) setEndpoint(e *webhookEndpoint, o object, p *formparams.Param) *apiError {
	types := p.Get("enabled_events")
	for _, t := range types.List() {
		if t.Text != "*" && !eventTypePattern.MatchString(t.Text) {
			return invalid("", t.Name, "Invalid %s: must be an event type or *", t.Name)
		}
	}
	if to := p.Get("url"); to != nil {
		receiver, err := s.receiverAt(to)
		if err != nil {
			return err
		}
		e.to, o["url"] = receiver, to.String()
	}
	if types != nil {
		e.types = types.Strings()
		o["enabled_events"] = e.types
	}
	return nil
}

// receiverAt returns the receiver at the URL that a parameter names.
func (s *Server) receiverAt(to *formparams.Param) (receiver, *apiError) {
	u, err := url.Parse(to.String())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !s.anyHost && !loopback(u.Hostname()) {
		return nil, invalid("url_invalid", to.Name, "Invalid URL: this test server delivers to loopback hosts only, over http or https.")
	}
	return overHTTP{client: s.http, url: to.String()}, nil
}

// countEndpoints counts the webhook endpoints of an account, and its event destinations.
func (s *Server) countEndpoints(account string) int {
	n := 0
	for _, e := range s.webhookEndpoints {
		if e.id != "" && !e.deleted && e.account == account {
			n++
		}
	}
	return n
}

// updateEndpoint: https://docs.stripe.com/api/webhook_endpoints/update
func (s *Server) updateEndpoint(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	p := c.params
	metadata, err := mergeMetadata(o["metadata"], p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	e := s.webhookEndpoint(o.str("id"))
	if err := s.setEndpoint(e, o, p); err != nil {
		return nil, err
	}
	o["metadata"] = metadata
	if d := p.Get("description"); d != nil {
		o["description"] = value(d)
	}
	if d := p.Get("disabled"); d != nil {
		e.disabled = d.Bool()
		o["status"] = "enabled"
		if e.disabled {
			o["status"] = "disabled"
		}
	}
	return o, nil
}

// deleteEndpoint: https://docs.stripe.com/api/webhook_endpoints/delete
func (s *Server) deleteEndpoint(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	s.forgetEndpoint(o)
	return object{"id": o["id"], "object": "webhook_endpoint", "deleted": true}, nil
}

// forgetEndpoint deletes a webhook endpoint or an event destination.
func (s *Server) forgetEndpoint(o object) {
	id, kind := o.str("id"), o.str("object")
	s.webhookEndpoint(id).deleted = true
	delete(s.objects, id)
	s.byKind[kind] = slices.DeleteFunc(s.byKind[kind], func(k object) bool { return k.str("id") == id })
}

func tooManyEndpoints() *apiError {
	return &apiError{
		status: http.StatusBadRequest, typ: "invalid_request_error", message: "You have reached the maximum of 16 test webhook endpoints.",
	}
}
