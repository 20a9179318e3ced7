package checkouttest

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
)

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

// retryEvent is what `stripe events resend` asks for: to a webhook endpoint, to the CLIs that listen or, of this server
// only, to every endpoint that got the event. Undocumented; https://github.com/stripe/stripe-cli has the parameters.
func (s *Server) retryEvent(c *call) (object, *apiError) {
	e, p := s.event(c.path("id")), c.params
	account := c.account
	if a := p.get("account"); a != nil {
		account = a.str()
	}
	if e == nil || e.account != account {
		return nil, noSuch(http.StatusNotFound, "event", c.path("id"), "id")
	}
	switch to := p.get("webhook_endpoint"); {
	case to != nil:
		h := s.hook(to.str())
		if h == nil || h.account != c.account {
			return nil, noSuch(http.StatusBadRequest, "webhook_endpoint", to.str(), "webhook_endpoint")
		}
		s.enqueue(delivery{event: e, to: e.target(h, false), again: true})
	case p.get("for_stripecli").bool():
		s.tellListeners(e)
	default:
		s.resend(e)
	}
	return e.shown(), nil
}
