package openapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Unknown returns the keys of a request that the description of the call lacks, at any depth.
func (s *Spec) Unknown(method, path string, values url.Values) []string {
	op, _ := s.Find(method, path)
	if op == nil {
		return []string{method + " " + path + ": no such call"}
	}
	root := &Schema{Type: "object", Properties: map[string]*Schema{}}
	if method == "GET" || method == "DELETE" {
		for _, p := range op.Parameters {
			if p.In == "query" {
				root.Properties[p.Name] = p.Schema
			}
		}
	} else if b := op.RequestBody.schema(); b != nil {
		root = b
	}
	var unknown []string
	for key := range values {
		if !s.has(root, strings.Split(strings.ReplaceAll(key, "]", ""), "[")) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// has reports whether a path of names leads to a value.
func (s *Spec) has(schema *Schema, path []string) bool {
	schema = s.resolve(schema)
	if schema == nil {
		return false
	}
	if slices.ContainsFunc(schema.AnyOf, func(alternative *Schema) bool { return s.has(alternative, path) }) {
		return true
	}
	if len(path) == 0 {
		return schema.Type != "object" && schema.Type != "array" && len(schema.AnyOf) == 0
	}
	name := path[0]
	switch {
	case schema.Type == "array":
		_, err := strconv.Atoi(name)
		return (err == nil || name == "") && s.has(schema.Items, path[1:])
	case schema.Properties[name] != nil:
		return s.has(schema.Properties[name], path[1:])
	default:
		return schema.Additional.schema != nil && s.has(schema.Additional.schema, path[1:])
	}
}
