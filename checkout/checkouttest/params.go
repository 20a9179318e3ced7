package checkouttest

import (
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A param is one place in a decoded request. All methods may be called on nil: the parameter was not sent.
type param struct {
	name   string // as sent
	kind   string
	scalar string
	isSet  bool
	fields map[string]*param
	items  map[int]*param
}

// decode reads a request's parameters, and refuses what the call does not know, at any depth.
func decode(known *schema, values url.Values) (*param, *apiError) {
	root := &param{}
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := checkText(key, values[key]); err != nil {
			return nil, err
		}
		path, ok := splitKey(key)
		if !ok {
			unknown = append(unknown, key)
			continue
		}
		bad, err := root.set(known, path, values[key])
		if err != nil {
			return nil, err
		}
		if bad != "" && !slices.Contains(unknown, bad) {
			unknown = append(unknown, bad)
		}
	}
	switch len(unknown) {
	case 0:
		return root, nil
	case 1:
		return nil, invalid("parameter_unknown", unknown[0], "Received unknown parameter: %s", unknown[0])
	default:
		return nil, invalid("parameter_unknown", unknown[0], "Received unknown parameters: %s", strings.Join(unknown, ", "))
	}
}

// checkText refuses keys and values that are not valid UTF-8, or that contain NUL.
func checkText(key string, values []string) *apiError {
	for _, text := range append([]string{key}, values...) {
		switch {
		case !utf8.ValidString(text):
			return invalid("", "", "Invalid UTF-8 characters found in POST body: %q", key)
		case strings.Contains(text, "\x00"):
			return invalid("", "", "Invalid null character found in POST body: %q", key)
		}
	}
	return nil
}

// set files the values of one key. It returns the name of the parameter that the call does not know, if any.
func (p *param) set(known *schema, path []string, values []string) (unknown string, _ *apiError) {
	for i, seg := range path {
		if known.refused && known.harmless == "" {
			return "", notDone(p)
		}
		name := seg
		if p.name != "" {
			name = p.name + "[" + seg + "]"
		}
		switch {
		case known.elem != nil && seg == "" && i == len(path)-1: // a[]=x&a[]=y
			for _, v := range values {
				if err := p.item(len(p.items), name).put(known.elem, v); err != nil {
					return "", err
				}
			}
			return "", nil
		case known.elem != nil:
			n, err := strconv.Atoi(seg)
			if err != nil || n < 0 {
				return "", invalid("", p.name, "Invalid array")
			}
			known, p = known.elem, p.item(n, name)
		case known.value != nil && seg != "":
			known, p = known.value, p.field(seg, name)
		case known.fields[seg] != nil:
			known, p = known.fields[seg], p.field(seg, name)
		case i > 0 && known.fields == nil && known.value == nil: // a field of a scalar
			return "", invalid("", p.name, "Invalid %s: must not be an object", known.kind)
		default:
			return name, nil
		}
	}
	return "", p.put(known, values[len(values)-1])
}

func (p *param) item(n int, name string) *param {
	if p.items == nil {
		p.items = map[int]*param{}
	}
	if p.items[n] == nil {
		p.items[n] = &param{name: name}
	}
	return p.items[n]
}

func (p *param) field(seg, name string) *param {
	if p.fields == nil {
		p.fields = map[string]*param{}
	}
	if p.fields[seg] == nil {
		p.fields[seg] = &param{name: name}
	}
	return p.fields[seg]
}

func (p *param) put(known *schema, v string) *apiError {
	var err error
	switch {
	case known.refused && v != known.harmless:
		return notDone(p)
	case v == "" && known.value != nil: // metadata, to be emptied
	case v == "" && !known.free:
		return invalid("parameter_invalid_empty", p.name, "You passed an empty string for '%[1]s'. We assume empty values are an attempt to unset a parameter; however '%[1]s' cannot be unset. You should remove '%[1]s' from your request or supply a non-empty value.", p.name)
	case known.elem != nil:
		return invalid("", p.name, "Invalid array")
	case known.kind == "":
		return invalid("", p.name, "Invalid object")
	case known.kind == "int":
		if _, err = strconv.ParseInt(v, 10, 64); err != nil {
			return invalid("parameter_invalid_integer", p.name, "Invalid integer: %s", v)
		}
	case known.kind == "bool":
		if v != "true" && v != "false" {
			return invalid("", p.name, "Invalid boolean: %s", v)
		}
	case known.kind == "decimal":
		if _, ok := new(big.Rat).SetString(v); !ok || strings.ContainsAny(v, "/eE") {
			return invalid("", p.name, "Invalid decimal: %s", v)
		}
	}
	p.kind, p.scalar, p.isSet = known.kind, v, true
	return nil
}

