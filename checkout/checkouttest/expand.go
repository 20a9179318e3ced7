package checkouttest

import (
	_ "embed" // for expand.txt
	"net/http"
	"strings"
	"sync"
)

//go:embed expand.txt
var expandText string

// expandables holds the kinds of what can be expanded, by the kind of an object and the path in it. "-" stands for kinds that
// the server has no objects of.
var expandables = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for line := range strings.Lines(expandText) {
		if words := strings.Fields(line); words[0] != "#" {
			if all[words[0]] == nil {
				all[words[0]] = map[string]string{}
			}
			all[words[0]][words[1]] = words[2]
		}
	}
	return all
})

// checkExpand refuses what a call could not expand, before it does anything. https://docs.stripe.com/expand
func (c *call) checkExpand(result string) *apiError {
	for _, p := range c.params.get("expand").list() {
		path := p.str()
		if levels := strings.TrimPrefix(path, "data."); strings.Count(levels, ".") > 3 {
			return invalid("", "expand", "You cannot expand more than 4 levels of a property (%s).", path)
		}
		switch kind := expandedKind(result, path); {
		case kind == "":
			return invalid("", "expand", "This property cannot be expanded (%s).", path)
		case kind == "-" && c.method != http.MethodGet:
			return invalid("", "expand", "This test server has no such object to expand (%s).", path)
		}
	}
	return nil
}

// expandedKind is what a path leads to in an object of a kind; in a list, which is written "list:" and the kind, below data.
// Empty: to nothing that can be expanded.
func expandedKind(kind, path string) string {
	if item, ok := strings.CutPrefix(kind, "list:"); ok {
		path, ok = strings.CutPrefix(path, "data.")
		if !ok {
			return ""
		}
		kind = item
	}
	for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		switch found := expandables()[kind][path[:end]]; {
		case found == "":
		case end == len(path) || found == "-": // what is in an unknown object is unknown
			return found
		default:
			return expandedKind(found, path[end+1:])
		}
	}
	return ""
}

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
