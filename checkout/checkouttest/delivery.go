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
	// Stripe retries failed deliveries at growing intervals. A sandbox retries three times over a few hours, and live mode for
	// up to three days: https://docs.stripe.com/webhooks#retries. Stripe does not publish the intervals. Here they begin with
	// firstRetry. Live ones double up to lastRetry, and those of a sandbox are sandboxRetries.
	retryFor   = 72 * time.Hour
	firstRetry = 5 * time.Minute
	lastRetry  = 12 * time.Hour
)

// sandboxRetries are the intervals before the retries of a sandbox.
var sandboxRetries = []time.Duration{firstRetry, 2 * firstRetry, 3 * time.Hour}

// Deliver makes a handler in this process the receiver of the default endpoint. The handler gets every event from now on,
// and the retries of earlier deliveries. It replaces the receiver that was set before. With nil, the default endpoint has
// no receiver, and the server does not keep events for a later one.
//
// The path of the requests is "/". So the handler is that of the webhook, and not the router in which it is mounted: a router
// answers 404, which is a failed delivery as any other. To test the router too, set the path of its route:
//
//	srv.Deliver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		r.URL.Path = "/stripe/webhook"
//		router.ServeHTTP(w, r)
//	}))
//
// The handler gets events of the kinds in payloads: Snapshot, Thin or Both. Default: the kinds that the endpoint got before,
// which at first are those of Config.Payloads. Deliver panics if payloads holds anything else.
func (s *Server) Deliver(h http.Handler, payloads ...Payloads) {
	var kinds Payloads
	for _, p := range payloads {
		kinds |= p
	}
	if err := kinds.check(); err != nil {
		panic("checkouttest: Deliver: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.webhookEndpoints[0]
	e.to = nil
	if h != nil {
		e.to = inProcess{h}
	}
	if kinds != 0 {
		e.payloads = kinds
	}
}

// Redeliver delivers an event once more, even if it was accepted before; the event is a snapshot event or a thin one. It
// delivers to each endpoint that the event went to, or to the default endpoint if the event went to none. It returns when
// the receivers have answered. Do not call it from a webhook receiver. Errors: ErrNoEvent.
func (s *Server) Redeliver(eventID string) error {
	s.mu.Lock()
	e := eventByID(s.events, eventID)
	if e == nil {
		e = eventByID(s.thinEvents, eventID)
	}
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
		e.target(s.webhookEndpoints[0], false)
	}
	for _, t := range e.targets {
		s.enqueue(delivery{event: e, to: t, byHand: true})
	}
}

// Flush waits until the receivers have answered every delivery that is due. With Config.Sequential, Flush itself makes the
// deliveries, in the caller's goroutine. Do not call it from a webhook receiver.
func (s *Server) Flush() {
	if !s.inStep() {
		s.flush()
	}
}

func (s *Server) flush() {
	s.mu.Lock()
	idle := s.idle
	startsNow := idle == nil && len(s.queue) > 0
	if startsNow {
		idle = s.begin()
	}
	s.mu.Unlock()
	switch {
	case startsNow:
		s.deliverAll(idle)
	case idle != nil:
		<-idle
	}
}

// flushFor is Flush with a time limit. With Config.Sequential there is no limit, as one goroutine does everything.
func (s *Server) flushFor(d time.Duration) {
	if !s.inStep() {
		s.await(d)
	}
}

func (s *Server) await(d time.Duration) {
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

// A delivery is an attempt to deliver an event to an endpoint, in the queue.
type delivery struct {
	event   *event
	to      *target
	byHand  bool // Redeliver or the API asked for it: it has no retries
	number  int  // of the attempt; 0: the attempt has not begun
	delayed bool // a Delay has held it back, and is over
}

// enqueue appends a delivery to the queue. The server is locked.
func (s *Server) enqueue(d delivery) {
	if s.closed {
		return
	}
	if s.step != nil && s.step.Replay {
		d.to.pending = false
		return
	}
	s.queue = append(s.queue, d)
	if s.idle == nil && !s.sequential {
		go s.deliverAll(s.begin())
	}
}

// begin marks the queue as busy until the returned channel is closed. The server is locked.
func (s *Server) begin() (idle chan struct{}) {
	s.idle = make(chan struct{})
	s.running.Add(1)
	return s.idle
}

// deliverAll makes the deliveries in the queue, one after the other, until the queue is empty.
func (s *Server) deliverAll(idle chan struct{}) {
	defer s.running.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		s.deliver(s.nextDelivery())
	}
	s.idle = nil
	close(idle)
}

// deliver makes one attempt. The server is locked, except while the receiver runs.
func (s *Server) deliver(d delivery) {
	e, t := d.event, d.to
	switch {
	case !d.byHand && !t.pending:
		return // a delivery by hand was accepted before this retry
	case t.endpoint.off():
		t.pending = false // a disabled or deleted endpoint gets no retries: https://docs.stripe.com/webhooks#retries
		return
	}
	if d.number == 0 {
		t.tries++
		d.number = t.tries
	}
	faults := s.deliveryFaultsOf(d)
	if faults.delay > 0 && !d.delayed {
		d.delayed = true
		s.schedule(s.Now().Add(faults.delay), func() { s.enqueue(d) })
		return
	}
	m := s.newMessage(d, faults)
	s.mu.Unlock()
	attempts := s.send(m, faults)
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
	case !d.byHand:
		s.retryLater(d)
	}
}

