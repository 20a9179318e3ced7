package websocket

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// masked is a frame as a client sends it.
func masked(head byte, payload []byte) []byte {
	out := []byte{head}
	n := len(payload)
	switch {
	case n < 126:
		out = append(out, 0x80|byte(n))
	case n <= 0xFFFF:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	out = append(out, mask[:]...)
	for i, b := range payload {
		out = append(out, b^mask[i%4])
	}
	return out
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   []byte
		want string // the payload
		err  error
	}{
		"the example of RFC 6455, section 5.7": {in: []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, want: "Hello"},
		"empty":                                {in: masked(0x81, nil)},
		"two bytes of length":                  {in: masked(0x81, bytes.Repeat([]byte("x"), 300)), want: strings.Repeat("x", 300)},
		"eight bytes of length":                {in: masked(0x82, bytes.Repeat([]byte("x"), 70_000)), want: strings.Repeat("x", 70_000)},
		"unmasked":                             {in: []byte{0x81, 0x02, 'h', 'i'}, err: errProtocol},
		"reserved bit":                         {in: masked(0xC1, []byte("hi")), err: errProtocol},
		"unknown opcode":                       {in: masked(0x83, nil), err: errProtocol},
		"unknown control opcode":               {in: masked(0x8B, nil), err: errProtocol},
		"fragmented ping":                      {in: masked(0x09, nil), err: errProtocol},
		"long ping":                            {in: masked(0x89, make([]byte, 126)), err: errProtocol},
		"too big":                              {in: masked(0x81, make([]byte, 100_001)), err: errTooBig},
		"a length that is negative as an int":  {in: []byte{0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, err: errTooBig},
		"nothing":                              {err: io.EOF},
		"cut in the head":                      {in: []byte{0x81}, err: io.ErrUnexpectedEOF},
		"cut in the length":                    {in: []byte{0x81, 0xFE, 0x01}, err: io.ErrUnexpectedEOF},
		"cut before the mask":                  {in: []byte{0x81, 0x82}, err: io.ErrUnexpectedEOF},
		"cut in the payload":                   {in: masked(0x81, []byte("Hello"))[:8], err: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := readFrame(bytes.NewReader(c.in), 100_000)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, string(f.payload))
		})
	}
}

// FuzzFrame: whatever a client sends ends in a frame within the limit or in an error, and what was read is what was sent.
func FuzzFrame(f *testing.F) {
	f.Add(masked(0x81, []byte("Hello")))
	f.Add(masked(0x01, bytes.Repeat([]byte("x"), 300)))
	f.Add([]byte{0x89, 0x80, 1, 2, 3, 4})
	f.Add([]byte{0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		got, err := readFrame(r, 1000)
		if err != nil {
			return
		}
		if len(got.payload) > 1000 {
			t.Fatalf("a payload of %d bytes", len(got.payload))
		}
		head := got.op
		if got.final {
			head |= 0x80
		}
		again, err := readFrame(bytes.NewReader(masked(head, got.payload)), 1000)
		if err != nil || again.final != got.final || again.op != got.op || !bytes.Equal(again.payload, got.payload) {
			t.Fatalf("%+v was read again as %+v, %v", got, again, err)
		}
	})
}
