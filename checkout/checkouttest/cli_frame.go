package checkouttest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

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
