package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Encode returns the order as JSON, the form in which a backend keeps the whole of it. What it queries, such as the
// status, the e-mail address and DueAt, it keeps in columns beside it.
func (o *Order) Encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // Session stays as Stripe sent it, but for white space.
	if err := enc.Encode(o); err != nil {
		return nil, fmt.Errorf("store: encode order %s: %w", o.ID, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// DecodeOrder returns the order that [Order.Encode] encoded, with every time in UTC and cut to the microsecond. The order
// shares no memory with data.
func DecodeOrder(data []byte) (*Order, error) {
	o := new(Order)
	if err := json.Unmarshal(data, o); err != nil {
		return nil, fmt.Errorf("store: decode order: %w", err)
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
		v.Set(reflect.ValueOf(Time(v.Interface().(time.Time))))
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
