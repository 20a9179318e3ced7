package checkouttest_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// A listener is `stripe listen`: a CLI session and its WebSocket.
type listener struct {
	t      *testing.T
	secret string
	conn   net.Conn
	r      *bufio.Reader
}

// openCLISession asks for a CLI session, and returns the answer. Without features it asks for snapshot events.
func openCLISession(t *testing.T, srv *checkouttest.Server, features ...string) (id, socket, secret string) {
	t.Helper()
	if features == nil {
		features = []string{"webhooks"}
	}
	resp, session := request(t, srv, "POST", "/v1/stripecli/sessions", url.Values{"device_name": {"test"}, "websocket_features[]": features})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Regexp(t, `^whsec_\w{26}$`, session["secret"])
	require.NotEqual(t, srv.WebhookSecret(), session["secret"])
	require.EqualValues(t, 24*60*60, session["reconnect_delay"])
	socket, ok := strings.CutPrefix(str(session["websocket_url"]), "ws"+strings.TrimPrefix(srv.URL(), "http"))
	require.True(t, ok, session["websocket_url"])
	return str(session["websocket_id"]), socket, str(session["secret"])
}

// connect sends a WebSocket handshake.
func connect(t *testing.T, srv *checkouttest.Server, socket, id string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL(), "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	r, err := http.NewRequest(http.MethodGet, srv.URL()+socket+"?websocket_feature=webhooks", nil)
	require.NoError(t, err)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Websocket-Id": {id}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"stripecli-devproxy-v1"},
	}
	require.NoError(t, r.Write(conn))
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, r)
	require.NoError(t, err)
	return conn, br, resp
}

// listen opens a session and connects to it.
func listen(t *testing.T, features ...string) (*checkouttest.Server, *listener) {
	t.Helper()
	srv := newServer(t, checkouttest.Config{Addr: "127.0.0.1:0"})
	id, socket, secret := openCLISession(t, srv, features...)
	conn, r, resp := connect(t, srv, socket, id)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, "stripecli-devproxy-v1", resp.Header.Get("Sec-WebSocket-Protocol"))
	return srv, &listener{t, secret, conn, r}
}

