package checkouttest

import (
	"maps"
	"strings"
)

// object is an API object.
// A nested value is replaced, never changed in place, so that a shallow copy is a snapshot.
type object map[string]any

func (o object) str(key string) string {
	s, _ := o[key].(string)
	return s
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
