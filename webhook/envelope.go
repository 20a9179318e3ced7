package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// envelope holds the fields of an event that are read without decoding its object. Its slices point into the payload, or to
// copies, and are valid as long as the payload is.
type envelope struct {
	id, object, typ, apiVersion, account []byte

	livemode   bool
	created    []byte // JSON: a number of seconds in full events, a string in thin events
	data       []byte // data.object; nil if there is none
	previous   []byte // data.previous_attributes; nil if there are none
	objectName []byte // data.object.object

	scanned            bool // data and previous point into the payload, at these offsets
	dataAt, previousAt int
}

// thinObject is the "object" of thin events: https://docs.stripe.com/api/v2/core/events.
const thinObject = "v2.core.event"

// readEnvelope reads payload's envelope and checks that it is an event.
func readEnvelope(payload []byte) (envelope, error) {
	e, ok := scanEnvelope(payload)
	if !ok {
		var err error
		e, err = decodeEnvelope(payload)
		if err != nil {
			return e, err
		}
	}
	return e, e.check()
}

func (e *envelope) thin() bool { return string(e.object) == thinObject }

// check returns an error if e lacks a field that every event has, or if its object is not one of its type. The name of the
// object is compared, because encoding/json decodes any object into any struct without an error.
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

// createdTime returns created as a time; the zero time if there is none.
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

// in returns e with data and previous pointing into clone, a copy of the payload.
func (e envelope) in(clone []byte) envelope {
	if e.scanned {
		e.data = clone[e.dataAt:][:len(e.data):len(e.data)]
		if e.previous != nil {
			e.previous = clone[e.previousAt:][:len(e.previous):len(e.previous)]
		}
	}
	return e
}

// decodeEnvelope reads a payload that scanEnvelope could not read. It is slower, because it uses encoding/json.
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

// scanEnvelope reads the same as decodeEnvelope, in one pass and without allocating. ok is false for payloads that are not
// JSON, and for unusual ones that it leaves to encoding/json: those with keys that encoding/json might match because it
// ignores case, and those with escapes in the strings that are read. The last one of repeated keys counts, as in
// encoding/json.
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

// objectName skips an object and reads its "object" field.
func (s *scanner) objectName(name *[]byte) bool {
	return s.object(func(key []byte) bool {
		if string(key) == "object" {
			return s.text(name)
		}
		return s.value(3)
	})
}
