// Package formparams decodes the parameters of Stripe's API. The API takes them as a form whose keys hold brackets:
// `line_items[0][price_data][currency]`. A Schema says which parameters a call knows, and Decode refuses all others.
package formparams

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

// A Param is one node in the tree of the parameters that a request sent. A nil Param is a parameter that was not sent, and
// all methods may be called on it.
type Param struct {
	Name   string // the key as it was sent, such as "line_items[0][quantity]"; empty at the root
	Kind   string // of a scalar: the Kind of its Schema
	Text   string // of a scalar: its value
	IsSet  bool   // this node has a scalar value, which may be empty
	Fields map[string]*Param
	Items  map[int]*Param // of a list, by index
}

// An Error says which parameter is wrong, in the words of Stripe's API.
type Error struct {
	Code    string // such as "parameter_unknown"; empty where Stripe gives none
	Param   string // the key of the parameter
	Message string
}

func (e *Error) Error() string { return e.Message }

func failed(code, param, format string, args ...any) *Error {
	return &Error{Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Unsupported is the error of a parameter that Stripe knows and the server under test does nothing with.
func Unsupported(p *Param) *Error {
	return failed("", p.Name, "This test server does not implement the parameter %s here.", p.Name)
}

// Decode reads the parameters of a request. It returns an error if the request holds a parameter that the schema does not
// know, at any depth, or a value of the wrong kind.
func Decode(schema *Schema, values url.Values) (*Param, *Error) {
	root := &Param{}
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := checkText(key, values[key]); err != nil {
			return nil, err
		}
		path, ok := split(key)
		if !ok {
			unknown = append(unknown, key)
			continue
		}
		name, err := root.insert(schema, path, values[key])
		if err != nil {
			return nil, err
		}
		if name != "" && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	switch len(unknown) {
	case 0:
		return root, nil
	case 1:
		return nil, failed("parameter_unknown", unknown[0], "Received unknown parameter: %s", unknown[0])
	default:
		return nil, failed("parameter_unknown", unknown[0], "Received unknown parameters: %s", strings.Join(unknown, ", "))
	}
}

// checkText refuses keys and values that are not valid UTF-8, or that contain NUL.
func checkText(key string, values []string) *Error {
	for _, text := range append([]string{key}, values...) {
		switch {
		case !utf8.ValidString(text):
			return failed("", "", "Invalid UTF-8 characters found in POST body: %q", key)
		case strings.Contains(text, "\x00"):
			return failed("", "", "Invalid null character found in POST body: %q", key)
		}
	}
	return nil
}

// insert stores the values of one key below p. If the schema does not know the key, insert returns the name of the first
// unknown part of it.
func (p *Param) insert(schema *Schema, path []string, values []string) (unknown string, _ *Error) {
	for i, segment := range path {
		if schema.Unsupported && schema.Harmless == "" {
			return "", Unsupported(p)
		}
		name := p.NameOf(segment)
		isLast := i == len(path)-1
		switch {
		case schema.Elem != nil && segment == "" && isLast: // a[]=x&a[]=y
			for _, value := range values {
				if err := p.item(len(p.Items), name).setText(schema.Elem, value); err != nil {
					return "", err
				}
			}
			return "", nil
		case schema.Elem != nil:
			index, err := strconv.Atoi(segment)
			if err != nil || index < 0 {
				return "", failed("", p.Name, "Invalid array")
			}
			schema, p = schema.Elem, p.item(index, name)
		case schema.Value != nil && segment != "":
			schema, p = schema.Value, p.field(segment, name)
		case schema.Fields[segment] != nil:
			schema, p = schema.Fields[segment], p.field(segment, name)
		case i > 0 && schema.Fields == nil && schema.Value == nil: // a field of a scalar
			return "", failed("", p.Name, "Invalid %s: must not be an object", schema.Kind)
		default:
			return name, nil
		}
	}
	return "", p.setText(schema, values[len(values)-1])
}

func (p *Param) item(index int, name string) *Param {
	if p.Items == nil {
		p.Items = map[int]*Param{}
	}
	if p.Items[index] == nil {
		p.Items[index] = &Param{Name: name}
	}
	return p.Items[index]
}

func (p *Param) field(segment, name string) *Param {
	if p.Fields == nil {
		p.Fields = map[string]*Param{}
	}
	if p.Fields[segment] == nil {
		p.Fields[segment] = &Param{Name: name}
	}
	return p.Fields[segment]
}

// setText checks a scalar value against the schema, and stores it.
func (p *Param) setText(schema *Schema, text string) *Error {
	switch {
	case schema.Unsupported && text != schema.Harmless:
		return Unsupported(p)
	case text == "" && (schema.Value != nil || schema.Unsettable): // empties a map, such as metadata
	case text == "" && !schema.mapValue:
		return failed("parameter_invalid_empty", p.Name, "You passed an empty string for '%[1]s'. We assume empty values are an attempt to unset a parameter; however '%[1]s' cannot be unset. You should remove '%[1]s' from your request or supply a non-empty value.", p.Name)
	case schema.Elem != nil:
		return failed("", p.Name, "Invalid array")
	case schema.Kind == "":
		return failed("", p.Name, "Invalid object")
	case schema.Kind == "int" || schema.Kind == "time" && text != "now":
		_, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return failed("parameter_invalid_integer", p.Name, "Invalid integer: %s", text)
		}
	case schema.Kind == "bool":
		if text != "true" && text != "false" {
			return failed("", p.Name, "Invalid boolean: %s", text)
		}
	case schema.Kind == "decimal":
		_, ok := new(big.Rat).SetString(text)
		if !ok || strings.ContainsAny(text, "/eE") {
			return failed("", p.Name, "Invalid decimal: %s", text)
		}
	}
	p.Kind, p.Text, p.IsSet = schema.Kind, text, true
	return nil
}

// Get returns the parameter below p that the names of fields lead to, or nil.
func (p *Param) Get(path ...string) *Param {
	for _, segment := range path {
		if p == nil {
			return nil
		}
		p = p.Fields[segment]
	}
	return p
}

// SetField gives a field of p the value that a request left out.
func (p *Param) SetField(name, text string) {
	p.field(name, p.NameOf(name)).Text = text
}

// Without returns a copy of p that lacks a field.
func (p *Param) Without(field string) *Param {
	without := *p
	without.Fields = maps.Clone(p.Fields)
	delete(without.Fields, field)
	return &without
}

// NameOf returns the key under which a request sends a field of p.
func (p *Param) NameOf(field string) string {
	if p == nil || p.Name == "" {
		return field
	}
	return p.Name + "[" + field + "]"
}

// String returns the value of a scalar, or "".
func (p *Param) String() string {
	if p == nil {
		return ""
	}
	return p.Text
}

// Int returns the value of a scalar of the kind int or time, or 0. It returns 0 for the time "now".
func (p *Param) Int() int64 {
	n, _ := strconv.ParseInt(p.String(), 10, 64) // setText has checked it
	return n
}

// Bool returns the value of a scalar of the kind bool, or false.
func (p *Param) Bool() bool { return p.String() == "true" }

// List returns the items of a list, in the order of their indices.
func (p *Param) List() []*Param {
	if p == nil {
		return nil
	}
	items := make([]*Param, 0, len(p.Items))
	for _, index := range slices.Sorted(maps.Keys(p.Items)) {
		items = append(items, p.Items[index])
	}
	return items
}

// Strings returns the values of a list of scalars, or nil if the request sent no item.
func (p *Param) Strings() []string {
	var texts []string
	for _, item := range p.List() {
		texts = append(texts, item.Text)
	}
	return texts
}
