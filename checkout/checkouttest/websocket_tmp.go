package checkouttest

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

// Opcodes and close codes of RFC 6455, sections 5.2 and 7.4.1.
const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xA

	closeGoingAway     = 1001
	closeProtocolError = 1002
	closeTooBig        = 1009
)

const (
	maxMessage   = 1 << 20          // bytes
	writeTimeout = 10 * time.Second // of a client that reads no more
)

// errTooBig is a message that is longer than maxMessage.
var errTooBig = errors.New("websocket: message too big")

// webSocket is the server's end of one WebSocket connection: RFC 6455 without extensions. One goroutine may read while
// any number write.
type webSocket struct {
	conn    io.ReadWriteCloser
	r       *bufio.Reader
	writing sync.Mutex
}

// upgrade turns a request into a WebSocket connection, with the subprotocol if the client offers it. If it can't, it
// has answered the request.
func upgrade(w http.ResponseWriter, r *http.Request, protocol string) (*webSocket, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 16 || !lists(r.Header, "Connection", "upgrade") || !lists(r.Header, "Upgrade", "websocket") {
		http.Error(w, "this is a WebSocket endpoint", http.StatusBadRequest)
		return nil, errors.New("websocket: not a handshake")
	}
	if r.Header.Get("Sec-WebSocket-Version") != "13" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "only WebSocket version 13 is spoken here", http.StatusUpgradeRequired)
		return nil, errors.New("websocket: another version")
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "a WebSocket needs a listener: Config.Addr", http.StatusNotImplemented)
		return nil, fmt.Errorf("websocket: %w", err)
	}
	hash := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 1.3
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(hash[:]) + "\r\n"
	if lists(r.Header, "Sec-WebSocket-Protocol", protocol) {
		answer += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	_ = conn.SetDeadline(time.Time{}) // the HTTP server's deadlines end here
	if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("websocket: %w", err)
	}
	return &webSocket{conn: conn, r: rw.Reader}, nil
}

// lists says whether a header, as a comma-separated list, holds a value.
func lists(h http.Header, name, value string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(h.Values(name), ","), ","), func(item string) bool {
		return strings.EqualFold(strings.TrimSpace(item), value)
	})
}

// read returns the next message, and answers pings on the way. io.EOF is a proper close.
func (ws *webSocket) read() ([]byte, error) {
	message, err := ws.message()
	switch {
	case errors.Is(err, errTooBig):
		ws.sayClose(closeTooBig)
	case errors.Is(err, errProtocol):
		ws.sayClose(closeProtocolError)
	}
	return message, err
}

func (ws *webSocket) message() ([]byte, error) {
	var message []byte
	for started := false; ; {
		f, err := readFrame(ws.r, maxMessage-len(message))
		if err != nil {
			return nil, err
		}
		switch f.op {
		case opPing:
			if err := ws.write(opPong, f.payload); err != nil {
				return nil, err
			}
			continue
		case opPong:
			continue
		case opClose:
			_ = ws.write(opClose, f.payload[:min(2, len(f.payload))]) // the code goes back; the client may be gone
			return nil, io.EOF
		case opText, opBinary:
			if started {
				return nil, fmt.Errorf("%w: a message within a message", errProtocol)
			}
		case opContinue:
			if !started {
				return nil, fmt.Errorf("%w: a continuation of nothing", errProtocol)
			}
		}
		started = true
		message = append(message, f.payload...)
		if f.final {
			return message, nil
		}
	}
}

// write sends one frame, whole and unmasked, as a server does.
func (ws *webSocket) write(op byte, payload []byte) error {
	frame := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n <= 0xFFFF:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	ws.writing.Lock()
	defer ws.writing.Unlock()
	if conn, ok := ws.conn.(net.Conn); ok {
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	_, err := ws.conn.Write(append(frame, payload...))
	return err
}

// sayClose tells the client why the connection is about to end. It may not hear it.
func (ws *webSocket) sayClose(code uint16) {
	_ = ws.write(opClose, binary.BigEndian.AppendUint16(nil, code))
}

// errProtocol is a frame that RFC 6455 does not allow.
var errProtocol = errors.New("websocket: protocol error")

// frame is one frame of a client, unmasked.
type frame struct {
	final   bool
	op      byte
	payload []byte
}

// readFrame reads one frame of a client: RFC 6455, section 5.2. Its payload may have up to limit bytes.
func readFrame(r io.Reader, limit int) (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{final: head[0]&0x80 != 0, op: head[0] & 0x0F}
	size := uint64(head[1] & 0x7F)
	control := f.op&0x8 != 0
	switch {
	case head[0]&0x70 != 0:
		return frame{}, fmt.Errorf("%w: reserved bits", errProtocol)
	case f.op > opBinary && f.op < opClose || f.op > opPong:
		return frame{}, fmt.Errorf("%w: opcode %d", errProtocol, f.op)
	case head[1]&0x80 == 0:
		return frame{}, fmt.Errorf("%w: a client's frame is masked", errProtocol)
	case control && (!f.final || size > 125):
		return frame{}, fmt.Errorf("%w: a control frame is short and whole", errProtocol)
	}
	switch size {
	case 126:
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return frame{}, cut(err)
		}
		size = uint64(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return frame{}, cut(err)
		}
		size = binary.BigEndian.Uint64(long[:])
	}
	if !control && size > uint64(limit) {
		return frame{}, errTooBig
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return frame{}, cut(err)
	}
	f.payload = make([]byte, size)
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return frame{}, cut(err)
	}
	for i := range f.payload {
		f.payload[i] ^= mask[i%4]
	}
	return f, nil
}

// cut is the error of a connection that ended within a frame.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
