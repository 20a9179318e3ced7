package checkouttest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// object is an API object. Its keys are written as Stripe writes them: id and object first, the others sorted.
// A nested value is replaced, never changed in place, so that a shallow copy is a snapshot.
type object map[string]any

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	keys := slices.SortedFunc(maps.Keys(o), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o[k])
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func rank(key string) int {
	switch key {
	case "id":
		return 0
	case "object":
		return 1
	default:
		return 2
	}
}

func (o object) str(key string) string {
	s, _ := o[key].(string)
	return s
}

// encode writes a value as the API does: indented by two spaces, HTML left alone.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic("checkouttest: " + err.Error()) // objects are made of marshalable values only
	}
	return b.Bytes()
}

// orNull is nil for an empty string: the API says null where Go says "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// expand replaces the object that path names by a fuller one. Objects are found by their IDs with find.
// https://docs.stripe.com/expand
func expand(o object, path string, find func(id string) object) (object, *apiError) {
	segs := strings.Split(path, ".")
	if len(segs) > 4 && segs[0] != "data" || len(segs) > 5 {
		return nil, invalid("", "expand", "You cannot expand more than 4 levels of a property (%s).", path)
	}
	out, ok := expandAt(o, segs, find)
	if !ok {
		return nil, invalid("", "expand", "This property cannot be expanded (%s).", path)
	}
	return out.(object), nil
}

func expandAt(v any, segs []string, find func(id string) object) (any, bool) {
	switch v := v.(type) {
	case string:
		o := find(v)
		if o == nil {
			return nil, false
		}
		return expandAt(o, segs, find)
	case nil:
		return nil, true // nothing there to expand
	case []object:
		out := make([]object, len(v))
		for i, item := range v {
			next, ok := expandAt(item, segs, find)
			if !ok {
				return nil, false
			}
			out[i] = next.(object)
		}
		return out, true
	case object:
		if len(segs) == 0 {
			return v, true
		}
		inner, there := v[segs[0]]
		if !there && included[v.str("object")+"/"+segs[0]] {
			inner, there = v.str("id")+"/"+segs[0], true
		}
		if !there {
			return nil, false
		}
		next, ok := expandAt(inner, segs[1:], find)
		if !ok {
			return nil, false
		}
		out := maps.Clone(v)
		out[segs[0]] = next
		return out, true
	default:
		return nil, false
	}
}
