package checkouttest

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// An event is one event of the account.
type event struct {
	n                  int // counts the snapshot events, from 0, and the thin events, from -1 downwards
	id, typ, account   string
	session            string // the ID of the session that the event belongs to; empty: none
	created            time.Time
	object             json.RawMessage // the snapshot, with every key
	previous           object          // the earlier values of changed fields; nil: the event reports no change
	shapes             []eventShape    // for endpoints of API versions that show the object differently
	objectID           string
	requestID, idemKey string
	customer           string // whose cash balance changed; empty: that is not the event's object
	related            object // of a thin event: the object that it names; nil: it is a snapshot event
	snapshot           string // of a thin event: the ID of the snapshot event of the same change; empty: none
	targets            []*target
	attempts           []Attempt
}

// A target is a webhook endpoint that an event is delivered to.
type target struct {
	endpoint *webhookEndpoint
	pending  bool // the endpoint has not accepted the event yet
	tries    int  // the number of attempts so far
}

// An Event is one event and its deliveries.
type Event struct {
	ID       string
	Type     string
	Account  string // the connected account; empty: the platform
	ObjectID string // of the object in the event
	// Object is the object as it was when the event happened, as JSON with every key. It must not be changed.
	Object    json.RawMessage
	SessionID string // of the session that the event belongs to; empty: none
	Snapshot  string // of a thin event: the ID of the snapshot event of the same change; empty: none
	Created   time.Time
	Pending   bool // an endpoint has not accepted the event yet
	Attempts  []Attempt
}

// An Attempt is one try to deliver an event to one endpoint.
type Attempt struct {
	At       time.Time
	Endpoint string   // we_… or ed_…; empty: the default endpoint, of Config.WebhookURL and Deliver
	Number   int      // 1 for the first attempt to this endpoint; the copies of a fault share a number
	Status   int      // HTTP status; 0: there was no answer
	Err      string   // why there was none
	Faults   []string // that hit the attempt, such as "drop"
}

func (a Attempt) accepted() bool { return a.Status >= 200 && a.Status < 300 }

// Events returns the snapshot events so far, oldest first.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return shownToTests(s.events)
}

func shownToTests(events []*event) []Event {
	out := make([]Event, len(events))
	for i, e := range events {
		out[i] = Event{
			ID: e.id, Type: e.typ, Account: e.account, ObjectID: e.objectID, Object: e.object, SessionID: e.session, Snapshot: e.snapshot,
			Created: e.created, Pending: e.pending() > 0, Attempts: slices.Clip(e.attempts), // attempts are only appended
		}
	}
	return out
}

func (e *event) eventID() string { return e.id }

// eventByID returns an event of a list, or nil.
func eventByID(events []*event, id string) *event {
	for _, e := range events {
		if e.id == id {
			return e
		}
	}
	return nil
}

// emit records an event of a session, or of an object that belongs to the session, and has it delivered. The event holds a
// snapshot of o. c is the call that caused the event, or nil. The server is locked.
func (s *Server) emit(sess *session, typ string, o object, c *call) {
	if o.str("id") == "" {
		return // createIntent made this session, which has no ID and no events
	}
	s.emitFor(sess.account, sess.id(), typ, o, nil, c)
}

// emitFor is emit for objects that may belong to no session; sessionID is then empty. was is a copy of the object from before
// the change. It is nil if the event reports no change.
func (s *Server) emitFor(account, sessionID, typ string, o, was object, c *call) {
	if c == nil {
		c = s.causeOf(typ)
	}
	e := &event{
		id: s.newID("evt_1", 23), typ: typ, account: account, session: sessionID, created: s.Now(),
		object: encode(o), previous: changesSince(was, o), objectID: o.str("id"),
	}
	if o.str("object") == "cash_balance" {
		e.customer = o.str("customer")
	}
	e.shapes = s.shapesOf(o, was)
	if c != nil {
		e.requestID, e.idemKey = c.id, c.idemKey
	}
	if s.held != nil {
		s.held = append(s.held, heldEvent{e, o.str("object")})
		return
	}
	s.publish(e, o.str("object"))
}

// publish has an event delivered, with its thin twin. kind is the kind of the object in it.
func (s *Server) publish(e *event, kind string) {
	e.n = len(s.events)
	twin := s.thinTwin(e, kind)
	s.events, s.thinEvents = append(s.events, e), append(s.thinEvents, twin)
	s.deliverToEndpoints(e)
	s.deliverToEndpoints(twin)
	s.sendToListeners(e)
	s.sendToListeners(twin)
	s.wakeWaiters()
}