func (s *Server) retryLater(d delivery) {
	var pause time.Duration
	switch {
	case s.liveRetries:
		pause = min(firstRetry<<min(d.number-1, 10), lastRetry)
	case d.number <= len(sandboxRetries):
		pause = sandboxRetries[d.number-1]
	default:
		return
	}
	at := s.Now().Add(pause)
	if at.Sub(d.event.created) <= retryFor {
		s.schedule(at, func() { s.enqueue(delivery{event: d.event, to: d.to}) })
	}
}

// A message is the request of one attempt.
type message struct {
	to      receiver
	header  http.Header
	payload []byte
	attempt Attempt // without its result
}

// newMessage writes and signs the payload of an attempt. The server is locked.
func (s *Server) newMessage(d delivery, faults deliveryFaults) message {
	e := d.to.endpoint
	now := s.Now()
	version := e.apiVersion()
	if faults.apiVersion != "" {
		version = faults.apiVersion
	}
	secrets := e.liveSecrets(now)
	if faults.badSignature {
		secrets = []string{"whsec_unknown"}
	}
	payload := encode(d.event.payload(version))
	header := http.Header{
		"Accept":           {"*/*; q=0.5, application/xml"},
		"Cache-Control":    {"no-cache"},
		"Content-Type":     {"application/json; charset=utf-8"},
		"Stripe-Signature": {sign(secrets, now.Add(-faults.stale), payload)},
		"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
	}
	if faults.truncate {
		payload = payload[:len(payload)/2]
	}
	return message{to: e.to, header: header, payload: payload, attempt: Attempt{At: now, Endpoint: e.id, Number: d.number, Faults: faults.names}}
}

// send makes one attempt, or as many copies of it as the faults ask for. The server is not locked, as the receiver may call
// the API.
func (s *Server) send(m message, faults deliveryFaults) []Attempt {
	attempts := make([]Attempt, faults.copies*faults.concurrent)
	for first := 0; first < len(attempts); first += faults.concurrent {
		var others sync.WaitGroup
		for i := first + 1; i < first+faults.concurrent; i++ {
			others.Go(func() { attempts[i] = s.sendOne(m, faults) })
		}
		attempts[first] = s.sendOne(m, faults)
		others.Wait()
	}
	return attempts
}

func (s *Server) sendOne(m message, faults deliveryFaults) Attempt {
	a := m.attempt
	switch {
	case faults.drop:
		a.Err = "lost on the way"
		return a
	case m.to == nil:
		a.Err = "no receiver"
		return a
	}
	ctx, cancel := context.WithTimeout(s.ctx, deliveryTimeout)
	defer cancel()
	status, err := m.to.receive(ctx, m.header.Clone(), m.payload)
	a.Status = status
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// sign returns the Stripe-Signature header, with one v1 signature for each secret. A sandbox adds a v0 signature, which is not
// to be trusted: receivers must ignore it.
// https://docs.stripe.com/webhooks#verify-manually
func sign(secrets []string, at time.Time, payload []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	header := "t=" + t
	signature := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(t + "."))
		mac.Write(payload)
		return hex.EncodeToString(mac.Sum(nil))
	}
	for _, secret := range secrets {
		header += ",v1=" + signature(secret)
	}
	return header + ",v0=" + signature("v0")
}

// A receiver takes deliveries.
type receiver interface {
	receive(ctx context.Context, header http.Header, payload []byte) (status int, _ error)
}

// inProcess is a receiver in this process.
type inProcess struct{ h http.Handler }

func (to inProcess) receive(ctx context.Context, header http.Header, payload []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://webhook.test/", bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	r.Header, r.RequestURI, r.RemoteAddr = header, "/", "127.0.0.1:0"
	defer func() {
		if p := recover(); p != nil { // net/http, too, would cut the connection and go on
			status, err = 0, fmt.Errorf("the receiver panicked: %v", p)
		}
	}()
	w := newRecorder()
	to.h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return w.status, nil
}

// overHTTP is a receiver at a URL.
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
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // frees the connection for the next delivery
	return resp.StatusCode, nil
}
