package formparams

import "strings"

// A Schema is the tree of parameters that one call knows. A node is a scalar, an object with named fields, a map with
// free keys, or a list.
type Schema struct {
	Kind   string             // of a scalar: string, int, time, bool or decimal; empty: this place takes no scalar
	Fields map[string]*Schema // of an object
	Elem   *Schema            // of a list
	Value  *Schema            // of a map with free keys, such as metadata

	// Unsupported says that the server under test lacks what Stripe does with this parameter and with all below it. Decode
	// refuses every value of such a parameter but Harmless.
	Unsupported bool
	Harmless    string // the one value that asks for nothing; empty: there is none

	Unsettable bool // an empty value removes what the parameter has set before

	mapValue bool // a value of a map: it may be empty
}

// Strings returns a schema of scalars that take any text.
func Strings(keys ...string) *Schema {
	root := &Schema{}
	for _, key := range keys {
		root.At(key).Kind = "string"
	}
	return root
}

// At returns the node of a key, and adds the nodes on the way to it. A key is written as in a form: "a[b]" is field b of
// object a, "a[]" an item of list a, and "a[*]" a value of map a. At panics if the key is malformed.
func (s *Schema) At(key string) *Schema {
	path, ok := split(key)
	if !ok {
		panic("formparams: malformed key " + key)
	}
	for _, segment := range path {
		s = s.child(segment)
	}
	return s
}

func (s *Schema) child(segment string) *Schema {
	switch segment {
	case "":
		if s.Elem == nil {
			s.Elem = &Schema{}
		}
		return s.Elem
	case "*":
		if s.Value == nil {
			s.Value = &Schema{mapValue: true}
		}
		return s.Value
	}
	if s.Fields == nil {
		s.Fields = map[string]*Schema{}
	}
	if s.Fields[segment] == nil {
		s.Fields[segment] = &Schema{}
	}
	return s.Fields[segment]
}

// split takes the key `a[0][b]` apart into a, 0 and b. It reports false if the brackets of the key are unbalanced.
func split(key string) (path []string, ok bool) {
	name, rest, nested := strings.Cut(key, "[")
	if !nested {
		return []string{name}, name != "" && !strings.Contains(name, "]")
	}
	rest, ok = strings.CutSuffix(rest, "]")
	if !ok || name == "" {
		return nil, false
	}
	path = []string{name}
	for segment := range strings.SplitSeq(rest, "][") {
		if strings.ContainsAny(segment, "[]") {
			return nil, false
		}
		path = append(path, segment)
	}
	return path, true
}
