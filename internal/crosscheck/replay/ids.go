package main

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// idPattern matches the IDs and client secrets that Stripe makes up: a prefix, and letters and digits of which one is a digit or a capital.
var idPattern = regexp.MustCompile(`\b[a-z]{2,}(?:_[a-z]+)*_[A-Za-z0-9]{8,}(?:_secret_[A-Za-z0-9]+)?\b`)

func isID(s string) bool {
	tail := s[strings.LastIndexByte(s, '_')+1:]
	return s != "" && idPattern.FindString(s) == s && strings.ContainsAny(tail, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// An idMap maps recorded IDs to those that the test server gave at the same place.
type idMap struct {
	ours     map[string]string
	recorded map[string]string // the other way round
	seen     map[string]bool   // recorded IDs of the answers so far
}

func newIDMap() *idMap {
	return &idMap{ours: map[string]string{}, recorded: map[string]string{}, seen: map[string]bool{}}
}

// learn maps a recorded ID to ours. The first place counts. Accounts keep their IDs, since any account is one of the test server's.
func (ids *idMap) learn(recorded, ours string) {
	if _, known := ids.ours[recorded]; known || strings.HasPrefix(recorded, "acct_") {
		return
	}
	if _, taken := ids.recorded[ours]; taken {
		return
	}
	ids.ours[recorded], ids.recorded[ours] = ours, recorded
}

// translate replaces the recorded IDs in a text.
func (ids *idMap) translate(s string) string {
	return idPattern.ReplaceAllStringFunc(s, func(id string) string {
		if ours, known := ids.ours[id]; known {
			return ours
		}
		return id
	})
}

// see notes all IDs of a recorded answer.
func (ids *idMap) see(v any) {
	switch v := v.(type) {
	case string:
		if isID(v) {
			ids.seen[v] = true
		}
	case []any:
		for _, item := range v {
			ids.see(item)
		}
	case map[string]any:
		for _, inner := range v {
			ids.see(inner)
		}
	}
}

// named are the parameters that name an object by an ID which a shop may have chosen itself.
var named = map[string]bool{"price": true, "plan": true, "product": true, "coupon": true, "promotion_code": true, "default_price": true}

// foreign are the parameters whose texts are the shop's own, so that what looks like an ID names nothing at Stripe.
var foreign = map[string]bool{"metadata": true, "description": true, "success_url": true, "cancel_url": true, "return_url": true,
	"client_reference_id": true, "statement_descriptor": true, "transfer_group": true, "idempotency_key": true}

// references returns the IDs that a request names, in its path and its parameters, and that are no account's.
func references(i interaction) []string {
	var found []string
	add := func(s string) {
		for _, id := range idPattern.FindAllString(s, -1) {
			if isID(id) && !strings.HasPrefix(id, "acct_") {
				found = append(found, id)
			}
		}
	}
	segments, isParam := segmentsOf(i.path)
	for n, segment := range segments {
		switch {
		case !isParam[n] || testObject(segment):
		case isID(segment):
			add(segment)
		default:
			found = append(found, segment)
		}
	}
	for _, raw := range []string{i.query, i.body} {
		if strings.HasPrefix(strings.TrimSpace(raw), "{") {
			add(raw)
			continue
		}
		values, _ := url.ParseQuery(raw)
		for key, texts := range values {
			parts := strings.Split(strings.ReplaceAll(key, "]", ""), "[")
			own := false
			for _, part := range parts {
				own = own || foreign[part]
			}
			if own {
				continue
			}
			for _, value := range texts {
				if named[parts[len(parts)-1]] && value != "" && !isID(value) {
					found = append(found, value)
					continue
				}
				add(value)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// testObject reports whether an ID is one of https://docs.stripe.com/testing, which each account has, such as pm_card_visa.
func testObject(id string) bool {
	return strings.HasPrefix(id, "pm_card_") || strings.HasPrefix(id, "tok_") && !isID(id)
}

// namespaces are the first words of paths below which the collections lie, such as /v1/checkout/sessions.
var namespaces = []string{
	"apple_pay", "apps", "billing", "billing_portal", "checkout", "climate", "core", "entitlements", "financial_connections", "forwarding",
	"identity", "issuing", "radar", "reporting", "sigma", "tax", "terminal", "test_helpers", "treasury",
}

// notIDs are the words that stand in paths where the ID of an object stands otherwise.
var notIDs = []string{"create_preview", "preview", "search", "upcoming"}

// segmentsOf returns the segments of a path and which of them are IDs. IDs and words take turns after the first collection.
func segmentsOf(path string) (segments []string, isParam []bool) {
	segments = strings.Split(strings.Trim(path, "/"), "/")
	isParam = make([]bool, len(segments))
	collection := 1
	for collection < len(segments)-1 && slices.Contains(namespaces, segments[collection]) {
		collection++
	}
	for n := collection + 1; n < len(segments); n += 2 {
		isParam[n] = !slices.Contains(notIDs, segments[n])
	}
	return segments, isParam
}

// route returns the route of a request, such as "GET /v1/charges/{id}".
func route(i interaction) string {
	segments, isParam := segmentsOf(i.path)
	for n := range segments {
		if isParam[n] {
			segments[n] = "{id}"
		}
	}
	return i.method + " /" + strings.Join(segments, "/")
}
