package checkouttest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/websocket"
)

// The server speaks what Stripe's command line speaks. `stripe listen` opens a CLI session over the API, and connects to
// the WebSocket that the answer names. From then on the server sends it every event of the kinds that the session asked for,
// signed with the session's secret. The CLI forwards each event and reports the answer. Stripe does not document any of this;
// https://github.com/stripe/stripe-cli shows what the CLI sends and reads.
const (
	cliProtocol  = "stripecli-devproxy-v1"
	cliSubscribe = "/v1/stripecli/subscribe"
	// cliReconnectDelay is the number of seconds after which the CLI makes a new connection. It misses the events of the
	// meantime.
	cliReconnectDelay = 24 * 60 * 60
	// The features of a CLI session are the kinds of events that it gets.
	cliSnapshot = "webhooks"
	cliThin     = "v2_events"
)

// cli is the state that the server keeps of Stripe CLIs.
type cli struct {
	secret      string              // that signs the events for listeners
	destination string              // the ID of the destination that stands for all listeners to thin events
	sessions    map[string]Payloads // by WebSocket ID; what each gets
	listeners   map[*cliListener]bool
}

// A cliListener is a connected `stripe listen`.
type cliListener struct {
	payloads Payloads
	waiting  [][]byte      // messages to write; guarded by the server's lock
	more     chan struct{} // signals that messages wait
}

func (s *Server) cliRoutes(mux *http.ServeMux) {
	s.cli = cli{
		secret: s.newSecret(), destination: s.newDestinationID(), sessions: map[string]Payloads{}, listeners: map[*cliListener]bool{},
	}
	// stripe-go has no types for these parameters. The server takes all of them as text.
	session := formparams.Strings("device_name", "websocket_features[]", "filters", "forward_to_url", "forward_connect_to_url", "forward_thin_to_url", "forward_thin_connect_to_url")
	s.handle(mux, "POST /v1/stripecli/sessions", &operation{schema: session, serve: s.createCLISession})
	mux.HandleFunc("GET "+cliSubscribe, s.serveListener)
	page := formparams.Strings("expected_amount", "payment_method", "expand[]")
	s.handle(mux, "GET /v1/payment_pages/{id}", &operation{schema: page, result: "checkout.session", serve: s.retrieveSession})
	s.handle(mux, "POST /v1/payment_pages/{id}/confirm", &operation{schema: page, result: "checkout.session", serve: s.confirmPage})
}

// createCLISession lets a CLI listen. The secret differs from those of webhook endpoints, and stays the same from one
// `stripe listen` to the next: https://docs.stripe.com/cli/listen
func (s *Server) createCLISession(c *call) (object, *apiError) {
	features := c.params.Get("websocket_features").Strings()
	var payloads Payloads
	if features == nil || slices.Contains(features, cliSnapshot) {
		payloads |= Snapshot
	}
	if slices.Contains(features, cliThin) {
		payloads |= Thin
	}
	id := s.newID("cliws_", 26)
	s.cli.sessions[id] = payloads
	return object{
		"websocket_id": id, "websocket_url": "ws" + strings.TrimPrefix(s.base, "http") + cliSubscribe,
		"websocket_authorized_feature": strings.Join(features, ","), "secret": s.cli.secret, "reconnect_delay": cliReconnectDelay,
		"display_connect_filter_warning": false, "default_version": stripe.APIVersion, "latest_version": stripe.APIVersion,
	}, nil
}

// serveListener serves the WebSocket of one CLI. The session's ID takes the place of the key: a stranger can't guess it.
func (s *Server) serveListener(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	payloads, known := s.cli.sessions[r.Header.Get("Websocket-Id")]
	s.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(encode(object{"error": object{"message": "Unknown WebSocket ID."}})) // the CLI looks for these words
		return
	}
	conn, err := websocket.Accept(w, r, cliProtocol)
	if err != nil {
		return
	}
	defer conn.Close()
	l := &cliListener{payloads: payloads, more: make(chan struct{}, 1)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.cli.listeners[l] = true
	s.running.Add(2)
	s.mu.Unlock()
	defer s.running.Done()
	gone := make(chan struct{})
	go s.writeToListener(l, conn, gone)
	for {
		report, err := conn.Read()
		if err != nil {
			break
		}
		s.logReport(report)
	}
	close(gone)
	s.mu.Lock()
	delete(s.cli.listeners, l)
	s.mu.Unlock()
}

