package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// FullOrder returns an order in which each field, however deep, has a value of its own and none is zero. Tests use it so as not
// to miss a field that is added later.
func FullOrder(id string) *store.Order {
	o := new(store.Order)
	f := filler{id: id}
	f.fill(reflect.ValueOf(o).Elem(), "Order")
	o.ID = id
	return o
}

type filler struct {
	id string
	n  int64
}

func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = base.Add(time.Duration(f.n) * time.Minute)
		return
	case *json.RawMessage:
		*x = json.RawMessage(fmt.Sprintf(`{"id":"cs_1","html":"<a&b>","n":%d,"none":null}`, 1<<53+f.n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text(path))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(f.n)
	case reflect.Int64:
		v.SetInt(1<<53 + f.n) // more than a float can hold
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				f.fill(v.Field(i), path+"."+field.Name)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"a", "ключ ✓"} {
			v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(f.text(path+"/"+key)))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), path)
	default:
		panic("storetest: FullOrder can't fill " + path + " of type " + v.Type().String())
	}
}

// text returns a string that no other field has, in a form that Stripe could send.
func (f *filler) text(path string) string {
	name := path[strings.LastIndex(path, ".")+1:]
	switch name {
	case "Currency":
		return "usd"
	case "Country":
		return "BE"
	case "Mode":
		return "payment"
	case "SessionID", "PaymentIntent", "Charge", "Subscription", "ID":
		return fmt.Sprintf("%s_%s_%d", strings.ToLower(name), f.id, f.n)
	}
	return fmt.Sprintf("%s %d, 'Zoë' <✓ 😀> \"\\\n", path, f.n)
}

// difference returns the first difference between two orders, or "".
func difference(got, want *store.Order) string {
	return differ(reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem(), "Order")
}

func differ(got, want reflect.Value, path string) string {
	switch w := want.Interface().(type) {
	case time.Time:
		g := got.Interface().(time.Time)
		if !g.Equal(w) {
			return fmt.Sprintf("%s is %s instead of %s", path, g.Format(time.RFC3339Nano), w.Format(time.RFC3339Nano))
		}
		if g.Location() != time.UTC {
			return fmt.Sprintf("%s is in the zone %s instead of UTC", path, g.Location())
		}
		return ""
	case json.RawMessage:
		var g, v any
		if len(w) == 0 && len(got.Bytes()) == 0 {
			return ""
		}
		if json.Unmarshal(got.Bytes(), &g) != nil || json.Unmarshal(w, &v) != nil || !reflect.DeepEqual(g, v) {
			return fmt.Sprintf("%s is the JSON %s instead of %s", path, got.Bytes(), w)
		}
		return ""
	}
	switch want.Kind() {
	case reflect.Struct:
		for i := range want.NumField() {
			field := want.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			if d := differ(got.Field(i), want.Field(i), path+"."+field.Name); d != "" {
				return d
			}
		}
		return ""
	case reflect.Slice:
		if got.Len() != want.Len() {
			return fmt.Sprintf("%s has %d elements instead of %d", path, got.Len(), want.Len())
		}
		for i := range want.Len() {
			if d := differ(got.Index(i), want.Index(i), fmt.Sprintf("%s[%d]", path, i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Pointer:
		if !got.IsNil() && !want.IsNil() {
			return differ(got.Elem(), want.Elem(), path)
		}
	case reflect.Map:
		if got.Len() == 0 && want.Len() == 0 {
			return ""
		}
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		return fmt.Sprintf("%s is %#v instead of %#v", path, got.Interface(), want.Interface())
	}
	return ""
}
