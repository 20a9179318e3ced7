package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A difference is one way in which the test server's answer differs from the recorded one.
type difference struct {
	kind     kind
	where    string // the request's route; for answers the kind of object and the key, as "charge outcome.type"
	recorded string
	ours     string
	message  string // of the test server's refusal
	version  string // of the recording
	day      string // of the recording
	example  string // the cassette, and the number of the request in it
}

type kind string

const (
	statusDiffers kind = "status"
	errorDiffers  kind = "error"
	keyMissing    kind = "missing"
	keyExtra      kind = "extra"
	typeDiffers   kind = "type"
	valueDiffers  kind = "value"
)

// A comparison compares one answer of the test server with the recorded one, and learns which of our IDs stand for the recorded ones.
type comparison struct {
	ids         *idMap
	keys, agree int // the recorded keys that were compared, and those that agree in type and value
	differences []difference
	recordedIn  func(where string) // is called with each recorded key
	// filtered says that the request names an object of this cassette, so that a list has no other objects.
	filtered bool
}

// volatile are keys whose values depend on the account, the time or chance.
var volatile = map[string]bool{
	"fingerprint": true, "invoice_prefix": true, "next_invoice_sequence": true, "risk_score": true, "risk_level": true, "number": true,
	"receipt_number": true, "network_transaction_id": true, "authorization_code": true, "request_log_url": true, "request": true,
	"account_name": true, "account_country": true, "message": true, "doc_url": true, "issuer": true, "reference": true, "reference_status": true,
	"exchange_rate": true, "client_secret": true, "timezone": true, "default_currency": true, "country": true, "statement_descriptor": true,
	"calculated_statement_descriptor": true, "total_count": true, "iin": true, "description": true, "name": true, "email": true,
	"display_name": true, "nickname": true, "phone": true, "code": true, "pending_webhooks": true, "acquirer_reference_number": true,
}

func (c *comparison) add(k kind, where, recorded, ours string) {
	c.differences = append(c.differences, difference{kind: k, where: where, recorded: recorded, ours: ours})
}

// errors compares two refusals.
func (c *comparison) errors(route string, recorded, ours map[string]any) {
	describe := func(answer map[string]any) string {
		var parts []string
		for _, key := range []string{"type", "code", "decline_code", "param"} {
			parts = append(parts, cmp.Or(text(pick(answer, "error", key)), "–"))
		}
		return strings.Join(parts, " / ")
	}
	if want, got := describe(recorded), describe(ours); want != got {
		c.differences = append(c.differences, difference{kind: errorDiffers, where: route, recorded: want, ours: got, message: text(pick(ours, "error", "message"))})
	}
	for _, key := range []string{"payment_intent", "setup_intent", "charge", "payment_method", "source"} {
		c.pair(pick(recorded, "error", key), pick(ours, "error", key))
	}
}

// pair learns the IDs at the same places of two values.
func (c *comparison) pair(recorded, ours any) {
	silent := comparison{ids: c.ids, recordedIn: func(string) {}}
	silent.values("", "", recorded, ours)
}

// objects compares two objects, key by key. within is the kind of the next object outside, and path leads from there to these.
func (c *comparison) objects(within, path string, recorded, ours map[string]any) {
	if kind := text(recorded["object"]); kind != "" && kind != "list" {
		within, path = kind, ""
	}
	if id, other := text(recorded["id"]), text(ours["id"]); id != "" && other != "" { // the ID first: a list may be matched by it
		c.note(id, other)
	}
	for _, key := range slices.Sorted(maps.Keys(recorded)) {
		at := strings.TrimPrefix(path+"."+key, ".")
		where := within + " " + at
		c.recordedIn(where)
		got, has := ours[key]
		if !has {
			c.keys++
			c.add(keyMissing, where, jsonType(recorded[key]), "–")
			continue
		}
		c.values(within, at, recorded[key], got)
	}
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		if _, has := recorded[key]; !has {
			c.add(keyExtra, within+" "+strings.TrimPrefix(path+"."+key, "."), "–", jsonType(ours[key]))
		}
	}
}

