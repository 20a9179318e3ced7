package checkouttest

import (
	_ "embed" // for params.txt
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

//go:generate go run gen.go

//go:embed params.txt
var paramsText string

// schemas returns the parameters that Stripe knows of each call, by the call's route: its method and path pattern.
var schemas = sync.OnceValue(func() map[string]*formparams.Schema {
	all := map[string]*formparams.Schema{}
	var schema *formparams.Schema
	for line := range strings.Lines(paramsText) {
		line = strings.TrimSpace(line)
		first, second, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(second, "/"): // a route begins
			schema = &formparams.Schema{}
			all[line] = schema
		default:
			schema.At(first).Kind = second
		}
	}
	markUnsupported(all)
	return all
})

// resultOf returns the kind of object that a call answers with. A list is "list:" and the kind of its items.
func resultOf(route string) string {
	method, path, _ := strings.Cut(route, " ")
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/v1/"), "checkout/")
	if strings.HasPrefix(path, "billing_portal/") {
		return "billing_portal.session"
	}
	if strings.HasSuffix(path, "/line_items") {
		return "list:item"
	}
	if strings.HasSuffix(path, "/lines") {
		return "list:credit_note_line_item"
	}
	if strings.HasSuffix(path, "}/payment_methods") {
		return "list:payment_method"
	}
	if strings.HasSuffix(path, "}/cash_balance") {
		return "cash_balance" // nothing in it can be expanded
	}
	if strings.HasSuffix(path, "}/cash_balance_transactions") {
		return "list:customer_cash_balance_transaction"
	}
	if strings.HasSuffix(path, "}/cash_balance_transactions/{of}") || strings.HasSuffix(path, "}/fund_cash_balance") {
		return "customer_cash_balance_transaction"
	}
	if strings.HasPrefix(path, "test_helpers/") { // nothing in it can be expanded
		return "test_helpers.test_clock"
	}
	path, ofRadar := strings.CutPrefix(path, "radar/")
	name, _, one := strings.Cut(path, "/")
	kind := strings.TrimSuffix(name, "s")
	if ofRadar {
		kind = "radar." + kind
	}
	if kind == "session" {
		kind = "checkout.session"
	}
	if method == http.MethodGet && (!one || strings.HasSuffix(route, "/search")) {
		return "list:" + kind
	}
	return kind
}

// number shows a parameter that is a decimal number.
func number(p *formparams.Param) any {
	if p == nil {
		return nil
	}
	return json.Number(p.String())
}

// value returns a parameter as JSON shows it: nil if the request did not send it.
func value(p *formparams.Param) any {
	switch {
	case p == nil:
		return nil
	case p.Items != nil:
		list := []any{}
		for _, item := range p.List() {
			list = append(list, value(item))
		}
		return list
	case p.Fields != nil:
		o := object{}
		for name, field := range p.Fields {
			o[name] = value(field)
		}
		return o
	case p.Kind == "int":
		return p.Int()
	case p.Kind == "bool":
		return p.Bool()
	default: // an empty text unsets a field
		return orNull(p.Text)
	}
}

// valueOr returns a parameter as JSON shows it, or fallback if the request did not send it.
func valueOr(p *formparams.Param, fallback any) any {
	if p == nil {
		return fallback
	}
	return value(p)
}

// paramError answers a request that formparams refuses.
func paramError(err *formparams.Error) *apiError {
	return invalid(err.Code, err.Param, "%s", err.Message)
}

// unsupported refuses a parameter that Stripe knows and this server does nothing with. A parameter that silently did
// nothing would mislead the test.
func unsupported(p *formparams.Param) *apiError { return paramError(formparams.Unsupported(p)) }

// only refuses the parameters of p that are not among names: Stripe knows them, and this server does nothing with them.
func only(p *formparams.Param, names ...string) *apiError {
	if p == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		if !slices.Contains(names, name) {
			return unsupported(p.Fields[name])
		}
	}
	return nil
}

// oneOf refuses a parameter that was sent with none of the values that Stripe knows.
func oneOf(p *formparams.Param, allowed ...string) *apiError {
	if p == nil || slices.Contains(allowed, p.String()) {
		return nil
	}
	return invalid("", p.Name, "Invalid %s: must be one of %s", p.Name, strings.Join(allowed, ", "))
}

const maxMetadataKeys = 50 // https://docs.stripe.com/metadata

// metadataOf checks a parameter that holds metadata against Stripe's limits, and returns the metadata as an object.
func metadataOf(p *formparams.Param) (object, *apiError) {
	metadata := object{}
	if p == nil {
		return metadata, nil
	}
	if len(p.Fields) > maxMetadataKeys {
		return nil, tooManyKeys(p, len(p.Fields))
	}
	for _, key := range slices.Sorted(maps.Keys(p.Fields)) {
		text := p.Fields[key].Text
		switch {
		case strings.ContainsAny(key, "[]"):
			return nil, invalid("", p.Name, "Metadata keys can't contain square brackets.")
		case len([]rune(key)) > 40:
			return nil, invalid("", p.Name, "Metadata keys must be at most 40 characters long.")
		case len([]rune(text)) > 500:
			return nil, invalid("", fmt.Sprintf("%s[%s]", p.Name, key), "Metadata values can have up to 500 characters, but you passed in a value that is %d characters.", len([]rune(text)))
		case text != "":
			metadata[key] = text
		}
	}
	return metadata, nil
}

// mergeMetadata returns an object's metadata after an update. An empty value removes its key, and an empty map removes all
// keys.
func mergeMetadata(old any, update *formparams.Param) (object, *apiError) {
	merged := maps.Clone(old.(object))
	if update == nil {
		return merged, nil
	}
	if update.IsSet && update.Fields == nil {
		return object{}, nil
	}
	sent, err := metadataOf(update)
	if err != nil {
		return nil, err
	}
	for key := range update.Fields {
		delete(merged, key)
	}
	maps.Copy(merged, sent)
	if len(merged) > maxMetadataKeys {
		return nil, tooManyKeys(update, len(merged))
	}
	return merged, nil
}

func tooManyKeys(p *formparams.Param, n int) *apiError {
	return invalid("", p.Name, "You can only have %d keys in metadata; you sent %d.", maxMetadataKeys, n)
}
