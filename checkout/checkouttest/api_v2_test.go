package checkouttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// requestV2 sends a request to /v2 without stripe-go. The body is a value to write as JSON, a text to send as it is, or nil.
func requestV2(t testing.TB, srv *checkouttest.Server, method, path string, body any, header ...string) (*http.Response, map[string]any) {
	t.Helper()
	sent, isText := body.(string)
	if body != nil && !isText {
		raw, err := json.Marshal(body)
		require.NoError(t, err)
		sent = string(raw)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, srv.URL()+path, strings.NewReader(sent))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+srv.Key())
	r.Header.Set("Stripe-Version", stripe.APIVersion)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := srv.Transport().RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var decoded map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&decoded))
	return resp, decoded
}

func TestErrorsOfV2(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	const events, destinations = "/v2/core/events", "/v2/core/event_destinations"
	fields := func(problem string) map[string]any {
		return map[string]any{"code": "invalid_fields", "message": "Some fields in the request were invalid: '" + problem + "'"}
	}
	for name, c := range map[string]struct {
		method, path string
		body         any
		header       []string
		status       int
		err          map[string]any // nil: no matter
	}{
		"no such event":       {path: events + "/evt_1", status: 404, err: map[string]any{"code": "not_found", "message": "No such object: 'evt_1'"}},
		"no such path":        {path: "/v2/core/nothing", status: 404},
		"no version":          {path: events, header: []string{"Stripe-Version", ""}, status: 400},
		"wrong version":       {path: events, header: []string{"Stripe-Version", "2020-08-28"}, status: 400},
		"no key":              {path: events, header: []string{"Authorization", ""}, status: 401},
		"unknown field":       {path: events + "?colour=red", status: 400, err: fields("colour: Unknown field.")},
		"v1's pages":          {path: events + "?starting_after=evt_1", status: 400, err: fields("starting_after: Unknown field.")},
		"v1's expand":         {path: events + "?expand[]=data", status: 400, err: fields("expand: Unknown field.")},
		"nested unknown":      {method: "POST", path: destinations, body: map[string]any{"webhook_endpoint": map[string]any{"colour": "red"}}, status: 400, err: fields("webhook_endpoint.colour: Unknown field.")},
		"limit":               {path: events + "?limit=0", status: 400, err: fields("limit: Must be between 1 and 100.")},
		"token":               {path: events + "?page=page_1", status: 400, err: fields("page: Invalid page token.")},
		"token without event": {path: events + "?page=page_aevt_1", status: 400, err: fields("page: Invalid page token.")},
		"time":                {path: events + "?created[gt]=1700000000", status: 400, err: fields("created.gt: Invalid timestamp: must be in RFC 3339, such as 2026-10-01T09:00:00Z.")},
		"types":               {path: events + "?" + strings.Repeat("types=a.b&", 21), status: 400, err: fields("types: Must have at most 20 items.")},
		"form in the body":    {method: "POST", path: destinations, body: "name=x", status: 400},
		"two objects":         {method: "POST", path: destinations, body: "{} {}", status: 400},
		"a list":              {method: "POST", path: destinations, body: "[]", status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.method == "" {
				c.method = "GET"
			}
			resp, body := requestV2(t, srv, c.method, c.path, c.body, c.header...)
			require.Equal(t, c.status, resp.StatusCode, body)
			got := body["error"].(map[string]any)
			require.NotEmpty(t, got["message"])
			require.NotContains(t, got, "param")
			require.NotContains(t, got, "doc_url")
			if c.err != nil {
				require.Equal(t, c.err, got)
			}
		})
	}
}

