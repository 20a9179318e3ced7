// Package openapi checks requests and responses by Stripe's own OpenAPI descriptions, as stripe-mock embeds them: requests
// by that of v0.197.0, responses by that of v0.195.0, which are of API versions around the one that stripe-go is made for.
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

// schema is that of the body in the one format that it has.
func (b body) schema() *Schema {
	for _, c := range b.Content {
		return c.Schema
	}
	return nil
}

// A Schema is as much of a JSON schema as Stripe's description uses.
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

// additional is what an object may hold besides its properties.
type additional struct{ schema *Schema }

// UnmarshalJSON implements json.Unmarshaler: it is a schema, or says whether there can be anything.
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

// Find finds a call by its method and path, and the path's pattern. Of two that fit, the one with fewer variables is meant.
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