func (c *comparison) note(recorded, ours string) {
	if isID(recorded) && recorded != ours {
		c.ids.learn(recorded, ours)
	}
}

// values compares two values at the same place.
func (c *comparison) values(within, path string, recorded, ours any) {
	where := within + " " + path
	c.keys++
	before := len(c.differences)
	if want, got := jsonType(recorded), jsonType(ours); want != got {
		c.add(typeDiffers, where, want, got)
		return
	}
	switch recorded := recorded.(type) {
	case map[string]any:
		c.agree++
		if strings.HasSuffix(path, "metadata") {
			return
		}
		c.objects(within, path, recorded, ours.(map[string]any))
		return
	case []any:
		c.agree++
		c.lists(within, path, recorded, ours.([]any))
		return
	case string:
		c.strings(where, recorded, ours.(string))
	case bool:
		if recorded != ours.(bool) {
			c.add(valueDiffers, where, fmt.Sprint(recorded), fmt.Sprint(ours))
		}
	default:
		c.numbers(where, number(recorded), number(ours))
	}
	if len(c.differences) == before {
		c.agree++
	}
}

func (c *comparison) strings(where, recorded, ours string) {
	if isID(recorded) {
		c.note(recorded, ours)
		known, mapped := c.ids.ours[recorded]
		switch {
		case !isID(ours):
			c.add(valueDiffers, where, "an ID", ours)
		case mapped && known != ours:
			c.add(valueDiffers, where, "an object of before", "another object")
		}
		return
	}
	if !volatile[lastKey(where)] && enumPattern.MatchString(recorded) && recorded != ours {
		c.add(valueDiffers, where, recorded, ours)
	}
}

// A number of at least this many seconds since 1970 is a time.
const times = 1e9

func (c *comparison) numbers(where string, recorded, ours float64) {
	if volatile[lastKey(where)] || recorded == ours || recorded >= times && ours >= times {
		return
	}
	c.add(valueDiffers, where, fmt.Sprint(recorded), fmt.Sprint(ours))
}

// lists compares the items of two lists in order.
func (c *comparison) lists(within, path string, recorded, ours []any) {
	if len(recorded) != len(ours) {
		c.add(valueDiffers, within+" "+path, count(len(recorded)), count(len(ours)))
	}
	for n := range min(len(recorded), len(ours)) {
		c.values(within, path+"[]", recorded[n], ours[n])
	}
}

func count(n int) string {
	if n == 1 {
		return "1 item"
	}
	return fmt.Sprintf("%d items", n)
}

// answer compares two answers. In a list that is a whole answer, objects are compared with those that stand for them: the list of a
// real account also has objects that the cassette did not make.
func (c *comparison) answer(recorded, ours map[string]any) {
	theirs, isList := recorded["data"].([]any)
	items, alsoList := ours["data"].([]any)
	if !isList || !alsoList {
		c.objects("", "", recorded, ours)
		return
	}
	envelope := func(list map[string]any) map[string]any {
		list = maps.Clone(list)
		delete(list, "data")
		delete(list, "has_more")
		return list
	}
	c.objects("list", "", envelope(recorded), envelope(ours))
	if c.filtered {
		c.lists("list", "data", theirs, items)
		return
	}
	byID := map[string]any{}
	for _, item := range items {
		byID[text(pick(item, "id"))] = item
	}
	for _, item := range theirs {
		id := text(pick(item, "id"))
		if our, known := c.ids.ours[id]; known {
			id = our
		}
		if byID[id] != nil {
			c.values("list", "data[]", item, byID[id])
		}
	}
}

// enumPattern matches values that Stripe chooses from a fixed set.
var enumPattern = regexp.MustCompile(`^[a-z][a-z0-9_.]*$`)

func lastKey(where string) string {
	return strings.TrimSuffix(where[strings.LastIndexAny(where, " .")+1:], "[]")
}

func jsonType(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	}
	return 0
}