// A heldEvent is an event that waits until its place among the events of the same action is known.
type heldEvent struct {
	event *event
	kind  string
}

// sessionEvents are the events of a session that is paid, in the order in which Stripe sends them, by the session's mode. An
// event holds its object as it was at the event, so that a later event may hold an earlier state: payment_intent.created
// follows payment_intent.succeeded. Listings of `stripe listen` from 2023 to 2026 have this order. Stripe promises none:
// https://docs.stripe.com/webhooks#event-ordering
var sessionEvents = map[string][]string{
	"payment": {
		"customer.created", "charge.succeeded", "payment_method.attached", "payment_intent.succeeded", "payment_intent.amount_capturable_updated",
		"payment_intent.created", "charge.pending", "payment_intent.processing", "charge.failed", "payment_intent.payment_failed",
		"payment_intent.requires_action", "payment_intent.partially_funded", "checkout.session.completed",
	},
	"subscription": {
		"customer.created", "charge.succeeded", "payment_method.attached", "checkout.session.completed", "customer.updated",
		"customer.subscription.created", "payment_intent.succeeded", "payment_intent.created", "charge.pending", "payment_intent.processing",
		"charge.failed", "payment_intent.payment_failed", "invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded",
		"invoice_payment.paid",
	},
	"setup": {
		"customer.created", "payment_method.attached", "setup_intent.succeeded", "setup_intent.created", "checkout.session.completed", "customer.updated",
	},
}

