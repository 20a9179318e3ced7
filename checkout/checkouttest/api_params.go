package checkouttest

import (
	_ "embed" // for expand.txt
	_ "embed" // for params.txt
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

//go:generate go run gen.go

//go:embed params.txt
var paramsText string

// schemas holds the parameters of each call, by method and path pattern.
var schemas = sync.OnceValue(func() map[string]*schema {
	all := map[string]*schema{}
	var root *schema
	for line := range strings.Lines(paramsText) {
		line = strings.TrimSpace(line)
		first, second, _ := strings.Cut(line, " ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(second, "/"):
			root = &schema{result: resultOf(line)}
			all[line] = root
		default:
			path, _ := splitKey(first)
			root.at(path).kind = second
		}
	}
	markRefused(all)
	return all
})

// resultOf is what a call answers with: a kind of object, or "list:" and the kind of its items.
func resultOf(route string) string {
	method, path, _ := strings.Cut(route, " ")
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/v1/"), "checkout/")
	if strings.HasSuffix(path, "/line_items") {
		return "list:item"
	}
	name, _, one := strings.Cut(path, "/")
	kind := strings.TrimSuffix(name, "s")
	if kind == "session" {
		kind = "checkout.session"
	}
	if method == http.MethodGet && !one {
		return "list:" + kind
	}
	return kind
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