// get walks down by field names.
func (p *param) get(path ...string) *param {
	for _, seg := range path {
		if p == nil {
			return nil
		}
		p = p.fields[seg]
	}
	return p
}

// nameOf is the name, as sent, that a field of this place has.
func (p *param) nameOf(field string) string {
	if p == nil || p.name == "" {
		return field
	}
	return p.name + "[" + field + "]"
}

func (p *param) str() string {
	if p == nil {
		return ""
	}
	return p.scalar
}

func (p *param) int() int64 {
	n, _ := strconv.ParseInt(p.str(), 10, 64) // checked when it was put
	return n
}

func (p *param) bool() bool { return p.str() == "true" }

// list is the items of a list, in the order of their indices.
func (p *param) list() []*param {
	if p == nil {
		return nil
	}
	out := make([]*param, 0, len(p.items))
	for _, n := range slices.Sorted(maps.Keys(p.items)) {
		out = append(out, p.items[n])
	}
	return out
}

func (p *param) strings() []string {
	var out []string
	for _, item := range p.list() {
		out = append(out, item.scalar)
	}
	return out
}

// value is the parameter as JSON shows it: nil when it was not sent.
func (p *param) value() any {
	switch {
	case p == nil:
		return nil
	case p.items != nil:
		out := []any{}
		for _, item := range p.list() {
			out = append(out, item.value())
		}
		return out
	case p.fields != nil:
		out := object{}
		for k, f := range p.fields {
			out[k] = f.value()
		}
		return out
	case p.kind == "int":
		return p.int()
	case p.kind == "bool":
		return p.bool()
	default:
		return p.scalar
	}
}

// or is the parameter's value, or what Stripe shows when it was not sent.
func (p *param) or(fallback any) any {
	if p == nil {
		return fallback
	}
	return p.value()
}

// only refuses parameters that Stripe knows of this call and this server does nothing with.
func (p *param) only(names ...string) *apiError {
	for _, name := range slices.Sorted(maps.Keys(p.fields)) {
		if !slices.Contains(names, name) {
			return notDone(p.fields[name])
		}
	}
	return nil
}

// oneOf refuses a parameter that was sent and is none of the values that Stripe knows.
func oneOf(p *param, allowed ...string) *apiError {
	if p == nil || slices.Contains(allowed, p.str()) {
		return nil
	}
	return invalid("", p.name, "Invalid %s: must be one of %s", p.name, strings.Join(allowed, ", "))
}

// mergedInto is an object's metadata after an update: what was sent, over what was there. An empty value takes its key
// away, and an empty map all of them.
func (p *param) mergedInto(old any) (object, *apiError) {
	merged := maps.Clone(old.(object))
	if p == nil {
		return merged, nil
	}
	if p.isSet && p.fields == nil {
		return object{}, nil
	}
	sent, err := p.metadata()
	if err != nil {
		return nil, err
	}
	for k := range p.fields {
		delete(merged, k)
	}
	maps.Copy(merged, sent)
	if len(merged) > 50 {
		return nil, tooManyKeys(p, len(merged))
	}
	return merged, nil
}

func tooManyKeys(p *param, n int) *apiError {
	return invalid("", p.name, "You can only have 50 keys in metadata; you sent %d.", n)
}

// metadata checks and returns a metadata map. Limits: https://docs.stripe.com/metadata.
func (p *param) metadata() (object, *apiError) {
	out := object{}
	if p == nil {
		return out, nil
	}
	if len(p.fields) > 50 {
		return nil, tooManyKeys(p, len(p.fields))
	}
	for _, k := range slices.Sorted(maps.Keys(p.fields)) {
		v := p.fields[k].scalar
		switch {
		case strings.ContainsAny(k, "[]"):
			return nil, invalid("", p.name, "Metadata keys can't contain square brackets.")
		case len([]rune(k)) > 40:
			return nil, invalid("", p.name, "Metadata keys must be at most 40 characters long.")
		case len([]rune(v)) > 500:
			return nil, invalid("", fmt.Sprintf("%s[%s]", p.name, k), "Metadata values can have up to 500 characters, but you passed in a value that is %d characters.", len([]rune(v)))
		case v != "":
			out[k] = v
		}
	}
	return out, nil
}
