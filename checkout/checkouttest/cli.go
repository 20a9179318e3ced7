package checkouttest

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v82"
)

// What `stripe listen` speaks: it opens a CLI session over the API, connects to the WebSocket that the answer names, and
// is sent every event from then on, signed with the session's secret. It forwards them and reports what was answered.
// Undocumented; this is what https://github.com/stripe/stripe-cli asks for and reads.
const (
	cliProtocol  = "stripecli-devproxy-v1"
	cliSubscribe = "/v1/stripecli/subscribe"
	// reconnectEvery is after how many seconds the CLI makes a new connection. What happens while it does is lost.
	reconnectEvery = 24 * 60 * 60
)

// cli is what the server knows of Stripe CLIs.
type cli struct {
	secret    string          // that listeners' deliveries are signed with
	sessions  map[string]bool // by WebSocket ID
	listeners map[*cliListener]bool
}

// A cliListener is one `stripe listen` that is connected.
type cliListener struct {
	waiting [][]byte      // messages not yet written; guarded by the server's lock
	more    chan struct{} // there are some
}

func (s *Server) cliRoutes(mux *http.ServeMux) {
	s.cli = cli{secret: s.newSecret(), sessions: map[string]bool{}, listeners: map[*cliListener]bool{}}
	session := schemaOf("device_name", "websocket_features[]", "filters", "forward_to_url", "forward_connect_to_url", "forward_thin_to_url", "forward_thin_connect_to_url")
	mux.HandleFunc("POST /v1/stripecli/sessions", func(w http.ResponseWriter, r *http.Request) { s.serveAPI(w, r, session, s.createCLISession) })
	mux.HandleFunc("GET "+cliSubscribe, s.serveListener)
	page := schemaOf("expected_amount", "payment_method", "expand[]")
	page.result = "checkout.session"
	mux.HandleFunc("GET /v1/payment_pages/{id}", func(w http.ResponseWriter, r *http.Request) { s.serveAPI(w, r, page, s.retrieveSession) })
	mux.HandleFunc("POST /v1/payment_pages/{id}/confirm", func(w http.ResponseWriter, r *http.Request) { s.serveAPI(w, r, page, s.confirmPage) })
}

// schemaOf is a schema of strings, for what stripe-go has no parameters of.
func schemaOf(keys ...string) *schema {
	root := &schema{}
	for _, key := range keys {
		path, _ := splitKey(key)
		root.at(path).kind = "string"
	}
	return root
}

// createCLISession lets a CLI listen. The secret is not that of a webhook endpoint, and stays the same from one
// `stripe listen` to the next: https://docs.stripe.com/cli/listen
func (s *Server) createCLISession(*call) (object, *apiError) {
	id := s.newID("cliws_", 26)
	s.cli.sessions[id] = true
	return object{
		"websocket_id": id, "websocket_url": "ws" + strings.TrimPrefix(s.base, "http") + cliSubscribe, "websocket_authorized_feature": "webhooks",
		"secret": s.cli.secret, "reconnect_delay": reconnectEvery, "display_connect_filter_warning": false,
		"default_version": stripe.APIVersion, "latest_version": stripe.APIVersion,
	}, nil
}

// serveListener is the WebSocket of one CLI. The session's ID, which can't be guessed, is its key.
func (s *Server) serveListener(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	known := s.cli.sessions[r.Header.Get("Websocket-Id")]
	s.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(encode(object{"error": object{"message": "Unknown WebSocket ID."}})) // the words that the CLI looks for
		return
	}
	ws, err := upgrade(w, r, cliProtocol)
	if err != nil {
		return
	}
	defer ws.conn.Close()
	l := &cliListener{more: make(chan struct{}, 1)}
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
	go s.tell(l, ws, gone)
	for {
		message, err := ws.read()
		if err != nil {
			break
		}
		s.heard(message)
	}
	close(gone)
	s.mu.Lock()
	delete(s.cli.listeners, l)
	s.mu.Unlock()
}

// tell writes what waits for a listener, until it is gone or the server is closed.
func (s *Server) tell(l *cliListener, ws *webSocket, gone <-chan struct{}) {
	defer s.running.Done()
	defer ws.conn.Close() // ends the reading, too
	for {
		select {
		case <-gone:
			return
		case <-s.ctx.Done():
			ws.sayClose(closeGoingAway)
			return
		case <-l.more:
		}
		s.mu.Lock()
		messages := l.waiting
		l.waiting = nil
		s.mu.Unlock()
		for _, m := range messages {
			if ws.write(opText, m) != nil {
				return
			}
		}
	}
}

// heard takes note of what a CLI says: that it got an event, or what its own receiver answered.
func (s *Server) heard(message []byte) {
	var said struct {
		Type      string `json:"type"`
		WebhookID string `json:"webhook_id"`
		Status    int    `json:"status"`
	}
	if json.Unmarshal(message, &said) == nil && said.Type == "webhook_response" {
		s.log.Debug("delivery through the CLI", "event", said.WebhookID, "status", said.Status)
	}
}

// tellListeners sends an event to every CLI that listens. Nobody waits for it and nothing is tried again, as with Stripe.
// The server is locked.
func (s *Server) tellListeners(e *event) {
	if len(s.cli.listeners) == 0 {
		return
	}
	payload := encode(e.shown())
	// The CLI picks by its --latest flag: those without a version, or those with one.
	for _, version := range []any{nil, stripe.APIVersion} {
		message := encode(object{
			"type": "webhook_event", "webhook_id": e.id, "webhook_conversation_id": s.newID("wc_", 26), "endpoint": object{"api_version": version},
			"event_payload": string(payload),
			"http_headers": object{
				"Accept": "*/*; q=0.5, application/xml", "Cache-Control": "no-cache", "Content-Type": "application/json; charset=utf-8",
				"Stripe-Signature": sign([]string{s.cli.secret}, s.Now(), payload), "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
			},
		})
		for l := range s.cli.listeners {
			l.waiting = append(l.waiting, message)
		}
	}
	for l := range s.cli.listeners {
		select {
		case l.more <- struct{}{}:
		default:
		}
	}
}

// Checkout's own page talks to /v1/payment_pages, which Stripe does not document; so does `stripe trigger`, which reads
// nothing of the answers. They are the session.

func (s *Server) confirmPage(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	if want := c.params.get("expected_amount"); want != nil && want.int() != sess.object["amount_total"] {
		return nil, &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "checkout_amount_mismatch", param: want.name, message: "The expected amount is not the total of the Checkout Session."}
	}
	with, err := s.means(c, c.params.get("payment_method").str())
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, missing("payment_method")
	}
	if _, err := s.pay(sess, with.method, with.buyer); err != nil {
		return nil, s.payError(sess, err)
	}
	s.followUp(sess, with)
	return sess.object, nil
}
