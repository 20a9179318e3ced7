package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// envelope is what of an event is read without decoding its object. Its slices are parts of the payload, or copies of
// parts, and are valid as long as that is.
type envelope struct {
	id, object, typ, apiVersion, account []byte

	livemode   bool
	created    []byte // JSON; snapshot events have a number of seconds, thin events a string
	data       []byte // data.object; nil if there is none
	previous   []byte // data.previous_attributes; nil if there are none
	objectName []byte // data.object.object

	scanned            bool // data and previous are parts of the payload, at these offsets
	dataAt, previousAt int
}

// thinObject is the "object" of thin events (https://docs.stripe.com/api/v2/core/events).
const thinObject = "v2.core.event"

// readEnvelope reads payload's envelope and checks that it is an event.
func readEnvelope(payload []byte) (envelope, error) {
	e, ok := scanEnvelope(payload)
	if !ok {
		var err error
		if e, err = decodeEnvelope(payload); err != nil {
			return e, err
		}
	}
	return e, e.check()
}

func (e *envelope) thin() bool { return string(e.object) == thinObject }

// check tells whether e has what every event has. The object's name is compared with those of the event type, as
// encoding/json decodes any object into any struct without an error.
func (e *envelope) check() error {
	switch {
	case len(e.id) == 0:
		return fmt.Errorf("%w: no id", ErrEnvelope)
	case len(e.typ) == 0:
		return fmt.Errorf("%w: no type", ErrEnvelope)
	case e.thin():
		return nil
	case len(e.object) != 0 && string(e.object) != "event":
		return fmt.Errorf("%w: its object is another one", ErrEnvelope)
	case len(e.data) == 0 || e.data[0] != '{':
		return fmt.Errorf("%w: no data.object", ErrEnvelope)
	}
	if _, err := e.createdTime(); err != nil {
		return err
	}
	names := knownObjects(e.typ)
	if names == "" {
		return nil
	}
	for name := range strings.SplitSeq(names, "|") {
		if string(e.objectName) == name {
			return nil
		}
	}
	return fmt.Errorf("%w: want %s", ErrWrongObject, names)
}

func (e *envelope) createdTime() (time.Time, error) {
	if len(e.created) == 0 || string(e.created) == "null" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(string(e.created), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: created is not a number of seconds", ErrEnvelope)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// in returns e as it is of a copy of the payload it was read from, as far as data and previous go.
func (e envelope) in(clone []byte) envelope {
	if e.scanned {
		e.data = clone[e.dataAt:][:len(e.data):len(e.data)]
		if e.previous != nil {
			e.previous = clone[e.previousAt:][:len(e.previous):len(e.previous)]
		}
	}
	return e
}

// decodeEnvelope is scanEnvelope for what that does not understand: slower, and the last word on what is JSON and
// which of several equal keys counts.
func decodeEnvelope(payload []byte) (envelope, error) {
	var wire struct {
		ID         string          `json:"id"`
		Object     string          `json:"object"`
		Type       string          `json:"type"`
		APIVersion string          `json:"api_version"`
		Account    string          `json:"account"`
		Livemode   bool            `json:"livemode"`
		Created    json.RawMessage `json:"created"`
		Data       struct {
			Object   json.RawMessage `json:"object"`
			Previous json.RawMessage `json:"previous_attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(payload, &wire); err != nil {
		return envelope{}, fmt.Errorf("%w: %w", ErrEnvelope, withoutValues(err))
	}
	e := envelope{
		id: []byte(wire.ID), object: []byte(wire.Object), typ: []byte(wire.Type),
		apiVersion: []byte(wire.APIVersion), account: []byte(wire.Account),
		livemode: wire.Livemode, created: wire.Created, data: wire.Data.Object,
	}
	if !bytes.Equal(wire.Data.Previous, []byte("null")) {
		e.previous = wire.Data.Previous
	}
	if len(e.data) != 0 && e.data[0] == '{' {
		var object struct {
			Object string `json:"object"`
		}
		if err := json.Unmarshal(e.data, &object); err != nil {
			return e, fmt.Errorf("%w: data.object: %w", ErrEnvelope, withoutValues(err))
		}
		e.objectName = []byte(object.Object)
	}
	return e, nil
}

// scanEnvelope reads what decodeEnvelope does, in one pass and without allocating. It is not ok on whatever is not JSON
// and on what is unusual enough for encoding/json to have an opinion of its own: keys that might match when case is
// folded, and escapes in strings that are read. Of repeated keys the last counts, as it does there.
func scanEnvelope(payload []byte) (e envelope, ok bool) {
	s := scanner{b: payload}
	ok = s.object(func(key []byte) bool {
		switch string(key) {
		case "id":
			return s.text(&e.id)
		case "object":
			return s.text(&e.object)
		case "type":
			return s.text(&e.typ)
		case "api_version":
			return s.text(&e.apiVersion)
		case "account":
			return s.text(&e.account)
		case "livemode":
			return s.flag(&e.livemode)
		case "created":
			return s.raw(&e.created, 1)
		case "data":
			return s.data(&e)
		default:
			return s.value(1)
		}
	})
	e.scanned = true
	return e, ok && s.peek() == 0 && s.i == len(payload)
}

// data reads the envelope's data.
func (s *scanner) data(e *envelope) bool {
	return s.object(func(key []byte) bool {
		switch string(key) {
		case "object":
			if s.peek() != '{' {
				return false
			}
			start := s.i
			e.objectName = nil
			if !s.objectName(&e.objectName) {
				return false
			}
			e.data, e.dataAt = s.b[start:s.i:s.i], start
			return true
		case "previous_attributes":
			if s.peek() == 'n' {
				e.previous = nil
				return s.literal("null")
			}
			e.previousAt = s.i
			return s.raw(&e.previous, 2)
		default:
			return s.value(2)
		}
	})
}

// objectName skips an object and reads its "object".
func (s *scanner) objectName(name *[]byte) bool {
	return s.object(func(key []byte) bool {
		if string(key) == "object" {
			return s.text(name)
		}
		return s.value(3)
	})
}

// object reads an object, calling field after each key to read its value. It gives up on keys that are not plain.
func (s *scanner) object(field func(key []byte) bool) bool {
	if !s.byte('{') {
		return false
	}
	if s.byte('}') {
		return true
	}
	for {
		s.space()
		start := s.i + 1
		if s.peek() != '"' || !s.string() {
			return false
		}
		key := s.b[start : s.i-1]
		for _, c := range key {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
				return false
			}
		}
		if !s.byte(':') || !field(key) {
			return false
		}
		if !s.byte(',') {
			return s.byte('}')
		}
	}
}

// text reads a string without escapes. Null leaves dst as it is.
func (s *scanner) text(dst *[]byte) bool {
	if s.peek() == 'n' {
		return s.literal("null")
	}
	start := s.i + 1
	if s.peek() != '"' || !s.string() {
		return false
	}
	*dst = s.b[start : s.i-1 : s.i-1]
	for _, c := range *dst {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// flag reads a bool. Null leaves dst as it is.
func (s *scanner) flag(dst *bool) bool {
	switch s.peek() {
	case 't':
		*dst = true
		return s.literal("true")
	case 'f':
		*dst = false
		return s.literal("false")
	default:
		return s.literal("null")
	}
}

// raw reads any value as it is.
func (s *scanner) raw(dst *[]byte, depth int) bool {
	s.space()
	start := s.i
	if !s.value(depth) {
		return false
	}
	*dst = s.b[start:s.i:s.i]
	return true
}