// send sends a short frame, with a mask of zeros.
func (l *listener) send(op byte, payload string) {
	l.t.Helper()
	require.Less(l.t, len(payload), 126)
	frame := append([]byte{0x80 | op, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	_, err := l.conn.Write(frame)
	require.NoError(l.t, err)
}

// receive reads a frame of fewer than 64 KiB.
func (l *listener) receive() (op byte, payload []byte) {
	l.t.Helper()
	var head [2]byte
	_, err := io.ReadFull(l.r, head[:])
	require.NoError(l.t, err)
	size := uint16(head[1])
	if size == 126 {
		var long [2]byte
		_, err = io.ReadFull(l.r, long[:])
		require.NoError(l.t, err)
		size = binary.BigEndian.Uint16(long[:])
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(l.r, payload)
	require.NoError(l.t, err)
	return head[0] & 0x0F, payload
}

func (l *listener) receiveClose(code uint16) {
	l.t.Helper()
	op, payload := l.receive()
	require.Equal(l.t, byte(opClose), op)
	require.Equal(l.t, code, binary.BigEndian.Uint16(payload))
	_, err := l.r.ReadByte()
	require.ErrorIs(l.t, err, io.EOF, "the server hangs up")
}

// sync waits until the server has read the frames that the listener sent before.
func (l *listener) sync() {
	l.t.Helper()
	l.send(opPing, "there?")
	op, payload := l.receive()
	require.Equal(l.t, byte(opPong), op)
	require.Equal(l.t, "there?", string(payload))
}

func TestListenGetsEvents(t *testing.T) {
	t.Parallel()
	srv, l := listen(t)
	l.sync() // it is connected
	sess := create(t, srv, &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/")})
	_, err := srv.Client().V1CheckoutSessions.Expire(t.Context(), sess.ID, nil)
	require.NoError(t, err)
	for _, version := range []any{nil, stripe.APIVersion} {
		op, payload := l.receive()
		require.Equal(t, byte(opText), op)
		var m struct {
			Type      string            `json:"type"`
			WebhookID string            `json:"webhook_id"`
			Payload   string            `json:"event_payload"`
			Headers   map[string]string `json:"http_headers"`
			Endpoint  map[string]any    `json:"endpoint"`
		}
		require.NoError(t, json.Unmarshal(payload, &m))
		require.Equal(t, "webhook_event", m.Type)
		require.Equal(t, map[string]any{"api_version": version}, m.Endpoint)
		require.NoError(t, stripewebhook.ValidatePayload([]byte(m.Payload), m.Headers["Stripe-Signature"], l.secret))
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(m.Payload), &e))
		require.Equal(t, "checkout.session.expired", e["type"])
		require.Equal(t, m.WebhookID, e["id"])
	}
	l.send(opText, `{"type":"webhook_response","webhook_id":"evt_1","status":200,"body":"ok"}`)
	l.send(opText, "not JSON")
	l.sync()
	l.send(opClose, "\x03\xE8bye")
	l.receiveClose(1000)
}

func TestListenGetsThinEvents(t *testing.T) {
	t.Parallel()
	srv, l := listen(t, "v2_events")
	l.sync()
	sess := create(t, srv, tee())
	_, err := srv.Client().V1CheckoutSessions.Expire(t.Context(), sess.ID, nil)
	require.NoError(t, err)
	op, payload := l.receive()
	require.Equal(t, byte(opText), op)
	var m struct {
		Type          string            `json:"type"`
		DestinationID string            `json:"destination_id"`
		Payload       string            `json:"payload"`
		Headers       map[string]string `json:"http_headers"`
	}
	require.NoError(t, json.Unmarshal(payload, &m))
	require.Equal(t, "v2_event", m.Type)
	require.Regexp(t, `^ed_test_\w+$`, m.DestinationID)
	e, err := srv.Client().ParseThinEvent([]byte(m.Payload), m.Headers["Stripe-Signature"], l.secret)
	require.NoError(t, err)
	require.Equal(t, "v1.checkout.session.expired", e.Type)
	require.Equal(t, sess.ID, e.RelatedObject.ID)
	l.send(opText, `{"type":"event_ack","event_id":"evt_1","webhook_id":"ed_1"}`)
	l.send(opText, `{"type":"webhook_response","webhook_id":"ed_1","notification_id":"evt_1","status":200}`)
	l.sync() // no snapshot event came
}

func TestListenEndsWithTheServer(t *testing.T) {
	t.Parallel()
	srv, l := listen(t)
	l.sync()
	srv.Close()
	l.receiveClose(1001)
}

func TestListenIsRefused(t *testing.T) {
	t.Parallel()
	srv, _ := listen(t)
	_, socket, _ := openCLISession(t, srv)
	_, _, resp := connect(t, srv, socket, "cliws_other")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)

	resp, _ = request(t, srv, "POST", "/v1/stripecli/sessions", url.Values{"colour": {"red"}})
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)

	// A server without a listener refuses the WebSocket.
	memory := newServer(t, checkouttest.Config{})
	id, socket, _ := openCLISession(t, memory)
	r := httptest.NewRequest(http.MethodGet, memory.URL()+socket, nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Websocket-Id": {id}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	w := httptest.NewRecorder()
	memory.ServeHTTP(w, r)
	require.Equal(t, http.StatusNotImplemented, w.Code)
}

func TestPaymentPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method        url.Values
		wait          time.Duration
		paymentStatus stripe.CheckoutSessionPaymentStatus
		last          string
	}{
		"card":               {method: url.Values{"type": {"card"}, "card[token]": {"tok_visa"}, "billing_details[email]": {"a@shop.example"}}, paymentStatus: "paid", last: "checkout.session.completed"},
		"debit":              {method: debit("AT611904300234573201"), paymentStatus: "paid", last: "checkout.session.async_payment_succeeded"},
		"debit, later":       {method: debit("AT321904300235473204"), wait: 3 * time.Minute, paymentStatus: "paid", last: "checkout.session.async_payment_succeeded"},
		"debit, not yet":     {method: debit("AT321904300235473204"), wait: 179 * time.Second, paymentStatus: "unpaid", last: "checkout.session.completed"},
		"debit that fails":   {method: debit("IT60X0542811101000000123456"), paymentStatus: "unpaid", last: "checkout.session.async_payment_failed"},
		"debit of no ending": {method: debit("DE89370400440532013000"), wait: time.Hour, paymentStatus: "unpaid", last: "checkout.session.completed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			params := tee()
			params.LineItems[0].PriceData.Currency = stripe.String("eur")
			sess := create(t, srv, params)
			status, _ := call(t, srv, http.MethodGet, "/v1/payment_pages/"+sess.ID, nil)
			require.Equal(t, http.StatusOK, status)
			status, pm := call(t, srv, http.MethodPost, "/v1/payment_methods", c.method)
			require.Equal(t, http.StatusOK, status, pm)
			confirm := url.Values{"payment_method": {pm["id"].(string)}, "expected_amount": {"1998"}}
			status, _ = call(t, srv, http.MethodPost, "/v1/payment_pages/"+sess.ID+"/confirm", confirm)
			require.Equal(t, http.StatusBadRequest, status, "another amount")
			confirm.Set("expected_amount", "1999")
			status, body := call(t, srv, http.MethodPost, "/v1/payment_pages/"+sess.ID+"/confirm", confirm)
			require.Equal(t, http.StatusOK, status, body)
			srv.Advance(c.wait)
			types := eventTypes(srv)
			require.Equal(t, c.last, types[len(types)-1])
			got := retrieve(t, srv, sess.ID)
			require.Equal(t, c.paymentStatus, got.PaymentStatus)
			require.Equal(t, "a@shop.example", got.CustomerDetails.Email)
			status, body = call(t, srv, http.MethodPost, "/v1/payment_pages/"+sess.ID+"/confirm", confirm)
			require.Equal(t, http.StatusBadRequest, status, body)
		})
	}
}
