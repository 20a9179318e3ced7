package checkouttest

import (
	_ "embed" // for params.txt
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// schema is one place in the tree of parameters that a call knows.
type schema struct {
	result string // of a root: what the call answers with, see resultOf
	kind   string // of a scalar: string, int, bool, decimal; empty: none allowed here
	free   bool   // a value of a map with free keys
	fields map[string]*schema
	elem   *schema // of a list
	value  *schema // of a map with free keys, such as metadata

	refused  bool   // see refused
	harmless string // the value that is not, if there is one
}

func (s *schema) at(path []string) *schema {
	for _, seg := range path {
		var next **schema
		switch seg {
		case "":
			next = &s.elem
		case "*":
			next = &s.value
		default:
			if s.fields == nil {
				s.fields = map[string]*schema{}
			}
			if s.fields[seg] == nil {
				s.fields[seg] = &schema{}
			}
			s = s.fields[seg]
			continue
		}
		if *next == nil {
			*next = &schema{free: seg == "*"}
		}
		s = *next
	}
	return s
}

// splitKey takes `a[0][b]` apart. It reports false for unbalanced brackets.
func splitKey(key string) ([]string, bool) {
	name, rest, nested := strings.Cut(key, "[")
	path := []string{name}
	if !nested {
		return path, name != "" && !strings.Contains(name, "]")
	}
	rest, ok := strings.CutSuffix(rest, "]")
	if !ok || name == "" {
		return nil, false
	}
	for seg := range strings.SplitSeq(rest, "][") {
		if strings.ContainsAny(seg, "[]") {
			return nil, false
		}
		path = append(path, seg)
	}
	return path, true
}

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
