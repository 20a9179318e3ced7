package checkouttest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testKey = "sk_test_0123456789"

// post sends a form to a server over HTTP and returns the answer as it came.
func post(t *testing.T, s *Server, path string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.URL()+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

// client is a hand-written WebSocket client.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, s *Server, header http.Header) (*client, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	r, err := http.NewRequest(http.MethodGet, s.URL()+cliSubscribe+"?websocket_feature=webhooks", nil)
	require.NoError(t, err)
	r.Header = header
	require.NoError(t, r.Write(conn))
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, r)
	require.NoError(t, err)
	return &client{t, conn, br}, resp
}

func handshake(id string) http.Header {
	return http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Websocket-Id": {id}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {cliProtocol},
	}
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	for _, f := range frames {
		_, err := c.conn.Write(f)
		require.NoError(c.t, err)
	}
}

func (c *client) receive() (op byte, payload []byte) {
	c.t.Helper()
	var head [2]byte
	_, err := io.ReadFull(c.r, head[:])
	require.NoError(c.t, err)
	require.NotZero(c.t, head[0]&0x80, "the server does not fragment")
	require.Zero(c.t, head[1]&0x80, "a server does not mask")
	size := uint64(head[1])
	switch size {
	case 126:
		var long [2]byte
		_, err = io.ReadFull(c.r, long[:])
		size = uint64(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		_, err = io.ReadFull(c.r, long[:])
		size = binary.BigEndian.Uint64(long[:])
	}
	require.NoError(c.t, err)
	payload = make([]byte, size)
	_, err = io.ReadFull(c.r, payload)
	require.NoError(c.t, err)
	return head[0] & 0x0F, payload
}

func (c *client) receiveClose(code uint16) {
	c.t.Helper()
	op, payload := c.receive()
	require.Equal(c.t, byte(opClose), op)
	require.Equal(c.t, code, binary.BigEndian.Uint16(payload))
	_, err := c.r.ReadByte()
	require.ErrorIs(c.t, err, io.EOF, "the server hangs up")
}

// listen opens a session and connects to it, as `stripe listen` does.
func listen(t *testing.T) (*Server, *client) {
	t.Helper()
	s := NewServer(Config{Key: testKey, Addr: "127.0.0.1:0"})
	t.Cleanup(s.Close)
	status, session := post(t, s, "/v1/stripecli/sessions", url.Values{"device_name": {"test"}, "websocket_features[]": {"webhooks"}})
	require.Equal(t, http.StatusOK, status)
	require.Regexp(t, `^whsec_\w{26}$`, session["secret"])
	require.NotEqual(t, s.WebhookSecret(), session["secret"])
	require.EqualValues(t, reconnectEvery, session["reconnect_delay"])
	require.Equal(t, "ws"+strings.TrimPrefix(s.URL(), "http")+cliSubscribe, session["websocket_url"])
	c, resp := dial(t, s, handshake(session["websocket_id"].(string)))
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", resp.Header.Get("Sec-WebSocket-Accept"), "the example of RFC 6455, section 1.3")
	require.Equal(t, cliProtocol, resp.Header.Get("Sec-WebSocket-Protocol"))
	return s, c
}

// heardOf waits until the server has read what the client sent before.
func (c *client) heardOf() {
	c.t.Helper()
	c.send(masked(0x80|opPing, []byte("there?")))
	op, payload := c.receive()
	require.Equal(c.t, byte(opPong), op)
	require.Equal(c.t, "there?", string(payload))
}

func TestListenGetsEvents(t *testing.T) {
	t.Parallel()
	s, c := listen(t)
	c.heardOf() // it is connected
	_, sess := post(t, s, "/v1/checkout/sessions", url.Values{"mode": {"setup"}, "currency": {"usd"}, "success_url": {"https://shop.example/"}})
	_, _ = post(t, s, "/v1/checkout/sessions/"+sess["id"].(string)+"/expire", nil)
	for _, version := range []any{nil, "2025-08-27.basil"} {
		op, payload := c.receive()
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
		require.Equal(t, sign([]string{s.cli.secret}, s.Now(), []byte(m.Payload)), m.Headers["Stripe-Signature"])
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(m.Payload), &e))
		require.Equal(t, "checkout.session.expired", e["type"])
		require.Equal(t, m.WebhookID, e["id"])
	}
	answer := `{"type":"webhook_response","webhook_id":"evt_1","status":200,"body":"` + strings.Repeat("x", 5000) + `"}`
	c.send(masked(opText, []byte(answer[:100])), masked(0x80|opPing, nil)) // in parts, with a ping between them
	op, _ := c.receive()
	require.Equal(t, byte(opPong), op)
	c.send(masked(opContinue, []byte(answer[100:3000])), masked(0x80|opContinue, []byte(answer[3000:])))
	c.send(masked(0x80|opText, []byte("not JSON")))
	c.heardOf()
	c.send(masked(0x80|opClose, []byte{0x03, 0xE8, 'b', 'y', 'e'}))
	c.receiveClose(1000)
}

func TestListenEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s, c := listen(t)
	c.heardOf()
	s.Close()
	c.receiveClose(closeGoingAway)
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send []byte
		code uint16
	}{
		"unmasked":                   {[]byte{0x81, 0x00}, closeProtocolError},
		"a continuation of nothing":  {masked(0x80|opContinue, nil), closeProtocolError},
		"a message within a message": {append(masked(opText, []byte("{")), masked(opText, nil)...), closeProtocolError},
		"too big":                    {[]byte{0x81, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 1}, closeTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, client := listen(t)
			client.send(c.send)
			client.receiveClose(c.code)
		})
	}
}

func TestListenHandshake(t *testing.T) {
	t.Parallel()
	s, _ := listen(t)
	_, session := post(t, s, "/v1/stripecli/sessions", url.Values{"device_name": {"test"}})
	id := session["websocket_id"].(string)
	for name, c := range map[string]struct {
		header string
		value  string
		want   int
	}{
		"another session": {"Websocket-Id", "cliws_other", http.StatusNotFound},
		"no upgrade":      {"Upgrade", "h2c", http.StatusBadRequest},
		"no connection":   {"Connection", "close", http.StatusBadRequest},
		"short key":       {"Sec-Websocket-Key", "AAAA", http.StatusBadRequest},
		"no base64":       {"Sec-Websocket-Key", "?", http.StatusBadRequest},
		"old version":     {"Sec-Websocket-Version", "8", http.StatusUpgradeRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := handshake(id)
			h.Set(c.header, c.value)
			_, resp := dial(t, s, h)
			require.Equal(t, c.want, resp.StatusCode)
		})
	}
	status, _ := post(t, s, "/v1/stripecli/sessions", url.Values{"colour": {"red"}})
	require.Equal(t, http.StatusBadRequest, status)

	memory := NewServer(Config{Key: testKey})
	t.Cleanup(memory.Close)
	memory.mu.Lock()
	memory.cli.sessions["cliws_memory"] = true
	memory.mu.Unlock()
	w := newRecorder()
	r, err := http.NewRequest(http.MethodGet, memory.URL()+cliSubscribe, nil)
	require.NoError(t, err)
	r.Header = handshake("cliws_memory")
	memory.ServeHTTP(w, r)
	require.Equal(t, http.StatusNotImplemented, w.status, "without a listener there is nothing to connect to")
}
