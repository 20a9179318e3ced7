// Command geneventtypes writes the event type constants of package webhook. Its source, event_types.json, lists each of
// Stripe's event types with its objects and with stripe-go's names for both, and the types that only thin events have. go generate
// runs the command in the folder of package webhook.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/format"
	"log"
	"os"
	"strings"
	"text/template"
)

//go:embed constants.tmpl
var constants string

//go:embed constants_test.tmpl
var constantsTest string

// eventType is one entry of event_types.json.
type eventType struct {
	Type   string `json:"type"`   // "checkout.session.completed"
	Object string `json:"object"` // possible values of data.object.object, separated by "|"
	Go     string `json:"go"`     // "stripe.CheckoutSession"; empty if stripe-go has no struct for it
	Const  string `json:"const"`  // stripe-go's constant, "stripe.EventTypeCheckoutSessionCompleted"; of a thin type this package's
	Thin   string `json:"thin"`   // "only": the events are thin; "none": they are never thin; empty: they come in both forms
}

// Name returns the constant's name in package webhook: stripe-go's name without its prefix.
func (e eventType) Name() string { return strings.TrimPrefix(e.Const, "stripe.EventType") }

// GoType returns the type argument of the constant.
func (e eventType) GoType() string {
	if e.Go == "" {
		return "json.RawMessage"
	}
	return e.Go
}

// GoName returns the name of stripe-go's struct, or "".
func (e eventType) GoName() string { return strings.TrimPrefix(e.Go, "stripe.") }

// group is a set of event types that share a property, its key.
type group struct {
	Key   string
	Types []eventType
}

func main() {
	log.SetFlags(0)
	if err := run("event_types.json"); err != nil {
		log.Fatal("geneventtypes: ", err)
	}
}

func run(source string) error {
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	var types []eventType
	if err := json.Unmarshal(data, &types); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	for _, e := range types {
		if e.Type == "" || e.Object == "" || (e.Name() == e.Const) != (e.Thin == "only") {
			return fmt.Errorf("%s: incomplete entry %+v: give it a type, an object and stripe-go's constant", source, e)
		}
	}
	page := map[string]any{
		"Types":    types,
		"ByObject": groupBy(types, func(e eventType) string { return e.Object }),
		"ByGoType": groupBy(types, eventType.GoName),
		"ByThin":   groupBy(types, func(e eventType) string { return e.Thin }),
	}
	if err := write("events_gen.go", constants, page); err != nil {
		return err
	}
	return write("events_gen_test.go", constantsTest, page)
}

// groupBy groups types by their key, in the sequence of types, so that the output is stable. It leaves out types with an empty
// key.
func groupBy(types []eventType, key func(eventType) string) []group {
	var groups []group
	at := map[string]int{}
	for _, e := range types {
		k := key(e)
		if k == "" {
			continue
		}
		if _, ok := at[k]; !ok {
			at[k] = len(groups)
			groups = append(groups, group{Key: k})
		}
		g := &groups[at[k]]
		g.Types = append(g.Types, e)
	}
	return groups
}

func write(file, text string, page any) error {
	var out bytes.Buffer
	if err := template.Must(template.New(file).Parse(text)).Execute(&out, page); err != nil {
		return err
	}
	source, err := format.Source(out.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, source, 0o644)
}
