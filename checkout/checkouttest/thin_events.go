package checkouttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Payloads says which kinds of events an endpoint gets. Stripe tells each change in two events: a snapshot event, which
// holds the object, and a thin event, which names the object. https://docs.stripe.com/event-destinations/overview
type Payloads uint8

const (
	// Snapshot events hold the object as it was after the change. Their types are such as "checkout.session.completed".
	Snapshot Payloads = 1 << iota
	// Thin events name the object that changed. Their types are those of the snapshot events after "v1.", such as
	// "v1.checkout.session.completed".
	Thin
	// Both is for the time in which an app moves from snapshot events to thin ones:
	// https://docs.stripe.com/webhooks/migrate-snapshot-to-thin-events
	Both = Snapshot | Thin
)

func (p Payloads) check() error {
	if p&^Both != 0 {
		return fmt.Errorf("%d is none of Snapshot, Thin and Both", p)
	}
	return nil
}

// ThinEvents returns the thin events so far, oldest first. Every snapshot event of this server has a thin event of the same
// change, even if no endpoint gets it. A ping of an event destination has a thin event alone.
func (s *Server) ThinEvents() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return shownToTests(s.thinEvents)
}

// thin reports whether an event is a thin one.
func (e *event) thin() bool { return e.related != nil }

// payloads returns the kind of the event, as an endpoint asks for it.
func (e *event) payloads() Payloads {
	if e.thin() {
		return Thin
	}
	return Snapshot
}

// thinTwin returns the thin event of the change that a snapshot event tells of. kind is the kind of the object in it. Every
// event type of this server has a thin twin: https://docs.stripe.com/api/v2/core/events/event-types
func (s *Server) thinTwin(e *event, kind string) *event {
	twin := *e
	twin.n = -1 - len(s.thinEvents) // faults draw for a thin event apart from its snapshot event
	twin.id, twin.typ, twin.snapshot = s.newThinID(), "v1."+e.typ, e.id
	twin.related = object{"id": e.objectID, "type": kind, "url": resourceURL(kind, e.objectID)}
	if kind == "cash_balance" { // it has no ID: https://docs.stripe.com/api/v2/core/events/event-types
		twin.related = object{"type": kind, "url": "/v1/customers/" + e.customer + "/cash_balance"}
	}
	if kind == "card" {
		twin.related["url"] = "/v1/customers/" + s.objects[e.objectID].str("customer") + "/sources/" + e.objectID
	}
	return &twin
}

func (s *Server) newThinID() string { return s.newID("evt_test_65", 44) }

// resourceURL returns the path at which the API shows an object.
func resourceURL(kind, id string) string {
	return "/v1/" + strings.ReplaceAll(kind, ".", "/") + "s/" + id
}

// notification returns a thin event as endpoints get it: without the fields that the event has no value for.
// https://docs.stripe.com/webhooks#events-overview
func (e *event) notification() object {
	o := e.thinFields()
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	return o
}

// shownV2 returns a thin event as the API shows it: https://docs.stripe.com/api/v2/core/events/object
func (e *event) shownV2() object {
	return e.thinFields().with(object{"changes": e.changes()})
}

// thinFields returns the fields that a thin event has in a delivery and in the API.
func (e *event) thinFields() object {
	return object{
		"id": e.id, "object": "v2.core.event", "type": e.typ, "created": timestamp(e.created), "livemode": false,
		"context": orNull(e.account), "reason": e.reason(), "related_object": e.related, "snapshot_event": orNull(e.snapshot),
	}
}

// reason returns the request that caused a thin event, or nil.
func (e *event) reason() any {
	if e.requestID == "" {
		return nil
	}
	return object{"type": "request", "request": object{"id": e.requestID, "idempotency_key": orNull(e.idemKey)}}
}

// changes returns the changed fields of the object, as they were before and after, or nil if the event reports no change.
func (e *event) changes() any {
	if len(e.previous) == 0 {
		return nil
	}
	var now map[string]json.RawMessage
	if err := json.Unmarshal(e.object, &now); err != nil {
		panic("checkouttest: " + err.Error()) // cannot happen: encode wrote it
	}
	after := object{}
	for key := range e.previous {
		after[key] = now[key]
	}
	return object{"before": e.previous, "after": after}
}

func (s *Server) retrieveThinEvent(c *call) (object, *apiError) {
	e := eventByID(s.thinEvents, c.path("id"))
	if e == nil || !s.listsThinEvent(c, e) {
		return nil, notFound(c)
	}
	return e.shownV2(), nil
}

// listsThinEvent reports whether an event is of the call's account and not older than 30 days:
// https://docs.stripe.com/api/v2/core/events/list
func (s *Server) listsThinEvent(c *call, e *event) bool {
	return e.account == c.account && !e.created.Before(s.Now().Add(-thinEventsListedFor))
}

const (
	// thinEventsListedFor is the time for which the API shows a thin event.
	thinEventsListedFor = 30 * 24 * time.Hour
	// maxTypes is the number of types that a list of thin events filters by.
	maxTypes = 20
)

func (s *Server) listThinEvents(c *call) (object, *apiError) {
	within, err := timeRange(c.params.Get("created"))
	if err != nil {
		return nil, err
	}
	types, of := c.params.Get("types").Strings(), c.params.Get("object_id")
	if len(types) > maxTypes {
		return nil, invalid("", "types", "Must have at most %d items.", maxTypes)
	}
	var found []*event
	for _, e := range slices.Backward(s.thinEvents) {
		if s.listsThinEvent(c, e) && within(e.created) && (of == nil || e.objectID == of.String()) && (types == nil || slices.Contains(types, e.typ)) {
			found = append(found, e)
		}
	}
	return pageV2(c, found, (*event).eventID, (*event).shownV2)
}
