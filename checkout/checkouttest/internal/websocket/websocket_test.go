package websocket

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const subprotocol = "echo"

// serveEcho is a server that sends each message back. It goes away after the message "leave".
func serveEcho(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r, subprotocol)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			message, err := conn.Read()
			if err != nil {
				return
			}
			if string(message) == "leave" {
				conn.GoAway()
				return
			}
			_ = conn.WriteText(message)
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

// client is a hand-written WebSocket client.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func handshake() http.Header {
	return http.Header{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"other, " + subprotocol},
	}
}

func dial(t *testing.T, srv *httptest.Server, header http.Header) (*client, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	r, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	r.Header = header
	require.NoError(t, r.Write(conn))
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, r)
	require.NoError(t, err)
	return &client{t, conn, br}, resp
}

func connect(t *testing.T) *client {
	t.Helper()
	c, resp := dial(t, serveEcho(t), handshake())
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", resp.Header.Get("Sec-WebSocket-Accept"), "the example of RFC 6455, section 1.3")
	require.Equal(t, subprotocol, resp.Header.Get("Sec-WebSocket-Protocol"))
	return c
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	for _, f := range frames {
		_, err := c.conn.Write(f)
		require.NoError(c.t, err)
	}
}

func (c *client) receive() (op byte, payload string) {
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
	text := make([]byte, size)
	_, err = io.ReadFull(c.r, text)
	require.NoError(c.t, err)
	return head[0] & 0x0F, string(text)
}

func (c *client) receiveClose(code uint16) {
	c.t.Helper()
	op, payload := c.receive()
	require.Equal(c.t, byte(opClose), op)
	require.Equal(c.t, code, binary.BigEndian.Uint16([]byte(payload)))
	_, err := c.r.ReadByte()
	require.ErrorIs(c.t, err, io.EOF, "the server hangs up")
}

func TestMessages(t *testing.T) {
	t.Parallel()
	c := connect(t)
	for _, text := range []string{"", "hi", strings.Repeat("x", 300), strings.Repeat("y", 70_000)} {
		c.send(masked(0x80|opText, []byte(text)))
		op, echo := c.receive()
		require.Equal(t, byte(opText), op)
		require.Equal(t, text, echo)
	}

	c.send(masked(opText, []byte("in ")), masked(0x80|opPing, []byte("there?")), masked(opContinue, []byte("three ")))
	op, payload := c.receive()
	require.Equal(t, byte(opPong), op)
	require.Equal(t, "there?", payload)
	c.send(masked(0x80|opPong, nil), masked(0x80|opContinue, []byte("parts")))
	_, payload = c.receive()
	require.Equal(t, "in three parts", payload)

	c.send(masked(0x80|opClose, []byte{0x03, 0xE8, 'b', 'y', 'e'}))
	c.receiveClose(1000)
}

func TestGoAway(t *testing.T) {
	t.Parallel()
	c := connect(t)
	c.send(masked(0x80|opText, []byte("leave")))
	c.receiveClose(closeGoingAway)
}

func TestClientsThatBreakTheProtocol(t *testing.T) {
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
			client := connect(t)
			client.send(c.send)
			client.receiveClose(c.code)
		})
	}
}

func TestRefusedHandshakes(t *testing.T) {
	t.Parallel()
	srv := serveEcho(t)
	for name, c := range map[string]struct {
		header string
		value  string
		want   int
	}{
		"no upgrade":    {"Upgrade", "h2c", http.StatusBadRequest},
		"no connection": {"Connection", "close", http.StatusBadRequest},
		"short key":     {"Sec-Websocket-Key", "AAAA", http.StatusBadRequest},
		"no base64":     {"Sec-Websocket-Key", "?", http.StatusBadRequest},
		"old version":   {"Sec-Websocket-Version", "8", http.StatusUpgradeRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := handshake()
			h.Set(c.header, c.value)
			_, resp := dial(t, srv, h)
			require.Equal(t, c.want, resp.StatusCode)
		})
	}

	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = handshake()
	_, err := Accept(w, r, subprotocol)
	require.Error(t, err)
	require.Equal(t, http.StatusNotImplemented, w.Code, "without a listener there is no connection")
}
