package checkouttest

import (
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

// ThinEvents returns the thin events so far, oldest first. Every snapshot event of this server has a thin event of the same
// change, even if no endpoint gets it.
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
	twin.n = -1 - e.n // faults draw for the twin apart from the snapshot event
	twin.id, twin.typ, twin.snapshot = s.newThinID(), "v1."+e.typ, e.id
	twin.related = object{"id": e.objectID, "type": kind, "url": resourceURL(kind, e.objectID)}
	return &twin
}

func (s *Server) newThinID() string { return s.newID("evt_test_65", 44) }

// resourceURL returns the path at which the API shows an object.
func resourceURL(kind, id string) string {
	return "/v1/" + strings.ReplaceAll(kind, ".", "/") + "s/" + id
}

// notification returns a thin event as endpoints get it. https://docs.stripe.com/api/v2/core/events/object
func (e *event) notification() object {
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

// timestamp returns a time as /v2 shows it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
