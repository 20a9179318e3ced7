package checkouttest

import (
	"maps"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// An event destination is a webhook endpoint that the API of /v2 has made: https://docs.stripe.com/api/v2/core/event-destinations.
// It gets snapshot events or thin ones. This server delivers to webhook endpoints only, and not to clouds.
const destinationKind = "v2.core.event_destination"

// The values of include: https://docs.stripe.com/api-v2-overview#include
const (
	includeURL    = "webhook_endpoint.url"
	includeSecret = "webhook_endpoint.signing_secret"
)

// createDestination makes an event destination. Only this answer shows the secret, and only if include asks for it.
func (s *Server) createDestination(c *call) (object, *apiError) {
	p := c.params
	e, o, err := s.newDestination(c)
	if err != nil {
		return nil, err
	}
	err = s.setDestination(e, o, p)
	if err != nil {
		return nil, err
	}
	if s.countEndpoints(c.account) >= maxEndpoints {
		return nil, tooManyEndpoints()
	}
	s.keep(&session{account: c.account}, o)
	s.webhookEndpoints = append(s.webhookEndpoints, e)
	shown := shownDestination(o, p)
	if slices.Contains(p.Get("include").Strings(), includeSecret) {
		shown["webhook_endpoint"] = shown["webhook_endpoint"].(object).with(object{"signing_secret": e.newestSecret()})
	}
	return shown, nil
}

// newDestination returns a destination with what no update can change.
func (s *Server) newDestination(c *call) (*webhookEndpoint, object, *apiError) {
	p := c.params
	if err := checkNewDestination(p); err != nil {
		return nil, nil, err
	}
	metadata, err := metadataOf(p.Get("metadata"))
	if err != nil {
		return nil, nil, err
	}
	e := &webhookEndpoint{
		id: s.newDestinationID(), account: c.account, payloads: Thin, secrets: []signingSecret{{value: s.newSecret()}},
	}
	now := timestamp(s.Now())
	o := object{
		"id": e.id, "object": destinationKind, "created": now, "updated": now, "description": "", "enabled_events": nil,
		"event_payload": p.Get("event_payload").String(), "events_from": e.setEventsFrom(p.Get("events_from")), "livemode": false,
		"metadata": metadata, "name": nil, "snapshot_api_version": nil, "status": "enabled", "status_details": nil,
		"type": "webhook_endpoint", "url": nil,
	}
	if p.Get("event_payload").String() == "snapshot" {
		e.payloads, e.version = Snapshot, p.Get("snapshot_api_version").String()
		o["snapshot_api_version"] = e.apiVersion()
	}
	return e, o, nil
}

func (s *Server) newDestinationID() string { return s.newID("ed_test_61", 44) }

// checkNewDestination checks the parameters of a new destination. setDestination checks those that an update can send, too.
func checkNewDestination(p *formparams.Param) *apiError {
	for _, name := range []string{"enabled_events", "event_payload", "name", "type"} {
		if p.Get(name) == nil {
			return requiredField(name)
		}
	}
	errs := []*apiError{
		enumV2(p.Get("type"), "webhook_endpoint"), enumV2(p.Get("event_payload"), "snapshot", "thin"), checkInclude(p, includeSecret, includeURL),
	}
	for _, item := range p.Get("events_from").List() {
		errs = append(errs, enumV2(item, "self", "other_accounts", "@self", "@accounts"))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	version := p.Get("snapshot_api_version")
	switch {
	case p.Get("webhook_endpoint", "url") == nil:
		return requiredField("webhook_endpoint[url]")
	case version == nil:
		return nil
	case p.Get("event_payload").String() == "thin":
		return invalid("", version.Name, "Must not be set for thin events, which have no API version.")
	default:
		return checkEventVersion(version)
	}
}

// setDestination sets the name, the URL and the event types of a destination. If it returns an error, it has changed nothing.
// Only a destination of snapshot events can take all types at once: https://github.com/stripe/stripe-cli says so.
func (s *Server) setDestination(e *webhookEndpoint, o object, p *formparams.Param) *apiError {
	for _, t := range p.Get("enabled_events").List() {
		namesThin := strings.HasPrefix(t.Text, "v1.") || strings.HasPrefix(t.Text, "v2.")
		switch {
		case t.Text == "*" && e.payloads == Snapshot:
		case t.Text == "*":
			return invalid("", t.Name, "Destinations of thin events must name each type.")
		case !eventTypePattern.MatchString(t.Text), namesThin != (e.payloads == Thin):
			return invalid("", t.Name, "'%s' is not a type of %s events.", t.Text, o.str("event_payload"))
		}
	}
	if to := p.Get("webhook_endpoint", "url"); to != nil {
		receiver, err := s.receiverAt(to)
		if err != nil {
			return err
		}
		e.to, o["url"] = receiver, to.String()
	}
	if types := p.Get("enabled_events").Strings(); types != nil {
		e.types = types
		o["enabled_events"] = types
	}
	o.set(p, "name", "description")
	return nil
}

// setEventsFrom sets whose events a destination gets, and returns the setting as the API shows it. The names changed with
// version 2026-03-25.dahlia; this server takes both and shows them as they were sent.
func (e *webhookEndpoint) setEventsFrom(p *formparams.Param) []string {
	from := p.Strings()
	if from == nil {
		from = []string{"self"}
	}
	e.self = slices.Contains(from, "self") || slices.Contains(from, "@self")
	e.connected = slices.Contains(from, "other_accounts") || slices.Contains(from, "@accounts")
	return from
}

// shownDestination returns a destination as the API shows it. It leaves the URL out, unless include asks for it.
func shownDestination(o object, p *formparams.Param) object {
	shown := maps.Clone(o)
	delete(shown, "url")
	endpoint := object{"signing_secret": nil, "url": nil}
	if slices.Contains(p.Get("include").Strings(), includeURL) {
		endpoint["url"] = o["url"]
	}
	shown["webhook_endpoint"] = endpoint
	return shown
}

func (s *Server) listDestinations(c *call) (object, *apiError) {
	if err := checkInclude(c.params, includeURL); err != nil {
		return nil, err
	}
	var found []object
	for _, o := range slices.Backward(s.byKind[destinationKind]) {
		if s.accountOf(o) == c.account {
			found = append(found, o)
		}
	}
	return pageV2(c, found, object.id, func(o object) object { return shownDestination(o, c.params) })
}

func (s *Server) retrieveDestination(c *call) (object, *apiError) {
	if err := checkInclude(c.params, includeURL); err != nil {
		return nil, err
	}
	o, err := s.destinationInPath(c)
	if err != nil {
		return nil, err
	}
	return shownDestination(o, c.params), nil
}

func (s *Server) destinationInPath(c *call) (object, *apiError) {
	o := s.find(c.account, destinationKind, c.path("id"))
	if o == nil {
		return nil, notFound(c)
	}
	return o, nil
}

func (s *Server) updateDestination(c *call) (object, *apiError) {
	if err := checkInclude(c.params, includeURL); err != nil {
		return nil, err
	}
	o, err := s.destinationInPath(c)
	if err != nil {
		return nil, err
	}
	metadata, err := mergeMetadata(o["metadata"], c.params.Get("metadata"))
	if err != nil {
		return nil, err
	}
	err = s.setDestination(s.webhookEndpoint(o.str("id")), o, c.params)
	if err != nil {
		return nil, err
	}
	o["metadata"], o["updated"] = metadata, timestamp(s.Now())
	return shownDestination(o, c.params), nil
}

func (s *Server) deleteDestination(c *call) (object, *apiError) {
	o, err := s.destinationInPath(c)
	if err != nil {
		return nil, err
	}
	s.forgetEndpoint(o)
	return object{"id": o["id"], "object": destinationKind}, nil
}

func (s *Server) disableDestination(c *call) (object, *apiError) {
	return s.switchDestination(c, "disabled")
}

func (s *Server) enableDestination(c *call) (object, *apiError) {
	return s.switchDestination(c, "enabled")
}

func (s *Server) switchDestination(c *call, status string) (object, *apiError) {
	o, err := s.destinationInPath(c)
	if err != nil {
		return nil, err
	}
	disabled := status == "disabled"
	s.webhookEndpoint(o.str("id")).disabled = disabled
	o["status"], o["status_details"], o["updated"] = status, nil, timestamp(s.Now())
	if disabled {
		o["status_details"] = object{"disabled": object{"reason": "user"}}
	}
	return shownDestination(o, c.params), nil
}

// pingDestination sends an event to a destination, whatever its event types are. Pings are thin events. This server sends them
// to destinations of snapshot events as well; Stripe does not say what those get. A disabled destination gets nothing.
// https://docs.stripe.com/api/v2/core/event-destinations/ping
func (s *Server) pingDestination(c *call) (object, *apiError) {
	o, err := s.destinationInPath(c)
	if err != nil {
		return nil, err
	}
	id := o.str("id")
	e := &event{
		n: -1 - len(s.thinEvents), id: s.newThinID(), typ: "v2.core.event_destination.ping", account: c.account, created: s.Now(),
		objectID: id, requestID: c.id, idemKey: c.idemKey,
		related: object{"id": id, "type": destinationKind, "url": "/v2/core/event_destinations/" + id},
	}
	s.thinEvents = append(s.thinEvents, e)
	s.enqueue(delivery{event: e, to: e.target(s.webhookEndpoint(id), true)})
	s.wakeWaiters()
	return e.shownV2(), nil
}

// requiredField is the error of a parameter of /v2 that is missing.
func requiredField(name string) *apiError { return invalid("", name, "This field is required.") }

// enumV2 refuses a parameter that was sent with none of the values that the server knows.
func enumV2(p *formparams.Param, allowed ...string) *apiError {
	if p == nil || slices.Contains(allowed, p.String()) {
		return nil
	}
	return invalid("", p.Name, "Unrecognized enum value '%s', valid values are: %s.", p, strings.Join(allowed, ", "))
}

func checkInclude(p *formparams.Param, allowed ...string) *apiError {
	for _, item := range p.Get("include").List() {
		if err := enumV2(item, allowed...); err != nil {
			return err
		}
	}
	return nil
}
