package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Encode returns the order as JSON, the form in which a backend keeps all of it. A backend also keeps columns for its queries,
// such as the status, the e-mail address and DueAt. Encode writes the members, too, that [DecodeOrder] found and this version
// of the library does not know.
func (o *Order) Encode() ([]byte, error) {
	data, err := encode(o)
	if err == nil && o.stored != nil {
		data, err = addUnknown(data, o.stored, reflect.TypeFor[Order]())
	}
	if err != nil {
		return nil, fmt.Errorf("store: encode order %s: %w", o.ID, err)
	}
	return data, nil
}

// encode returns v as JSON without escaping HTML: Session stays as Stripe sent it, except for white space.
func encode(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// DecodeOrder returns the order that [Order.Encode] encoded, with every time in UTC and cut to the microsecond. The order
// shares no memory with data.
func DecodeOrder(data []byte) (*Order, error) {
	o := new(Order)
	complete, err := unmarshalKnown(data, o)
	if err != nil {
		return nil, fmt.Errorf("store: decode order: %w", err)
	}
	if !complete {
		o.stored = bytes.Clone(data)
	}
	normalize(reflect.ValueOf(o).Elem())
	return o, nil
}

// Time returns t as backends keep times: in UTC, cut to the microsecond.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

var timeType = reflect.TypeFor[time.Time]()

// normalize applies Time to every time in v.
func normalize(v reflect.Value) {
	switch {
	case v.Type() == timeType:
		t := v.Addr().Interface().(*time.Time) // in place, as a boxed time.Time is an allocation
		*t = Time(*t)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			normalize(v.Field(i))
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			normalize(v.Index(i))
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		normalize(v.Elem())
	}
}
