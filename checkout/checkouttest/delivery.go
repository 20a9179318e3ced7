package checkouttest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
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

// Deliver names the receiver at the default endpoint from now on, in place of an earlier one: a handler in this process. It
// gets every event. Deliveries that failed go to the new receiver when they are tried again. Nil: nobody, and events made
// meanwhile are not kept for later.
func (s *Server) Deliver(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[0].to = nil
	if h != nil {
		s.hooks[0].to = inProcess{h}
	}
}

// Redeliver delivers an event once more, to each endpoint that it went to, whether or not it was accepted, and returns
// when that has been answered. An event that went nowhere goes to the default endpoint. It must not be called from a
// webhook receiver.
func (s *Server) Redeliver(eventID string) error {
	s.mu.Lock()
	e := s.event(eventID)
	if e != nil {
		s.resend(e)
	}
	s.mu.Unlock()
	if e == nil {
		return ErrNoEvent
	}
	s.Flush()
	return nil
}

func (s *Server) resend(e *event) {
	if len(e.targets) == 0 {
		e.target(s.hooks[0], false)
	}
	for _, t := range e.targets {
		s.enqueue(delivery{event: e, to: t, again: true})
	}
}

// Flush returns when every delivery that is due has been answered. With Config.Sequential it makes them, in the caller's
// goroutine. It must not be called from a webhook receiver.
func (s *Server) Flush() {
	s.mu.Lock()
	idle := s.idle
	mine := idle == nil && len(s.queue) > 0
	if mine {
		idle = s.begin()
	}
	s.mu.Unlock()
	switch {
	case mine:
		s.deliverAll(idle)
	case idle != nil:
		<-idle
	}
}

// flushFor is Flush with a limit, as the hosted page has one. One goroutine at a time means no limit.
func (s *Server) flushFor(d time.Duration) {
	if s.sequential {
		s.Flush()
		return
	}
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

// A delivery is an event that is to be sent now.
type delivery struct {
	event  *event
	to     *target
	again  bool // asked for by hand: it has no retries of its own
	number int  // of the attempt; 0: not begun
	waited bool // a fault held it back, and no longer does
}

// enqueue has a delivery go out after those before it. The server is locked.
func (s *Server) enqueue(d delivery) {
	if s.closed {
		return
	}
	s.queue = append(s.queue, d)
	if s.idle == nil && !s.sequential {
		go s.deliverAll(s.begin())
	}
}

// begin marks the queue as being worked off, until the channel that it returns is closed. The server is locked.
func (s *Server) begin() (idle chan struct{}) {
	s.idle = make(chan struct{})
	s.running.Add(1)
	return s.idle
}

// deliverAll works off the queue, one delivery after the other, and ends with it.
func (s *Server) deliverAll(idle chan struct{}) {
	defer s.running.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		s.deliver(s.next())
	}
	s.idle = nil
	close(idle)
}

// deliver makes one attempt. The server is locked, but not while the attempt is out.
func (s *Server) deliver(d delivery) {
	e, t := d.event, d.to
	switch {
	case !d.again && !t.pending:
		return // accepted meanwhile, when it was asked for again
	case t.hook.off():
		t.pending = false // a disabled or deleted endpoint gets no retries: https://docs.stripe.com/webhooks#retries
		return
	}
	if d.number == 0 {
		t.tries++
		d.number = t.tries
	}
	way := s.wayOf(d)
	if way.delay > 0 && !d.waited {
		d.waited = true
		s.schedule(s.Now().Add(way.delay), func() { s.enqueue(d) })
		return
	}
	p := s.pack(d, way)
	s.mu.Unlock()
	attempts := s.send(p, way)
	s.mu.Lock()
	accepted := true
	for _, a := range attempts {
		s.log.Debug("webhook delivery", "event", e.id, "type", e.typ, "status", a.Status, "error", a.Err)
		s.record(Entry{
			At: a.At, EventID: e.id, EventType: e.typ, Endpoint: a.Endpoint, Attempt: a.Number,
			Status: a.Status, Err: a.Err, Faults: a.Faults,
		})
		accepted = accepted && a.accepted()
	}
	e.attempts = append(e.attempts, attempts...)
	switch {
	case accepted:
		t.pending = false
	case !d.again:
		s.retryLater(d)
	}
}

func (s *Server) retryLater(d delivery) {
	at := s.Now().Add(min(firstRetry<<min(d.number-1, 10), lastRetry))
	if at.Sub(d.event.created) <= retryFor {
		s.schedule(at, func() { s.enqueue(delivery{event: d.event, to: d.to}) })
	}
}

// A parcel is what one attempt carries.
type parcel struct {
	to      receiver
	header  http.Header
	payload []byte
	attempt Attempt // without its result
}

// pack writes and signs the payload. The server is locked.
func (s *Server) pack(d delivery, way way) parcel {
	h := d.to.hook
	now := s.Now()
	payload := encode(d.event.shownAt(way.version(h)))
	header := http.Header{
		"Accept":           {"*/*; q=0.5, application/xml"},
		"Cache-Control":    {"no-cache"},
		"Content-Type":     {"application/json; charset=utf-8"},
		"Stripe-Signature": {sign(way.secrets(h, now), now.Add(-way.stale), payload)},
		"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
	}
	if way.truncate {
		payload = payload[:len(payload)/2]
	}
	return parcel{to: h.to, header: header, payload: payload, attempt: Attempt{At: now, Endpoint: h.id, Number: d.number, Faults: way.names}}
}

// send makes the copies of one attempt: one, unless a fault makes more. The server is not locked: the receiver may call
// the API.
func (s *Server) send(p parcel, way way) []Attempt {
	attempts := make([]Attempt, way.copies*way.abreast)
	for i := 0; i < len(attempts); i += way.abreast {
		var wg sync.WaitGroup
		for j := i + 1; j < i+way.abreast; j++ {
			wg.Go(func() { attempts[j] = s.sendOne(p, way) })
		}
		attempts[i] = s.sendOne(p, way)
		wg.Wait()
	}
	return attempts
}

func (s *Server) sendOne(p parcel, way way) Attempt {
	a := p.attempt
	switch {
	case way.drop:
		a.Err = "lost on the way"
		return a
	case p.to == nil:
		a.Err = "no receiver"
		return a
	}
	ctx, cancel := context.WithTimeout(s.ctx, deliveryTimeout)
	defer cancel()
	status, err := p.to.receive(ctx, p.header.Clone(), p.payload)
	a.Status = status
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// sign makes the Stripe-Signature header, with one v1 for each secret: https://docs.stripe.com/webhooks#verify-manually
func sign(secrets []string, at time.Time, payload []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	header := "t=" + t
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(t + "."))
		mac.Write(payload)
		header += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return header
}

// A receiver takes deliveries.
type receiver interface {
	receive(ctx context.Context, header http.Header, payload []byte) (status int, _ error)
}

type inProcess struct{ h http.Handler }

func (to inProcess) receive(ctx context.Context, header http.Header, payload []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://webhook.test/", bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header, r.RequestURI, r.RemoteAddr = header, "/", "127.0.0.1:0"
	defer func() {
		if p := recover(); p != nil { // as net/http would: the connection is cut, the process lives
			status, err = 0, fmt.Errorf("the receiver panicked: %v", p)
		}
	}()
	w := newRecorder()
	to.h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return w.status, nil
}

type overHTTP struct {
	client *http.Client
	url    string
}

func newDeliveryClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect is a failure
	}
}

func (to overHTTP) receive(ctx context.Context, header http.Header, payload []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header = header
	resp, err := to.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	return resp.StatusCode, nil
}
