package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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

var (
	// errProtocol says that a client has broken RFC 6455.
	errProtocol = errors.New("websocket: protocol error")
	// errTooBig says that a message has more than maxMessage bytes.
	errTooBig = errors.New("websocket: message too big")
)

// A frame is one frame of a client, unmasked.
type frame struct {
	final   bool
	op      byte
	payload []byte
}

// readFrame reads one frame of a client: RFC 6455, section 5.2. It returns errTooBig for a payload of more than limit bytes.
func readFrame(r io.Reader, limit int) (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{final: head[0]&0x80 != 0, op: head[0] & 0x0F}
	masked := head[1]&0x80 != 0
	size := uint64(head[1] & 0x7F)
	control := f.op&0x8 != 0
	switch {
	case head[0]&0x70 != 0:
		return frame{}, fmt.Errorf("%w: a reserved bit is set", errProtocol)
	case f.op > opBinary && f.op < opClose || f.op > opPong:
		return frame{}, fmt.Errorf("%w: opcode %d is unknown", errProtocol, f.op)
	case !masked:
		return frame{}, fmt.Errorf("%w: a client must mask its frames", errProtocol)
	case control && (!f.final || size > 125):
		return frame{}, fmt.Errorf("%w: a control frame must be short and whole", errProtocol)
	}
	switch size {
	case 126:
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return frame{}, withinFrame(err)
		}
		size = uint64(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			return frame{}, withinFrame(err)
		}
		size = binary.BigEndian.Uint64(long[:])
	}
	if !control && size > uint64(limit) {
		return frame{}, errTooBig
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return frame{}, withinFrame(err)
	}
	f.payload = make([]byte, size)
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return frame{}, withinFrame(err)
	}
	for i := range f.payload {
		f.payload[i] ^= mask[i%4]
	}
	return f, nil
}

// withinFrame returns the error of a connection that ends within a frame.
func withinFrame(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
