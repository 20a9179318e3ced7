// Package openapi checks requests and responses by Stripe's own OpenAPI descriptions, as stripe-mock embeds them. It checks requests
// by the description in v0.197.0, and responses by the description in v0.195.0. The first is of a later API version than stripe-go's, the
// second of an earlier one.
package openapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Spec is an OpenAPI description.
type Spec struct {
	Info struct {
		Version string `json:"version"` // of the API
	} `json:"info"`
	Components struct {
		Schemas map[string]*Schema `json:"schemas"`
	} `json:"components"`
	Paths map[string]map[string]*Operation `json:"paths"`
}

// An Operation is one call of the API.
type Operation struct {
	Parameters []struct {
		In     string  `json:"in"`
		Name   string  `json:"name"`
		Schema *Schema `json:"schema"`
	} `json:"parameters"`
	RequestBody body            `json:"requestBody"`
	Responses   map[string]body `json:"responses"`
}

type body struct {
	Content map[string]struct {
		Schema *Schema `json:"schema"`
	} `json:"content"`
}

// schema returns the schema of the body, which has one format.
func (b body) schema() *Schema {
	var schema *Schema
	for _, format := range b.Content {
		schema = format.Schema
	}
	return schema
}

// Schema is the part of JSON Schema that Stripe's description uses.
type Schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Nullable   bool               `json:"nullable"`
	Enum       []any              `json:"enum"`
	AnyOf      []*Schema          `json:"anyOf"`
	Properties map[string]*Schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *Schema            `json:"items"`
	MaxLength  int                `json:"maxLength"`
	Pattern    string             `json:"pattern"`
	Additional additional         `json:"additionalProperties"`
	// Open says that Stripe may send values that are not in Enum.
	Open bool `json:"x-stripeBypassValidation"`
}

// additional is the schema of an object's other fields.
type additional struct{ schema *Schema }

// UnmarshalJSON implements json.Unmarshaler. The JSON is a schema, or a boolean that says whether any other field is allowed.
func (a *additional) UnmarshalJSON(b []byte) error {
	if string(b) == "true" || string(b) == "false" {
		return nil
	}
	return json.Unmarshal(b, &a.schema)
}

// Load reads a description.
func Load(raw []byte) (*Spec, error) {
	s := &Spec{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return s, nil
}

const refPrefix = "#/components/schemas/"

// resolve follows a reference.
func (s *Spec) resolve(schema *Schema) *Schema {
	for s != nil && schema != nil && schema.Ref != "" {
		schema = s.Components.Schemas[strings.TrimPrefix(schema.Ref, refPrefix)]
	}
	return schema
}

// Find returns a call by its method and path, with the pattern of the path. If several patterns fit, Find returns the one with
// the fewest variables.
func (s *Spec) Find(method, path string) (op *Operation, pattern string) {
	got := strings.Split(path, "/")
	for p, ops := range s.Paths {
		found := ops[strings.ToLower(method)]
		if found != nil && fits(strings.Split(p, "/"), got) && (op == nil || strings.Count(p, "{") < strings.Count(pattern, "{")) {
			op, pattern = found, p
		}
	}
	return op, pattern
}

func fits(pattern, path []string) bool {
	if len(pattern) != len(path) {
		return false
	}
	for i, p := range pattern {
		if p != path[i] && !(strings.HasPrefix(p, "{") && path[i] != "") {
			return false
		}
	}
	return true
}