// writeToListener writes the messages that wait for a listener, until the listener is gone or the server is closed.
func (s *Server) writeToListener(l *cliListener, conn *websocket.Conn, gone <-chan struct{}) {
	defer s.running.Done()
	defer conn.Close() // ends the reading, too
	for {
		select {
		case <-gone:
			return
		case <-s.ctx.Done():
			conn.GoAway()
			return
		case <-l.more:
		}
		s.mu.Lock()
		messages := l.waiting
		l.waiting = nil
		s.mu.Unlock()
		for _, m := range messages {
			if conn.WriteText(m) != nil {
				return
			}
		}
	}
}

// logReport logs what a CLI says about an event: the answer of the CLI's own receiver.
func (s *Server) logReport(message []byte) {
	var report struct {
		Type           string `json:"type"`
		WebhookID      string `json:"webhook_id"`      // of a thin event: the destination
		NotificationID string `json:"notification_id"` // the event
		Status         int    `json:"status"`
	}
	err := json.Unmarshal(message, &report)
	if err == nil && report.Type == "webhook_response" {
		s.log.Debug("delivery through the CLI", "event", cmp.Or(report.NotificationID, report.WebhookID), "status", report.Status)
	}
}

// sendToListeners sends an event to every CLI that listens to events of its kind. Like Stripe, it does not wait for an answer
// and does not retry. The server is locked.
func (s *Server) sendToListeners(e *event) {
	if len(s.cli.listeners) == 0 {
		return
	}
	messages := s.cliMessages(e)
	for l := range s.cli.listeners {
		if l.payloads&e.payloads() == 0 {
			continue
		}
		l.waiting = append(l.waiting, messages...)
		select {
		case l.more <- struct{}{}:
		default:
		}
	}
}

// cliMessages returns the messages that bring an event to a CLI.
func (s *Server) cliMessages(e *event) [][]byte {
	payload := encode(e.payload(stripe.APIVersion))
	headers := object{
		"Accept": "*/*; q=0.5, application/xml", "Cache-Control": "no-cache", "Content-Type": "application/json; charset=utf-8",
		"Stripe-Signature": sign([]string{s.cli.secret}, s.Now(), payload), "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
	}
	if e.thin() {
		return [][]byte{encode(object{"type": "v2_event", "destination_id": s.cli.destination, "payload": string(payload), "http_headers": headers})}
	}
	var messages [][]byte
	// The CLI's flag --latest chooses between messages without a version and messages with one.
	for _, version := range []any{nil, stripe.APIVersion} {
		messages = append(messages, encode(object{
			"type": "webhook_event", "webhook_id": e.id, "webhook_conversation_id": s.readIDs.next("wc_", 26), "endpoint": object{"api_version": version},
			"event_payload": string(payload), "http_headers": headers,
		}))
	}
	return messages
}

// confirmPage pays a session as Checkout's own page does: over /v1/payment_pages, which Stripe does not document.
// `stripe trigger` does the same, and reads nothing of the answer. Here the answer is the session.
func (s *Server) confirmPage(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	expected := c.params.Get("expected_amount")
	if expected != nil && expected.Int() != sess.object["amount_total"] {
		return nil, &apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error", code: "checkout_amount_mismatch", param: expected.Name,
			message: "The expected amount is not the total of the Checkout Session.",
		}
	}
	with, err := s.tenderOf(c, c.params.Get("payment_method").String())
	if err != nil {
		return nil, err
	}
	if with.method == "" {
		return nil, missing("payment_method")
	}
	if _, err := s.pay(sess, with.method, with.buyer); err != nil {
		return nil, s.payError(sess, err)
	}
	s.followUp(sess, with)
	return sess.object, nil
}