// inOrder runs do, which pays a session, and sends the events in Stripe's order. Events that sessionEvents does not name
// follow the others.
func (s *Server) inOrder(sess *session, do func()) {
	if sess.id() == "" { // the API pays it, and the page does not
		do()
		return
	}
	s.held = []heldEvent{}
	do()
	held, order := s.held, sessionEvents[sess.str("mode")]
	s.held = nil
	place := func(h heldEvent) int {
		if i := slices.Index(order, h.event.typ); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(held, func(a, b heldEvent) int { return place(a) - place(b) })
	for _, h := range held {
		s.publish(h.event, h.kind)
	}
}

// causeOf returns the request that causes an event, or nil. Stripe's clock causes disputes, warnings and the events of
// sessions, even if a request of the page brings them about: their `request` is empty.
// https://docs.stripe.com/api/events/object#event_object-request
func (s *Server) causeOf(typ string) *call {
	for _, prefix := range []string{"checkout.", "charge.dispute.", "radar."} {
		if strings.HasPrefix(typ, prefix) {
			return nil
		}
	}
	return s.cause
}

// onPage runs do, which plays a customer on a page. The events of what the customer does name the page's request.
func (s *Server) onPage(do func()) {
	s.cause = &call{id: s.newID("req_", 14), idemKey: s.newID("page-", 26)}
	defer func() { s.cause = nil }()
	do()
}

// deliverToEndpoints has a new event delivered to the endpoints that want it.
func (s *Server) deliverToEndpoints(e *event) {
	for _, h := range s.webhookEndpoints {
		if h.wants(e) {
			s.enqueue(delivery{event: e, to: e.target(h, true)})
		}
	}
}

// target returns the target that counts the event's deliveries to an endpoint.
func (e *event) target(h *webhookEndpoint, pending bool) *target {
	for _, t := range e.targets {
		if t.endpoint == h {
			return t
		}
	}
	t := &target{endpoint: h, pending: pending}
	e.targets = append(e.targets, t)
	return t
}

// pending counts the endpoints that have not accepted the event yet.
func (e *event) pending() int {
	n := 0
	for _, t := range e.targets {
		if t.pending {
			n++
		}
	}
	return n
}

// shown returns a snapshot event as the API shows it. Deliveries of its thin twin do not count in pending_webhooks: Stripe
// does not say whether they do.
func (e *event) shown() object { return e.shownAt(stripe.APIVersion) }

// shownAt returns the event as an API version shows it.
func (e *event) shownAt(version string) object {
	data, changed := object{"object": e.object}, e.previous
	for _, shape := range e.shapes {
		if version >= shape.from && version < shape.until {
			data["object"], changed = shape.of(e.object), shape.previous
		}
	}
	if changed != nil {
		data["previous_attributes"] = changed
	}
	o := object{
		"id": e.id, "object": "event", "api_version": version, "created": e.created.Unix(),
		"data": data, "livemode": false, "pending_webhooks": e.pending(),
		"request": object{"id": orNull(e.requestID), "idempotency_key": orNull(e.idemKey)}, "type": e.typ,
	}
	if e.account != "" {
		o["account"] = e.account
	}
	return o
}

// payload returns an event as an endpoint gets it. version is that of snapshot events.
func (e *event) payload(version string) object {
	if e.thin() {
		return e.notification()
	}
	return e.shownAt(version)
}

// emitChange emits an event of a stored object. was is a copy of the object from before the change. It is nil if the event
// reports no change.
func (s *Server) emitChange(typ string, o, was object, c *call) {
	owner := s.ownerOf(o)
	s.emitFor(owner.account, owner.id(), typ, o, was, c)
}

// changesSince is previous for an event that may report no change: it returns nil if was is nil.
func changesSince(was, o object) object {
	if was == nil {
		return nil
	}
	return previous(was, o)
}

// previous returns the earlier values of the fields that have changed: the previous_attributes of an event.
// https://docs.stripe.com/api/events/object#event_object-data-previous_attributes
func previous(was, o object) object {
	diff := object{}
	for k, v := range o {
		if !reflect.DeepEqual(was[k], v) {
			diff[k] = was[k]
		}
	}
	return diff
}

func (s *Server) retrieveEvent(c *call) (object, *apiError) {
	e := eventByID(s.events, c.path("id"))
	if e == nil || e.account != c.account {
		return nil, noSuch(http.StatusNotFound, "event", c.path("id"), "id")
	}
	return e.shown(), nil
}

// eventsListedFor is the number of seconds for which the API lists an event: https://docs.stripe.com/api/events
const eventsListedFor = 30 * 24 * 60 * 60

func (s *Server) listEvents(c *call) (object, *apiError) {
	within, err := createdFilter(c.params)
	if err != nil {
		return nil, err
	}
	types := c.params.Get("types").Strings()
	if types != nil && c.params.Get("type") != nil {
		return nil, invalid("", "types", "You may only specify one of these parameters: type, types.")
	}
	delivered := c.params.Get("delivery_success")
	now := s.Now().Unix()
	var found []*event
	for _, e := range slices.Backward(s.events) {
		created := e.created.Unix()
		listed := e.account == c.account && within(created) && created >= now-eventsListedFor
		switch {
		case types != nil:
			listed = listed && slices.Contains(types, e.typ)
		case c.params.Get("type") != nil:
			listed = listed && matchesType(c.params.Get("type").String(), e.typ)
		}
		if delivered != nil {
			listed = listed && delivered.Bool() == (e.pending() == 0)
		}
		if listed {
			found = append(found, e)
		}
	}
	return pageOf(found, (*event).eventID, (*event).shown, "/v1/events", "event", c.params)
}

// matchesType reports whether an event type is the one that a filter names. A * in the filter stands for any text:
// https://docs.stripe.com/api/events/list#list_events-type
func matchesType(filter, typ string) bool {
	before, after, wildcard := strings.Cut(filter, "*")
	if !wildcard {
		return typ == filter
	}
	return len(typ) >= len(before)+len(after) && strings.HasPrefix(typ, before) && strings.HasSuffix(typ, after)
}

// retryEvent serves `stripe events resend`. It delivers the event again to a webhook endpoint or to the CLIs that listen.
// Without either it delivers to every endpoint that got the event, which Stripe does not do. Stripe does not document this
// call; https://github.com/stripe/stripe-cli has its parameters.
func (s *Server) retryEvent(c *call) (object, *apiError) {
	e, p := eventByID(s.events, c.path("id")), c.params
	account := c.account
	if a := p.Get("account"); a != nil {
		account = a.String()
	}
	if e == nil || e.account != account {
		return nil, noSuch(http.StatusNotFound, "event", c.path("id"), "id")
	}
	to := p.Get("webhook_endpoint")
	switch {
	case to != nil:
		h := s.webhookEndpoint(to.String())
		if h == nil || h.account != c.account {
			return nil, noSuch(http.StatusBadRequest, "webhook_endpoint", to.String(), "webhook_endpoint")
		}
		s.enqueue(delivery{event: e, to: e.target(h, false), byHand: true})
	case p.Get("for_stripecli").Bool():
		s.sendToListeners(e)
	default:
		s.resend(e)
	}
	return e.shown(), nil
}
