package checkouttest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/stripe/stripe-go/v82"
)

const (
	// deliveryTimeout ends the context of a delivery that the receiver does not answer.
	deliveryTimeout = 30 * time.Second
	// Failed deliveries are tried again for three days, ever more rarely (https://docs.stripe.com/webhooks#retries).
	// Stripe does not publish the steps: these double from firstRetry to lastRetry.
	retryFor   = 72 * time.Hour
	firstRetry = 5 * time.Minute
	lastRetry  = 12 * time.Hour
)

// event is one event of the account's log.
type event struct {
	id, typ, account   string
	session            string // what it is about, directly or not
	created            time.Time
	object             json.RawMessage // the snapshot, with every key
	previous           object          // what the changed values were; nil: the event changed none
	objectID           string
	requestID, idemKey string
	pending            bool // not yet delivered
	attempts           []Attempt
}

// An Event is what the server knows of one event and its deliveries.
type Event struct {
	ID        string
	Type      string
	Account   string // connected account; empty: the platform's own
	ObjectID  string // of the object in the event
	SessionID string // of the session that it belongs to
	Created   time.Time
	Pending   bool // there is a receiver, and it has not accepted the event yet
	Attempts  []Attempt
}

// An Attempt is one try to deliver an event.
type Attempt struct {
	At     time.Time
	Status int    // HTTP status; zero if there was no answer
	Err    string // why there was none
}

// Events lists the events so far, oldest first.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Event, len(s.events))
	for i, e := range s.events {
		out[i] = Event{
			ID: e.id, Type: e.typ, Account: e.account, ObjectID: e.objectID, SessionID: e.session,
			Created: e.created, Pending: e.pending, Attempts: append([]Attempt(nil), e.attempts...),
		}
	}
	return out
}

// Deliver names the receiver of all events from now on, in place of an earlier one: a handler in this process. Deliveries
// that failed go to the new receiver when they are tried again. Nil: nobody, and events made meanwhile are not kept for later.
func (s *Server) Deliver(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receiver = nil
	if h != nil {
		s.receiver = inProcess{h}
	}
}

// Redeliver delivers an event once more, whether or not it was accepted, and returns when that has been answered. It
// must not be called from a webhook receiver.
func (s *Server) Redeliver(eventID string) error {
	s.mu.Lock()
	e := s.event(eventID)
	if e != nil {
		s.enqueue(delivery{event: e, again: true})
	}
	s.mu.Unlock()
	if e == nil {
		return ErrNoEvent
	}
	s.Flush()
	return nil
}

func (s *Server) event(id string) *event {
	for _, e := range s.events {
		if e.id == id {
			return e
		}
	}
	return nil
}

// Flush returns when every delivery that is due has been answered. It must not be called from a webhook receiver.
func (s *Server) Flush() {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// flushFor is Flush with a limit, as the hosted page has one.
func (s *Server) flushFor(d time.Duration) {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle == nil {
		return
	}
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-idle:
	case <-limit.C:
	}
}

// emit records an event of a session or of what belongs to it, with a snapshot of o, and has it delivered. c is the call
// that caused it, or nil. The server is locked.
func (s *Server) emit(sess *session, typ string, o object, c *call) {
	s.emitFor(sess.account, sess.id(), typ, o, nil, c)
}

// emitFor is emit for what may belong to no session, whose ID is empty then. previous holds what the changed values of an
// updated object were before (https://docs.stripe.com/api/events/object#event_object-data-previous_attributes), or is nil.
func (s *Server) emitFor(account, sessionID, typ string, o, previous object, c *call) {
	e := &event{
		id: "evt_1" + rand.Text()[:23], typ: typ, account: account, session: sessionID, created: s.Now(),
		object: encode(o), previous: previous, objectID: o.str("id"), pending: s.receiver != nil,
	}
	if c != nil {
		e.requestID, e.idemKey = c.id, c.idemKey
	}
	s.events = append(s.events, e)
	s.tellListeners(e)
	if e.pending {
		s.enqueue(delivery{event: e})
	}
}

// shown is the event as the API and the webhook show it.
func (e *event) shown() object {
	pending := 0
	if e.pending {
		pending = 1
	}
	data := object{"object": e.object}
	if e.previous != nil {
		data["previous_attributes"] = e.previous
	}
	o := object{
		"id": e.id, "object": "event", "api_version": stripe.APIVersion, "created": e.created.Unix(),
		"data": data, "livemode": false, "pending_webhooks": pending,
		"request": object{"id": orNull(e.requestID), "idempotency_key": orNull(e.idemKey)}, "type": e.typ,
	}
	if e.account != "" {
		o["account"] = e.account
	}
	return o
}

// A delivery is an event that is to be sent now. One asked for again has no retries of its own.
type delivery struct {
	event *event
	again bool
}

// enqueue has a delivery go out after those before it. The server is locked.
func (s *Server) enqueue(d delivery) {
	if s.closed {
		return
	}
	s.queue = append(s.queue, d)
	if s.idle == nil {
		s.idle = make(chan struct{})
		s.running.Add(1)
		go s.deliverAll(s.idle)
	}
}

// deliverAll works off the queue, one delivery after the other, and ends with it.
func (s *Server) deliverAll(idle chan struct{}) {
	defer s.running.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		d := s.queue[0]
		s.queue = s.queue[1:]
		e := d.event
		if !d.again && !e.pending {
			continue // accepted meanwhile, when it was asked for again
		}
		to, payload := s.receiver, encode(e.shown())
		s.mu.Unlock()
		attempt := s.send(to, payload)
		s.log.Debug("webhook delivery", "event", e.id, "type", e.typ, "status", attempt.Status, "error", attempt.Err)
		s.mu.Lock()
		e.attempts = append(e.attempts, attempt)
		if attempt.Status >= 200 && attempt.Status < 300 {
			e.pending = false
		} else if !d.again {
			s.retryLater(e)
		}
	}
	s.idle = nil
	close(idle)
}

func (s *Server) retryLater(e *event) {
	at := s.Now().Add(min(firstRetry<<min(len(e.attempts)-1, 10), lastRetry))
	if at.Sub(e.created) <= retryFor {
		s.schedule(at, func() { s.enqueue(delivery{event: e}) })
	}
}

// send makes one attempt. The server is not locked: the receiver may call the API.
func (s *Server) send(to receiver, payload []byte) Attempt {
	attempt := Attempt{At: s.Now()}
	if to == nil {
		attempt.Err = "no receiver"
		return attempt
	}
	ctx, cancel := context.WithTimeout(s.ctx, deliveryTimeout)
	defer cancel()
	header := http.Header{
		"Accept":           {"*/*; q=0.5, application/xml"},
		"Cache-Control":    {"no-cache"},
		"Content-Type":     {"application/json; charset=utf-8"},
		"Stripe-Signature": {sign(s.secret, attempt.At, payload)},
		"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
	}
	status, err := to.receive(ctx, header, payload)
	attempt.Status = status
	if err != nil {
		attempt.Err = err.Error()
	}
	return attempt
}
