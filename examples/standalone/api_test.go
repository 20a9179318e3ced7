package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ask sends a request to the control API, and returns the answer.
func (p *running) ask(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(p.control, "/")+path, strings.NewReader(body))
	require.NoError(t, err)
	if p.token != "" {
		request.Header.Set("Authorization", "Bearer "+p.token)
	}
	p.do(t, request)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(p.body), &answer), p.body)
	return answer
}

// A described is the part of the OpenAPI description that the test compares.
type described struct {
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Properties map[string]schema
	Required   []string
	Items      *schema
	Enum       []string
}

// fits checks that a value has the fields that a schema requires, and no other ones than it names.
func (d described) fits(t *testing.T, s schema, v any) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		require.Contains(t, d.Components.Schemas, name)
		s = d.Components.Schemas[name]
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.Required {
			require.Contains(t, v, name)
		}
		for name, field := range v {
			require.Contains(t, s.Properties, name, "the description does not have it")
			d.fits(t, s.Properties[name], field)
		}
	case []any:
		require.NotNil(t, s.Items)
		for _, one := range v {
			d.fits(t, *s.Items, one)
		}
	}
}

func description(t *testing.T) (d described) {
	t.Helper()
	require.NoError(t, json.Unmarshal(openAPI, &d))
	return d
}

// The description names the routes that there are, with the fields and the kinds of faults that they take.
func TestOpenAPINamesEveryRoute(t *testing.T) {
	t.Parallel()
	d := description(t)
	var described []string
	for path, methods := range d.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	built := []string{"GET /api/clock", "GET /api/events"}
	for _, route := range routes {
		built = append(built, route.pattern)
		method, path, _ := strings.Cut(route.pattern, " ")
		var fields []string
		for name := range d.Paths[path][strings.ToLower(method)].RequestBody.Content["application/json"].Schema.Properties {
			fields = append(fields, name)
		}
		require.ElementsMatch(t, route.takes, fields, route.pattern)
	}
	require.ElementsMatch(t, built, described)
	for kind := range faultKinds {
		require.Contains(t, d.Components.Schemas["Fault"].Properties["kind"].Enum, kind)
	}
	require.Len(t, d.Components.Schemas["Fault"].Properties["kind"].Enum, len(faultKinds))
}

// Each answer of the control API, to good and bad requests, has the status and the shape that the description gives.
func TestControlAPI(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := start(t, "-webhook", in.url)
	d := description(t)
	seen := map[string]bool{}
	ask := func(pattern, id, body string, status int) map[string]any {
		t.Helper()
		method, path, _ := strings.Cut(pattern, " ")
		answer := p.ask(t, method, strings.Replace(path, "{id}", id, 1), body)
		require.Equal(t, status, p.status, "%s %s: %s", pattern, body, p.body)
		responses := d.Paths[path][strings.ToLower(method)].Responses
		code := http.StatusText(status)
		for described, response := range responses {
			if described == strings.TrimSpace(map[int]string{200: "200", 400: "400", 402: "402", 404: "404", 409: "409"}[status]) {
				d.fits(t, response.Content["application/json"].Schema, answer)
				code = ""
			}
		}
		require.Empty(t, code, "%s may not answer so", pattern)
		seen[pattern] = true
		return answer
	}
	session, _ := p.create(t)
	ask("POST /api/sessions/{id}/pay", session, `{"method": "4000000000000002"}`, 402)
	ask("POST /api/sessions/{id}/pay", session, `{"card": "4000000000000002"}`, 400)
	ask("POST /api/sessions/{id}/pay", "cs_test_none", `{"method": "4242424242424242"}`, 404)
	ask("POST /api/sessions/{id}/pay", session, `{"method": "4000000000007726"}`, 200)
	require.Equal(t, 1, in.got("checkout.session.completed"), "a command waits for the webhook")
	ask("POST /api/sessions/{id}/pay", session, `{"method": "4242424242424242"}`, 409)
	ask("POST /api/sessions/{id}/settle", session, "", 409)
	ask("POST /api/sessions/{id}/bounce", session, "", 409)
	ask("POST /api/sessions/{id}/transfer", session, `{"amount": 0}`, 400)
	ask("POST /api/sessions/{id}/transfer", session, `{"amount": 500}`, 409)
	refund := ask("POST /api/sessions/{id}/refund", session, `{"amount": 500}`, 200)["id"].(string)
	ask("POST /api/sessions/{id}/refund", session, `{"amount": 0}`, 400)
	ask("POST /api/sessions/{id}/refund", session, `{"amount": 1500}`, 409)
	ask("POST /api/refunds/{id}/settle", refund, "", 200)
	ask("POST /api/refunds/{id}/fail", refund, "", 200)
	ask("POST /api/refunds/{id}/fail", "re_none", "", 404)
	dispute := ask("POST /api/sessions/{id}/dispute", session, "", 200)["id"].(string)
	ask("POST /api/disputes/{id}/win", dispute, "", 200)
	ask("POST /api/disputes/{id}/lose", dispute, "", 409)
	other, _ := p.create(t)
	ask("POST /api/sessions/{id}/pay", other, `{"method": "4242424242424242"}`, 200)
	inquiry := ask("POST /api/sessions/{id}/inquire", other, "", 200)["id"].(string)
	ask("POST /api/disputes/{id}/lose", inquiry, "", 200)

	// The clock goes by the second.
	before := ask("GET /api/clock", "", "", 200)["now"].(string)
	ask("POST /api/clock/advance", "", `{"seconds": 1}`, 200)
	ask("POST /api/clock/advance", "", `{"seconds": 0}`, 400)
	require.Greater(t, ask("GET /api/clock", "", "", 200)["now"].(string), before)

	// Faults. A lost delivery is tried again when its time comes.
	ask("PUT /api/faults", "", `{"faults": [{"kind": "gremlin"}]}`, 400)
	ask("PUT /api/faults", "", `{"faults": [{"kind": "delay"}]}`, 400)
	ask("PUT /api/faults", "", `{"faults": [{"kind": "drop", "for": ["checkout.session.expired"], "on": [1]}]}`, 200)
	open, _ := p.create(t)
	ask("POST /api/clock/advance", "", `{"seconds": 86401}`, 200)
	ask("PUT /api/faults", "", `{"faults": []}`, 200)
	ask("POST /api/clock/advance", "", `{"seconds": 600}`, 200)
	require.Equal(t, 1, in.got("checkout.session.expired"), open)
	events := ask("GET /api/events", "", "", 200)["events"].([]any)
	i := slices.IndexFunc(events, func(e any) bool { return e.(map[string]any)["type"] == "checkout.session.expired" })
	require.Len(t, events[i].(map[string]any)["attempts"], 2)
	ask("POST /api/events/{id}/deliver", events[i].(map[string]any)["id"].(string), "", 200)
	require.Equal(t, 2, in.got("checkout.session.expired"))

	ask("POST /api/reset", "", "", 200)
	require.Empty(t, ask("GET /api/events", "", "", 200)["events"])
	p.ask(t, http.MethodGet, "/api/clock?account=nobody", "")
	require.Equal(t, http.StatusNotFound, p.status)
	for _, route := range routes {
		require.True(t, seen[route.pattern], route.pattern)
	}
}
