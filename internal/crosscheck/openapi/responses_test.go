package openapi

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The description of v0.195.0 allows every answer and every event of the test server.
func TestResponses(t *testing.T) {
	t.Parallel()
	check, w := checker(t), newWalk(t)
	customer, price := w.catalogue()
	w.payments(customer, price)
	w.moneyBack()
	w.transfers()
	w.intents()
	w.billing()
	w.changesOverAPI()
	w.setups()
	w.taxes()
	w.links(price)
	w.endpointsAndEvents()
	w.subscriptions() // last: events are listed for thirty days
	w.get("/v1/events", "limit", "100")
	w.errors()

	wrong := map[string]int{}
	note := func(where string, problems []string) {
		for _, p := range problems {
			wrong[where+": "+p]++
		}
	}
	hit, objects := map[string]bool{}, map[string]int{}
	for _, x := range w.tap.seen {
		_, pattern := check.Spec.Find(x.method, x.path)
		hit[anonymous(x.method+" "+pattern)] = true
		if pattern == "" {
			hit["POST /v1/events/{id}/retry"] = hit["POST /v1/events/{id}/retry"] || strings.HasSuffix(x.path, "/retry")
			continue
		}
		note(x.method+" "+pattern, check.Response(x.method, x.path, x.status, x.answer))
		var body any
		require.NoError(t, json.Unmarshal(x.answer, &body))
		count(body, objects)
	}
	for _, payload := range w.events {
		var e struct{ Type string }
		require.NoError(t, json.Unmarshal(payload, &e))
		note("event "+e.Type, check.Event(payload))
		var body any
		require.NoError(t, json.Unmarshal(payload, &body))
		count(body, objects)
	}
	total := 0
	for _, n := range objects {
		total += n
	}
	t.Logf("%d answers and %d events with %d objects checked: %v", len(w.tap.seen), len(w.events), total, objects)
	for _, p := range slices.Sorted(maps.Keys(wrong)) {
		t.Errorf("%s (%d times)", p, wrong[p])
	}
	for _, call := range serverCalls(t) {
		require.True(t, hit[call], "no answer to %s was checked", call)
	}
}

// count counts the API objects in a value.
func count(v any, by map[string]int) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			count(item, by)
		}
	case map[string]any:
		if kind, ok := v["object"].(string); ok {
			by[kind]++
		}
		for _, field := range v {
			count(field, by)
		}
	}
}

// serverCalls returns the calls whose parameters the test server knows.
func serverCalls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../checkout/checkouttest/params.txt")
	require.NoError(t, err)
	var calls []string
	for line := range strings.Lines(string(text)) {
		if call := strings.TrimSpace(line); strings.Contains(call, " /v1/") {
			calls = append(calls, anonymous(call))
		}
	}
	require.NotEmpty(t, calls)
	return calls
}

// anonymous replaces the variables of a path by {id}: descriptions name them differently.
func anonymous(call string) string {
	segs := strings.Split(call, "/")
	for i, s := range segs {
		if strings.HasPrefix(s, "{") {
			segs[i] = "{id}"
		}
	}
	return strings.Join(segs, "/")
}
