// Package websocket is the server's side of WebSocket connections: RFC 6455 without extensions.
package websocket

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxMessage   = 1 << 20          // bytes
	writeTimeout = 10 * time.Second // after it, a client that does not read loses the connection
)

// A Conn is a WebSocket connection. One goroutine may read while any number write.
type Conn struct {
	conn    net.Conn
	r       *bufio.Reader
	writing sync.Mutex
}

// Accept turns a request into a WebSocket connection. It agrees to the subprotocol if the client offers it. If Accept
// returns an error, it has answered the request.
func Accept(w http.ResponseWriter, r *http.Request, subprotocol string) (*Conn, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 16 || !lists(r.Header, "Connection", "upgrade") || !lists(r.Header, "Upgrade", "websocket") {
		http.Error(w, "this is a WebSocket endpoint: connect with a WebSocket client", http.StatusBadRequest)
		return nil, errors.New("websocket: the request is no handshake")
	}
	if r.Header.Get("Sec-WebSocket-Version") != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "this server speaks WebSocket version 13 only", http.StatusUpgradeRequired)
		return nil, errors.New("websocket: the client speaks another version")
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a WebSocket needs a listener: set Config.Addr", http.StatusNotImplemented)
		return nil, fmt.Errorf("websocket: %w", err)
	}
	hash := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 1.3
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(hash[:]) + "\r\n"
	if lists(r.Header, "Sec-WebSocket-Protocol", subprotocol) {
		answer += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	_ = conn.SetDeadline(time.Time{}) // clears the deadlines of the HTTP server
	if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("websocket: %w", err)
	}
	return &Conn{conn: conn, r: rw.Reader}, nil
}

// lists reports whether a header, read as a comma-separated list, holds a value.
func lists(h http.Header, name, value string) bool {
	items := strings.Split(strings.Join(h.Values(name), ","), ",")
	return slices.ContainsFunc(items, func(item string) bool { return strings.EqualFold(strings.TrimSpace(item), value) })
}

// Read returns the client's next message. It answers pings that come before the message. It returns io.EOF when the client
// closes the connection properly.
func (c *Conn) Read() ([]byte, error) {
	message, err := c.readMessage()
	switch {
	case errors.Is(err, errTooBig):
		c.sendClose(closeTooBig)
	case errors.Is(err, errProtocol):
		c.sendClose(closeProtocolError)
	}
	return message, err
}

func (c *Conn) readMessage() ([]byte, error) {
	var message []byte
	started := false
	for {
		f, err := readFrame(c.r, maxMessage-len(message))
		if err != nil {
			return nil, err
		}
		switch f.op {
		case opPing:
			if err := c.writeFrame(opPong, f.payload); err != nil {
				return nil, err
			}
			continue
		case opPong:
			continue
		case opClose:
			code := f.payload[:min(2, len(f.payload))]
			_ = c.writeFrame(opClose, code) // the client may be gone
			return nil, io.EOF
		case opText, opBinary:
			if started {
				return nil, fmt.Errorf("%w: a message begins within a message", errProtocol)
			}
		case opContinue:
			if !started {
				return nil, fmt.Errorf("%w: a continuation continues no message", errProtocol)
			}
		}
		started = true
		message = append(message, f.payload...)
		if f.final {
			return message, nil
		}
	}
}

// WriteText sends a text message.
func (c *Conn) WriteText(payload []byte) error { return c.writeFrame(opText, payload) }

// writeFrame sends one frame, whole and unmasked, as a server must.
func (c *Conn) writeFrame(op byte, payload []byte) error {
	frame := []byte{0x80 | op}
	n := len(payload)
	switch {
	case n < 126:
		frame = append(frame, byte(n))
	case n <= 0xFFFF:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.conn.Write(append(frame, payload...))
	return err
}

// GoAway tells the client that the server is about to end the connection. Call Close afterwards.
func (c *Conn) GoAway() { c.sendClose(closeGoingAway) }

// sendClose tells the client why the connection is about to end. The client may be gone.
func (c *Conn) sendClose(code uint16) {
	_ = c.writeFrame(opClose, binary.BigEndian.AppendUint16(nil, code))
}

// Close ends the connection, and with it a Read that waits.
func (c *Conn) Close() error { return c.conn.Close() }
