package checkouttest

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v82"
)

// event is one event of the account's log.
type event struct {
	n                  int // in the order of their making, from 0
	id, typ, account   string
	session            string // what it is about, directly or not; may be empty
	created            time.Time
	object             json.RawMessage // the snapshot, with every key
	previous           object          // what the changed values were; nil: the event changed none
	objectID           string
	requestID, idemKey string
	targets            []*target
	attempts           []Attempt
}

// A target is one webhook endpoint that an event is delivered to.
type target struct {
	hook    *hook
	pending bool // not yet accepted
	tries   int  // attempts begun
}

// An Event is what the server knows of one event and its deliveries.
type Event struct {
	ID        string
	Type      string
	Account   string // connected account; empty: the platform's own
	ObjectID  string // of the object in the event
	SessionID string // of the session that it belongs to; empty: none
	Created   time.Time
	Pending   bool // there is a receiver that has not accepted the event yet
	Attempts  []Attempt
}

// An Attempt is one try to deliver an event to one endpoint.
type Attempt struct {
	At       time.Time
	Endpoint string   // we_…; empty: the default endpoint, of Config.WebhookURL and Deliver
	Number   int      // 1 for the first to this endpoint; copies that a fault makes share it
	Status   int      // HTTP status; zero if there was no answer
	Err      string   // why there was none
	Faults   []string // what went wrong with it on purpose
}

func (a Attempt) accepted() bool { return a.Status >= 200 && a.Status < 300 }

// Events lists the events so far, oldest first.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Event, len(s.events))
	for i, e := range s.events {
		out[i] = Event{
			ID: e.id, Type: e.typ, Account: e.account, ObjectID: e.objectID, SessionID: e.session,
			Created: e.created, Pending: e.pending() > 0, Attempts: slices.Clone(e.attempts),
		}
	}
	return out
}

func (s *Server) event(id string) *event {
	for _, e := range s.events {
		if e.id == id {
			return e
		}
	}
	return nil
}

// emit records an event of a session or of what belongs to it, with a snapshot of o, and has it delivered. c is the call
// that caused it, or nil. The server is locked.
func (s *Server) emit(sess *session, typ string, o object, c *call) {
	if o.str("id") == "" {
		return // the session that stands for none: see createIntent
	}
	s.emitFor(sess.account, sess.id(), typ, o, nil, c)
}

// emitFor is emit for what may belong to no session, whose ID is empty then. previous holds what the changed values of an
// updated object were before (https://docs.stripe.com/api/events/object#event_object-data-previous_attributes), or is nil.
func (s *Server) emitFor(account, sessionID, typ string, o, previous object, c *call) {
	e := &event{
		n: len(s.events), id: s.newID("evt_1", 23), typ: typ, account: account, session: sessionID, created: s.Now(),
		object: encode(o), previous: previous, objectID: o.str("id"),
	}
	if c != nil {
		e.requestID, e.idemKey = c.id, c.idemKey
	}
	s.events = append(s.events, e)
	for _, h := range s.hooks {
		if h.wants(e) {
			s.enqueue(delivery{event: e, to: e.target(h, true)})
		}
	}
	s.tellListeners(e)
	s.notify()
}

// target is where the event's deliveries to one endpoint are counted.
func (e *event) target(h *hook, pending bool) *target {
	for _, t := range e.targets {
		if t.hook == h {
			return t
		}
	}
	t := &target{hook: h, pending: pending}
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

// shown is the event as the API shows it.
func (e *event) shown() object { return e.shownAt(stripe.APIVersion) }

// shownAt is the event in the envelope of one version of the API. The object in it keeps its shape.
func (e *event) shownAt(version string) object {
	data := object{"object": e.object}
	if e.previous != nil {
		data["previous_attributes"] = e.previous
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

// report records an event of an object that was kept. was is a copy of it from before the change that the event is about; nil:
// the event tells of no change.
func (s *Server) report(typ string, o, was object, c *call) {
	var prev object
	if was != nil {
		prev = previous(was, o)
	}
	owner := s.ownerOf(o)
	s.emitFor(owner.account, owner.id(), typ, o, prev, c)
}

// previous is what of an object was different before: the previous_attributes of an event.
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
	e := s.event(c.path("id"))
	if e == nil || e.account != c.account {
		return nil, noSuch(http.StatusNotFound, "event", c.path("id"), "id")
	}
	return e.shown(), nil
}

// keptEvents is how long the API lists an event, in seconds: https://docs.stripe.com/api/events
const keptEvents = 30 * 24 * 60 * 60

func (s *Server) listEvents(c *call) (object, *apiError) {
	within, err := createdFilter(c.params)
	if err != nil {
		return nil, err
	}
	types := c.params.get("types").strings()
	if t := c.params.get("type"); t != nil {
		if types != nil {
			return nil, invalid("", "types", "You may only specify one of these parameters: type, types.")
		}
		types = []string{t.str()}
	}
	delivered := c.params.get("delivery_success")
	now := s.Now().Unix()
	var found []object
	for _, e := range slices.Backward(s.events) {
		switch created := e.created.Unix(); {
		case e.account != c.account, !within(created), created < now-keptEvents:
		case types != nil && !slices.Contains(types, e.typ):
		case delivered != nil && delivered.bool() == (e.pending() > 0):
		default:
			found = append(found, e.shown())
		}
	}
	return page(found, "/v1/events", "event", c.params)
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
