package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
)

// While a new version of the library is rolled out, a process of the old version reads and saves orders that a newer process
// has saved. The old version must not lose members of the JSON that it does not know. So an order with such members remembers
// the JSON that it was decoded from, and Encode adds those members to its result.

// unmarshalKnown decodes data into v and reports whether v has a field for every member of data.
func unmarshalKnown(data []byte, v any) (complete bool, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(v) == nil {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return true, nil
		}
	}
	return false, json.Unmarshal(data, v)
}

// forgetCustomer removes the unknown members of the customer, so that Encode does not add them: they are personal data.
func (o *Order) forgetCustomer() {
	if o.stored == nil {
		return
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(o.stored, &members) == nil { // always: DecodeOrder has decoded it
		delete(members, "customer")
		o.stored, _ = encode(members)
	}
}

// addUnknown returns fresh, the JSON of a value of type t, plus the members of stored for which t has no field.
func addUnknown(fresh, stored json.RawMessage, t reflect.Type) (json.RawMessage, error) {
	switch {
	case t == timeType:
		return fresh, nil
	case t.Kind() == reflect.Pointer:
		return addUnknown(fresh, stored, t.Elem())
	case t.Kind() == reflect.Struct:
		return addToObject(fresh, stored, t)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return addToArray(fresh, stored, t.Elem())
	}
	return fresh, nil
}

func addToObject(fresh, stored json.RawMessage, t reflect.Type) (json.RawMessage, error) {
	var members, old map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(fresh, &members), json.Unmarshal(stored, &old)); err != nil {
		return nil, err
	}
	if members == nil {
		return fresh, nil // null
	}
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = t.Field(i).Type
	}
	for name, value := range old {
		field, isKnown := known[name]
		_, isThere := members[name]
		switch {
		case !isKnown:
			members[name] = value
		case isThere:
			added, err := addUnknown(members[name], value, field)
			if err != nil {
				return nil, err
			}
			members[name] = added
		}
	}
	return encode(members)
}

// addToArray adds to each element the unknown members of the stored element with the same ID or number. An element with
// neither, such as a line, can't be matched and gets none.
func addToArray(fresh, stored json.RawMessage, t reflect.Type) (json.RawMessage, error) {
	var elements, old []json.RawMessage
	if err := errors.Join(json.Unmarshal(fresh, &elements), json.Unmarshal(stored, &old)); err != nil {
		return nil, err
	}
	type key struct {
		ID string `json:"id"`
		N  int    `json:"n"`
	}
	byKey := map[key]json.RawMessage{}
	for _, element := range old {
		var k key
		if err := json.Unmarshal(element, &k); err != nil {
			return nil, err
		}
		byKey[k] = element
	}
	for i, element := range elements {
		var k key
		if err := json.Unmarshal(element, &k); err != nil {
			return nil, err
		}
		if k == (key{}) || byKey[k] == nil {
			continue
		}
		added, err := addUnknown(element, byKey[k], t)
		if err != nil {
			return nil, err
		}
		elements[i] = added
	}
	return encode(elements)
}
