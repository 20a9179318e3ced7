package webhook

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// unmarshal decodes raw, which is known to be valid JSON, as [json.Unmarshal] does. encoding/json reads its input twice, and slowly
// what it then drops. Stripe's objects have many members, and handlers with a struct of their own want few. So the members that the
// struct has fields for are picked out first.
func unmarshal(raw json.RawMessage, object any) error {
	wanted := wantedMembers(reflect.TypeOf(object).Elem())
	if wanted == nil {
		return json.Unmarshal(raw, object)
	}
	buf := memberBuffers.Get().(*[]byte)
	defer memberBuffers.Put(buf)
	picked, ok := pickMembers((*buf)[:0], raw, wanted)
	*buf = picked
	if !ok {
		return json.Unmarshal(raw, object)
	}
	return json.Unmarshal(picked, object)
}

var memberBuffers = sync.Pool{New: func() any { return new([]byte) }} // of *[]byte

// pickMembers appends to dst the object raw with the wanted members alone, as they are and in their order. ok is false if raw is no
// object, or has keys that encoding/json might match with others because it ignores case.
func pickMembers(dst, raw []byte, wanted map[string]bool) (picked []byte, ok bool) {
	s := scanner{b: raw}
	dst = append(dst, '{')
	ok = s.object(func(key []byte) bool {
		var value []byte
		if !s.raw(&value, 1) {
			return false
		}
		if wanted[string(key)] {
			if len(dst) > 1 {
				dst = append(dst, ',')
			}
			dst = append(dst, '"')
			dst = append(dst, key...)
			dst = append(dst, '"', ':')
			dst = append(dst, value...)
		}
		return true
	})
	return append(dst, '}'), ok && s.peek() == 0 && s.i == len(raw)
}

var knownMembers sync.Map // of map[string]bool by reflect.Type

// wantedMembers returns the lower-case keys of all members that encoding/json may put into a t; nil: it may use any member.
func wantedMembers(t reflect.Type) map[string]bool {
	if known, ok := knownMembers.Load(t); ok {
		return known.(map[string]bool)
	}
	wanted := map[string]bool{}
	if !addMembers(wanted, t, map[reflect.Type]bool{}) {
		wanted = nil
	}
	knownMembers.Store(t, wanted)
	return wanted
}

// addMembers adds the keys of the fields of t, and of the structs that t embeds. It adds too many keys rather than too few. It
// returns false if t is no struct that encoding/json decodes by its fields.
func addMembers(wanted map[string]bool, t reflect.Type, seen map[reflect.Type]bool) bool {
	if t.Kind() != reflect.Struct || decodesItself(t) {
		return false
	}
	if seen[t] {
		return true
	}
	seen[t] = true
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if strings.Contains(options, "inline") || strings.Contains(options, "unknown") {
			return false // options of encoding/json/v2 for members without a field
		}
		for _, key := range [...]string{name, field.Name} {
			if strings.ContainsFunc(key, func(r rune) bool { return r >= 0x80 }) {
				return false // encoding/json also matches letters such as "ſ" with "s"
			}
			wanted[strings.ToLower(key)] = true
		}
		if !field.Anonymous {
			continue
		}
		embedded := field.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		if embedded.Kind() == reflect.Struct && !addMembers(wanted, embedded, seen) {
			return false
		}
	}
	return true
}

// decodesItself reports whether encoding/json leaves the decoding of a t to a method of t.
func decodesItself(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	if pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	_, v2 := pointer.MethodByName("UnmarshalJSONFrom") // of encoding/json/v2
	return v2
}
