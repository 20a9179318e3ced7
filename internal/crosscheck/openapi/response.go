package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Checker checks the answers of a server by Stripe's description. If the description lacks a field, the description of a later
// version of the API must have it.
type Checker struct {
	Spec, Later *Spec
}

// Response checks the answer to a call.
func (c Checker) Response(method, path string, status int, answer []byte) []string {
	op, pattern := c.Spec.Find(method, path)
	if op == nil {
		return []string{method + " " + path + ": no such call"}
	}
	code := "200"
	if status != 200 {
		code = "default"
	}
	var later *Schema
	if op := c.Later.Paths[pattern][strings.ToLower(method)]; op != nil {
		later = op.Responses[code].schema()
	}
	return c.decoded(op.Responses[code].schema(), later, answer)
}

// Event checks an event, and its object by the object's own name for its kind.
func (c Checker) Event(payload []byte) []string {
	problems := c.component("event", payload)
	var e struct {
		Data struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
	}
	var kind struct {
		Object string `json:"object"`
	}
	if json.Unmarshal(payload, &e) != nil || json.Unmarshal(e.Data.Object, &kind) != nil {
		return append(problems, "data.object: is no object")
	}
	for _, p := range c.component(kind.Object, e.Data.Object) {
		problems = append(problems, "data.object: "+p)
	}
	return problems
}

func (c Checker) component(name string, raw []byte) []string {
	schema := c.Spec.Components.Schemas[name]
	if schema == nil {
		return []string{fmt.Sprintf("no object is called %q", name)}
	}
	return c.decoded(schema, c.Later.Components.Schemas[name], raw)
}

func (c Checker) decoded(schema, later *Schema, raw []byte) []string {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return []string{err.Error()}
	}
	return c.value(schema, later, v, "")
}

// value checks a value and returns its problems, each with its path.
func (c Checker) value(schema, later *Schema, v any, path string) []string {
	schema, later = c.Spec.resolve(schema), c.Later.resolve(later)
	if schema == nil {
		return []string{path + ": the description has no schema for it"}
	}
	if v == nil {
		if schema.Nullable {
			return nil
		}
		return []string{path + ": is null"}
	}
	if len(schema.AnyOf) > 0 {
		return c.anyOf(schema, later, v, path)
	}
	problems := c.scalar(schema, later, v, path)
	switch v := v.(type) {
	case map[string]any:
		if schema.Type == "object" {
			problems = append(problems, c.object(schema, later, v, path)...)
		}
	case []any:
		if schema.Type == "array" {
			var laterItems *Schema
			if later != nil {
				laterItems = later.Items
			}
			for i, item := range v {
				problems = append(problems, c.value(schema.Items, laterItems, item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	}
	return problems
}

// anyOf returns the problems of a value with the closest alternative: one of its type, with the fewest problems.
func (c Checker) anyOf(schema, later *Schema, v any, path string) []string {
	var best []string
	var bestFits bool
	for i, alternative := range schema.AnyOf {
		problems := c.value(alternative, sameRef(later, alternative), v, path)
		if len(problems) == 0 {
			return nil
		}
		_, isObject := v.(map[string]any)
		fits := isObject == (c.Spec.resolve(alternative).Type == "object")
		if i == 0 || fits && !bestFits || fits == bestFits && len(problems) < len(best) {
			best, bestFits = problems, fits
		}
	}
	return best
}

// sameRef returns the alternative of a later version that refers to the same component.
func sameRef(later, alternative *Schema) *Schema {
	if later == nil || alternative.Ref == "" {
		return nil
	}
	for _, l := range append([]*Schema{later}, later.AnyOf...) {
		if l.Ref == alternative.Ref {
			return l
		}
	}
	return nil
}

func (c Checker) scalar(schema, later *Schema, v any, path string) []string {
	ok, got := true, fmt.Sprintf("%T", v)
	switch schema.Type {
	case "string":
		_, ok = v.(string)
	case "boolean":
		_, ok = v.(bool)
	case "number":
		_, ok = v.(float64)
	case "integer":
		f, isNumber := v.(float64)
		ok, got = isNumber && f == float64(int64(f)), fmt.Sprint(v)
	case "array":
		_, ok = v.([]any)
	case "object":
		_, ok = v.(map[string]any)
	}
	if !ok {
		return []string{fmt.Sprintf("%s: is %s, not %s", path, got, schema.Type)}
	}
	s, isString := v.(string)
	switch {
	case len(schema.Enum) > 0 && !schema.Open && !slices.Contains(schema.Enum, v) && (later == nil || !slices.Contains(later.Enum, v)):
		return []string{fmt.Sprintf("%s: %v is none of %v", path, v, schema.Enum)}
	case isString && schema.MaxLength > 0 && utf8.RuneCountInString(s) > schema.MaxLength:
		return []string{fmt.Sprintf("%s: has more than %d characters", path, schema.MaxLength)}
	case isString && schema.Pattern != "" && !regexp.MustCompile(schema.Pattern).MatchString(s):
		return []string{fmt.Sprintf("%s: does not match %s", path, schema.Pattern)}
	}
	return nil
}

func (c Checker) object(schema, later *Schema, v map[string]any, path string) []string {
	var problems []string
	for _, name := range schema.Required {
		if _, there := v[name]; !there {
			problems = append(problems, path+"."+name+": is missing")
		}
	}
	if schema.Properties == nil && schema.Additional.schema == nil {
		return problems // any field is allowed
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		var laterField *Schema
		if later != nil {
			laterField = later.Properties[name]
		}
		field := schema.Properties[name]
		switch {
		case field != nil:
			problems = append(problems, c.value(field, laterField, v[name], path+"."+name)...)
		case schema.Additional.schema != nil:
			problems = append(problems, c.value(schema.Additional.schema, nil, v[name], path+"."+name)...)
		case laterField != nil:
			problems = append(problems, Checker{c.Later, c.Later}.value(laterField, laterField, v[name], path+"."+name)...)
		case undescribed[kindOf(v, path)+"."+name]:
		default:
			problems = append(problems, path+"."+name+": there is no such field")
		}
	}
	return problems
}

// undescribed holds fields, with their objects, that recorded answers of Stripe have and its descriptions lack.
var undescribed = map[string]bool{
	"charge.destination": true, "charge.dispute": true, "charge.order": true, "charge.source": true,
	"payment_intent.source": true, "product.type": true, "recurring.trial_period_days": true,
	"items.plan":       true, // of a phase of a subscription schedule
	"list.total_count": true, "subscription.plan": true, "subscription.quantity": true, "subscription_item.plan": true,
}

// kindOf returns the kind that a value names, or else the name of the field that holds the value or the list around it.
func kindOf(v map[string]any, path string) string {
	if kind, ok := v["object"].(string); ok {
		return kind
	}
	name, _, _ := strings.Cut(path[strings.LastIndex(path, ".")+1:], "[")
	return name
}