func TestFaultsOfV2(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	srv.Faults(checkouttest.RateLimit(time.Second).For("GET /v2/*"))
	resp, body := requestV2(t, srv, "GET", "/v2/core/events", nil)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.Equal(t, "rate_limit", body["error"].(map[string]any)["code"])
	srv.Faults(checkouttest.ServerError())
	resp, body = requestV2(t, srv, "GET", "/v2/core/events", nil)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Equal(t, "api_error", body["error"].(map[string]any)["type"])
	srv.Faults()
	resp, _ = request(t, srv, "GET", "/v2/core/events", nil, "Stripe-Version", stripe.APIVersion)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// listThin lists thin events, and returns their types, newest first, with the links of the page.
func listThin(t *testing.T, srv *checkouttest.Server, query string, header ...string) (types []string, next, previous string) {
	t.Helper()
	if query != "" && !strings.HasPrefix(query, "/") {
		query = "/v2/core/events?" + query
	}
	if query == "" {
		query = "/v2/core/events"
	}
	resp, body := requestV2(t, srv, "GET", query, nil, header...)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	types = []string{}
	for _, e := range body["data"].([]any) {
		types = append(types, str(e.(map[string]any)["type"]))
	}
	return types, str(body["next_page_url"]), str(body["previous_page_url"])
}

func TestListThinEvents(t *testing.T) {
	t.Parallel()
	srv, _ := newThinServer(t, checkouttest.Snapshot)
	first := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(first, checkouttest.CardOK))
	srv.Advance(time.Hour)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	const updated = "v1.charge.updated"
	newest := []string{thinTypes[3], thinTypes[2], thinTypes[1], thinTypes[0]}
	types := func(query string) []string { got, _, _ := listThin(t, srv, query); return got }

	require.Equal(t, slices.Concat(newest, []string{updated}, newest), types(""))
	require.Equal(t, append(slices.Clone(newest), updated), types("created[gt]=2026-10-01T09:00:00.005Z"))
	require.Len(t, types("created[gte]=2026-10-01T09:00:00.005Z"), 9)
	require.Len(t, types("created[lt]="+url.QueryEscape("2026-10-01T12:00:00.005+02:00")), 5)
	require.Len(t, types("created[lte]="+url.QueryEscape("2026-10-01T12:00:00.005+02:00")), 9)
	require.Empty(t, types("created[gt]=2026-10-01T09:30:00Z&created[lt]=2026-10-01T09:31:00Z"))
	require.Equal(t, thinTypes[3:], types("object_id="+first))
	for _, query := range []string{"types=v1.charge.succeeded&types=v1.refund.created", "types[]=v1.charge.succeeded", "types[0]=v1.charge.succeeded"} {
		require.Equal(t, []string{"v1.charge.succeeded", "v1.charge.succeeded"}, types(query), query)
	}
	require.Empty(t, types("types=charge.succeeded"), "that is the type of a snapshot event")
	require.Empty(t, types("object_id=cs_1"))

	srv.Advance(30*24*time.Hour - time.Hour)
	require.Len(t, types(""), 10)
	srv.Advance(time.Millisecond)
	require.Equal(t, slices.Concat([]string{updated}, newest, []string{updated}), types(""), "events are kept for 30 days")
	resp, _ := requestV2(t, srv, "GET", "/v2/core/events/"+srv.ThinEvents()[0].ID, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestPagesOfThinEvents(t *testing.T) {
	t.Parallel()
	srv, _ := newThinServer(t, checkouttest.Snapshot)
	pay := func() { require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK)) }
	for range 6 {
		pay()
	}
	_, next, previous := listThin(t, srv, "")
	require.NotEmpty(t, next)
	require.Empty(t, previous)
	one, next, previous := listThin(t, srv, "limit=3&types=v1.charge.succeeded&types=v1.checkout.session.completed")
	require.Equal(t, []string{thinTypes[3], thinTypes[0], thinTypes[3]}, one)
	require.Empty(t, previous)
	pay() // a new event moves no page
	two, next, previous := listThin(t, srv, next)
	require.Equal(t, []string{thinTypes[0], thinTypes[3], thinTypes[0]}, two)
	require.NotEmpty(t, previous)
	back, _, _ := listThin(t, srv, previous)
	require.Equal(t, one, back)
	for range 2 {
		two, next, _ = listThin(t, srv, next)
		require.Len(t, two, 3)
	}
	require.Empty(t, next, "the last page is full")

	// stripe-go follows the pages.
	seen := 0
	for e, err := range srv.Client().V2CoreEvents.List(t.Context(), &stripe.V2CoreEventListParams{Limit: stripe.Int64(5)}) {
		require.NoError(t, err)
		require.NotNil(t, e)
		seen++
	}
	require.Equal(t, 28, seen)
}

func TestRetrieveThinEvent(t *testing.T) {
	t.Parallel()
	srv, _ := newThinServer(t, checkouttest.Snapshot)
	id := create(t, srv, tee()).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	refund, err := srv.Refund(id, 500)
	require.NoError(t, err)
	byType := map[string]map[string]any{}
	for _, e := range srv.ThinEvents() {
		resp, body := requestV2(t, srv, "GET", "/v2/core/events/"+e.ID, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		for _, key := range []string{"id", "object", "type", "created", "livemode", "context", "reason", "related_object", "snapshot_event", "changes"} {
			require.Contains(t, body, key)
		}
		require.Equal(t, e.Snapshot, body["snapshot_event"])
		byType[e.Type] = body
	}
	require.Nil(t, byType["v1.refund.created"]["changes"])
	require.Equal(t, map[string]any{"id": refund, "type": "refund", "url": "/v1/refunds/" + refund}, byType["v1.refund.created"]["related_object"])
	changes := byType["v1.charge.refunded"]["changes"].(map[string]any)
	require.Equal(t, map[string]any{"amount_refunded": 0.0}, changes["before"])
	require.Equal(t, map[string]any{"amount_refunded": 500.0}, changes["after"])

	last := srv.ThinEvents()[0]
	e, err := srv.Client().V2CoreEvents.Retrieve(t.Context(), last.ID, nil)
	require.NoError(t, err)
	require.IsType(t, &stripe.V2RawEvent{}, e, "this version of stripe-go has no type for it")
	_, err = srv.Client().V2CoreEvents.Retrieve(t.Context(), "evt_1", nil)
	var refusal *stripe.V2RawError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "not_found", refusal.Code)
	resp, _ := requestV2(t, srv, "GET", "/v2/core/events/"+last.Snapshot, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "a snapshot event")
	resp, _ = request(t, srv, "GET", "/v1/events/"+last.ID, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestThinEventsOfAnAccount(t *testing.T) {
	t.Parallel()
	srv, _ := newThinServer(t, checkouttest.Snapshot)
	_, body := request(t, srv, "POST", "/v1/checkout/sessions", teeForm(), "Stripe-Account", "acct_1")
	require.NoError(t, srv.Pay(str(body["id"]), checkouttest.CardOK))
	id := srv.ThinEvents()[0].ID
	for _, header := range []string{"Stripe-Account", "Stripe-Context"} {
		types, _, _ := listThin(t, srv, "", header, "acct_1")
		require.Len(t, types, 4)
		resp, body := requestV2(t, srv, "GET", "/v2/core/events/"+id, nil, header, "acct_1")
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "acct_1", body["context"])
	}
	types, _, _ := listThin(t, srv, "")
	require.Empty(t, types)
	resp, _ := requestV2(t, srv, "GET", "/v2/core/events/"+id, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}
