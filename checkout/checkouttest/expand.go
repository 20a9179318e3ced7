package checkouttest

import (
	"cmp"
	_ "embed" // for expand.txt
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

//go:embed expand.txt
var expandText string

// expandables returns the kinds of what can be expanded, by the kind of an object and the path in it. "-" stands for a kind
// that the server has no objects of.
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

// checkExpand refuses paths that the call can't expand, before the call does anything. https://docs.stripe.com/expand
func (c *call) checkExpand(result string) *apiError {
	for _, p := range c.params.Get("expand").List() {
		path := p.String()
		levels := strings.TrimPrefix(path, "data.")
		if strings.Count(levels, ".") > 3 {
			return invalid("", "expand", "You cannot expand more than 4 levels of a property (%s).", path)
		}
		kind := expandedKind(result, path)
		switch {
		case kind == "":
			return invalid("", "expand", "This property cannot be expanded (%s).", path)
		case kind == "-" && c.method != http.MethodGet:
			return invalid("", "expand", "This test server has no such object to expand (%s).", path)
		}
	}
	return nil
}

// expandedKind returns the kind of object to which a path leads in an object of a kind. In a list, the path begins with
// "data.". The result is empty if the path leads to nothing that can be expanded.
func expandedKind(kind, path string) string {
	if item, ok := strings.CutPrefix(kind, "list:"); ok {
		path, ok = strings.CutPrefix(path, "data.")
		if !ok {
			return ""
		}
		kind = item
	}
	for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '.') {
		found := cmp.Or(included[kind+"/"+path[:end]], expandables()[kind][path[:end]])
		if found == "" {
			continue // try a shorter path
		}
		if end == len(path) || found == "-" { // the server knows nothing below a "-"
			return found
		}
		return expandedKind(found, path[end+1:])
	}
	return ""
}

// expandAll expands the paths that a request asks for, in its order. It returns an error of a path that it can't expand,
// and the object with all other paths expanded.
func (s *Server) expandAll(o object, paths []string) (_ object, failed *apiError) {
	for _, path := range paths {
		if expanded, err := expand(o, path, s.lookUp); err != nil {
			failed = err
		} else {
			o = expanded
		}
	}
	return o, failed
}

// included are the keys that an object shows only on request, with the kinds of their values: https://docs.stripe.com/expand#includable-properties
var included = map[string]string{
	"checkout.session/line_items": "list:item", "charge/refunds": "list:refund", "invoice/payments": "list:invoice_payment",
	"invoice/confirmation_secret": "value", "customer/invoice_credit_balance": "value", "customer/sources": "list:card",
	"customer/subscriptions": "list:subscription", "customer/tax": "value",
}

// lookUp returns the object that an ID stands for. For an ID followed by "/" and the name of a list, it returns the list.
func (s *Server) lookUp(id string) object {
	if id, list, ok := strings.Cut(id, "/"); ok {
		return s.include(id, list)
	}
	if sess := s.sessions[id]; sess != nil {
		return sess.object
	}
	if o := s.objects[id]; o != nil {
		return o
	}
	if strings.HasPrefix(id, "pm_") {
		if ch := s.chargeBy(id); ch != nil {
			return methodOfCharge(ch)
		}
	}
	return nil
}

// include returns the value of a key that an object shows only on request. Nil stands for null.
func (s *Server) include(id, list string) object {
	switch list {
	case "line_items":
		return s.sessions[id].lineItems()
	case "confirmation_secret":
		return s.confirmationSecret(s.objects[id])
	case "invoice_credit_balance", "sources", "subscriptions", "tax":
		return s.includeOfCustomer(s.objects[id], list)
	}
	kind, url := "refund", "/v1/charges/"+id+"/refunds"
	if list == "payments" {
		kind, url = "invoice_payment", "/v1/invoice_payments?invoice="+id
	}
	newest := slices.Clone(s.naming[kind+"/"+id])
	slices.Reverse(newest)
	o, _ := listPage(newest, url, kind, nil)
	return o
}

// expand replaces the object at path by a fuller one. It finds objects by their IDs with find.
// https://docs.stripe.com/expand
func expand(o object, path string, find func(id string) object) (object, *apiError) {
	segs := strings.Split(path, ".")
	out, ok := expandAt(o, segs, find)
	if !ok {
		return nil, invalid("", "expand", "This property cannot be expanded (%s).", path)
	}
	return out.(object), nil
}

func expandAt(v any, segs []string, find func(id string) object) (any, bool) {
	switch v := v.(type) {
	case string:
		o := find(v)
		if o == nil {
			return nil, false
		}
		return expandAt(o, segs, find)
	case nil:
		return nil, true // nothing there to expand
	case []any: // of IDs
		out := make([]any, len(v))
		for i, item := range v {
			next, ok := expandAt(item, segs, find)
			if !ok {
				return nil, false
			}
			out[i] = next
		}
		return out, true
	case []object:
		out := make([]object, len(v))
		for i, item := range v {
			next, ok := expandAt(item, segs, find)
			if !ok {
				return nil, false
			}
			out[i] = next.(object)
		}
		return out, true
	case object:
		if len(segs) == 0 {
			return v, true
		}
		inner, there := v[segs[0]]
		if !there && included[v.str("object")+"/"+segs[0]] != "" {
			there = true
			if value := find(v.str("id") + "/" + segs[0]); value != nil {
				inner = value
			}
		}
		if !there {
			return nil, false
		}
		next, ok := expandAt(inner, segs[1:], find)
		if !ok {
			return nil, false
		}
		out := maps.Clone(v)
		out[segs[0]] = next
		return out, true
	default:
		return nil, false
	}
}
