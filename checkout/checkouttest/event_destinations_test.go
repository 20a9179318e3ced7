package checkouttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

const destinationsPath = "/v2/core/event_destinations"

// destination returns the parameters of a thin event destination. Pairs of keys and values change them; nil removes a key.
func destination(url string, pairs ...any) map[string]any {
	params := map[string]any{
		"name": "orders", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": thinTypes,
		"webhook_endpoint": map[string]any{"url": url}, "include": []string{"webhook_endpoint.signing_secret"},
	}
	for i := 0; i < len(pairs); i += 2 {
		params[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(params, pairs[i].(string))
		}
	}
	return params
}

func createDestination(t *testing.T, srv *checkouttest.Server, params map[string]any, header ...string) (id, secret string) {
	t.Helper()
	resp, body := requestV2(t, srv, "POST", destinationsPath, params, header...)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	return str(body["id"]), str(body["webhook_endpoint"].(map[string]any)["signing_secret"])
}

// newThinShop starts a receiver over HTTP that keeps the types and the last body of its events of both kinds.
func newThinShop(t *testing.T) (*shop, func() notification) {
	s := newShop(t)
	s.decode = func(body []byte) (typ string, err error) {
		var kind struct{ Type string }
		err = json.Unmarshal(body, &kind)
		return kind.Type, err
	}
	return s, func() (n notification) {
		s.mu.Lock()
		defer s.mu.Unlock()
		require.NoError(t, json.Unmarshal([]byte(s.body), &n))
		return n
	}
}

func TestThinDestination(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Date(2026, 10, 1, 9, 0, 0, 0, time.UTC)})
	in := newInbox(srv)
	to, last := newThinShop(t)
	id, secret := createDestination(t, srv, destination(to.URL+"/thin", "enabled_events", []string{"v1.charge.succeeded", "v1." + completedType}))
	require.Regexp(t, `^ed_test_61\w+$`, id)
	require.Regexp(t, `^whsec_\w+$`, secret)
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Len(t, in.types(t), 4, "the default endpoint gets its snapshot events")
	require.Equal(t, "v1.charge.succeeded v1."+completedType, to.take())
	require.Equal(t, completed(t, srv).ID, last().SnapshotEvent)
	_, valid := to.signedWith(t, srv.Now(), secret, srv.WebhookSecret())
	require.Equal(t, []bool{true, false}, valid)
	thin := srv.ThinEvents()[3]
	require.Equal(t, id, thin.Attempts[0].Endpoint)

	// It has retries of its own.
	to.status = http.StatusServiceUnavailable
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	to.take()
	to.status = http.StatusOK
	srv.Advance(5 * time.Minute)
	require.Equal(t, "v1.charge.succeeded v1."+completedType, to.take())

	rolled, err := srv.RollSecret(id, time.Hour)
	require.NoError(t, err)
	require.NoError(t, srv.Redeliver(thin.ID))
	v1, valid := to.signedWith(t, srv.Now(), secret, rolled)
	require.Equal(t, 2, v1)
	require.Equal(t, []bool{true, true}, valid)
}

func TestSnapshotDestination(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	to, old := newShop(t), newShop(t)
	createDestination(t, srv, destination(to.URL, "event_payload", "snapshot", "enabled_events", []string{"*"}))
	resp, body := requestV2(t, srv, "POST", destinationsPath, destination(old.URL, "event_payload", "snapshot", "enabled_events", []string{"*"}, "snapshot_api_version", "2022-11-15"))
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	require.Equal(t, "2022-11-15", body["snapshot_api_version"])
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	require.Equal(t, strings.Join(snapshotTypes, " "), to.take())
	require.Equal(t, stripe.APIVersion, to.version)
	require.Equal(t, strings.Join(snapshotTypes, " "), old.take())
	require.Equal(t, "2022-11-15", old.version)
}

func TestEventsFrom(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	pay := func(account string) {
		params := tee()
		if account != "" {
			params.SetStripeAccount(account)
		}
		require.NoError(t, srv.Pay(create(t, srv, params).ID, checkouttest.CardOK))
	}
	for i, c := range []struct {
		from            []string
		own, ofAccounts int
	}{
		{nil, 4, 0}, {[]string{"@self"}, 4, 0}, {[]string{"self"}, 4, 0}, {[]string{"@accounts"}, 0, 4}, {[]string{"other_accounts"}, 0, 4},
		{[]string{"@self", "@accounts"}, 4, 4},
	} {
		to, last := newThinShop(t)
		params := destination(to.URL)
		if c.from != nil {
			params["events_from"] = c.from
		}
		id, _ := createDestination(t, srv, params)
		pay("")
		require.Len(t, strings.Fields(to.take()), c.own, i)
		pay("acct_1")
		require.Len(t, strings.Fields(to.take()), c.ofAccounts, i)
		if c.ofAccounts > 0 {
			require.Equal(t, "acct_1", *last().Context)
		}
		resp, _ := requestV2(t, srv, "DELETE", destinationsPath+"/"+id, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
}

func TestDestinationIsShown(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Date(2026, 10, 1, 9, 0, 0, 0, time.UTC)})
	to, _ := newThinShop(t)
	endpoint := func(body map[string]any) any { return body["webhook_endpoint"] }
	_, made := requestV2(t, srv, "POST", destinationsPath, destination(to.URL, "include", nil, "enabled_events", thinTypes[3:], "description", "why", "metadata", map[string]any{"a": "b", "c": "d"}))
	id := str(made["id"])
	want := map[string]any{
		"id": id, "object": "v2.core.event_destination", "created": "2026-10-01T09:00:00.000Z", "updated": "2026-10-01T09:00:00.000Z",
		"description": "why", "enabled_events": []any{thinTypes[3]}, "event_payload": "thin", "events_from": []any{"self"}, "livemode": false,
		"metadata": map[string]any{"a": "b", "c": "d"}, "name": "orders", "snapshot_api_version": nil, "status": "enabled",
		"status_details": nil, "type": "webhook_endpoint", "webhook_endpoint": map[string]any{"signing_secret": nil, "url": nil},
	}
	require.Equal(t, want, made)
	_, shown := requestV2(t, srv, "GET", destinationsPath+"/"+id, nil)
	require.Equal(t, made, shown)
	_, shown = requestV2(t, srv, "GET", destinationsPath+"/"+id+"?include=webhook_endpoint.url", nil)
	require.Equal(t, map[string]any{"signing_secret": nil, "url": to.URL}, endpoint(shown))
	resp, body := requestV2(t, srv, "GET", destinationsPath+"/"+id+"?include=webhook_endpoint.signing_secret", nil)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "Some fields in the request were invalid: 'include[0]: Unrecognized enum value 'webhook_endpoint.signing_secret', valid values are: webhook_endpoint.url.'", body["error"].(map[string]any)["message"])

	srv.Advance(time.Second)
	resp, body = requestV2(t, srv, "POST", destinationsPath+"/"+id, map[string]any{"name": "all orders", "metadata": map[string]any{"a": nil, "e": "f"}, "enabled_events": []string{"v1.charge.failed"}})
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	want["name"], want["metadata"], want["updated"] = "all orders", map[string]any{"c": "d", "e": "f"}, "2026-10-01T09:00:01.000Z"
	want["enabled_events"] = []any{"v1.charge.failed"}
	require.Equal(t, want, body)
	for _, field := range []string{"event_payload", "events_from", "snapshot_api_version", "type"} {
		resp, _ := requestV2(t, srv, "POST", destinationsPath+"/"+id, map[string]any{field: "x"})
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, field)
	}

	_, body = requestV2(t, srv, "GET", destinationsPath, nil)
	require.Equal(t, map[string]any{"data": []any{want}, "next_page_url": nil, "previous_page_url": nil}, body)
	_, body = requestV2(t, srv, "GET", destinationsPath, nil, "Stripe-Account", "acct_1")
	require.Empty(t, body["data"])
	resp, _ = request(t, srv, "GET", "/v1/webhook_endpoints/"+id, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	_, body = request(t, srv, "GET", "/v1/webhook_endpoints", nil)
	require.Empty(t, body["data"])
	for _, call := range []string{"GET ", "POST ", "DELETE ", "POST /enable", "POST /disable", "POST /ping"} {
		method, path, _ := strings.Cut(call, " ")
		for id, account := range map[string]string{"ed_1": "", id: "acct_1"} {
			resp, body := requestV2(t, srv, method, destinationsPath+"/"+id+path, nil, "Stripe-Context", account)
			require.Equal(t, http.StatusNotFound, resp.StatusCode, call)
			require.Equal(t, "not_found", body["error"].(map[string]any)["code"])
		}
	}
}

func TestSwitchedDestination(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	api, ctx := srv.Client(), context.Background()
	to, _ := newThinShop(t)
	id, _ := createDestination(t, srv, destination(to.URL))
	pay := func() string {
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		return to.take()
	}
	thin := strings.Join(thinTypes, " ")
	require.Equal(t, thin, pay())
	off, err := api.V2CoreEventDestinations.Disable(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, stripe.V2EventDestinationStatusDisabled, off.Status)
	require.Equal(t, stripe.V2EventDestinationStatusDetailsDisabledReasonUser, off.StatusDetails.Disabled.Reason)
	require.Empty(t, pay())
	on, err := api.V2CoreEventDestinations.Enable(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, stripe.V2EventDestinationStatusEnabled, on.Status)
	require.Nil(t, on.StatusDetails)
	require.Equal(t, thin, pay(), "and not what was missed")
	gone, err := api.V2CoreEventDestinations.Delete(ctx, id, nil)
	require.NoError(t, err)
	require.Equal(t, id, gone.ID)
	require.Empty(t, pay())
	for _, err := range api.V2CoreEventDestinations.List(ctx, nil) {
		require.NoError(t, err)
		require.Fail(t, "it is still listed")
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for _, payload := range []string{"thin", "snapshot"} {
		to, last := newThinShop(t)
		typ := map[string]string{"thin": "v1.charge.failed", "snapshot": "charge.failed"}[payload]
		id, _ := createDestination(t, srv, destination(to.URL, "event_payload", payload, "enabled_events", []string{typ}))
		resp, body := requestV2(t, srv, "POST", destinationsPath+"/"+id+"/ping", nil)
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		require.Equal(t, "v2.core.event_destination.ping", body["type"])
		require.Equal(t, map[string]any{"id": id, "type": "v2.core.event_destination", "url": destinationsPath + "/" + id}, body["related_object"])
		require.Nil(t, body["snapshot_event"])
		srv.Flush()
		require.Equal(t, "v2.core.event_destination.ping", to.take())
		require.Equal(t, body["id"], last().ID)
		require.Equal(t, id, last().RelatedObject.ID)
		require.Empty(t, last().SnapshotEvent)
		types, _, _ := listThin(t, srv, "object_id="+id)
		require.Equal(t, []string{"v2.core.event_destination.ping"}, types)
		_, err := srv.Client().V2CoreEventDestinations.Disable(t.Context(), id, nil)
		require.NoError(t, err)
		_, _ = requestV2(t, srv, "POST", destinationsPath+"/"+id+"/ping", nil)
		srv.Flush()
		require.Empty(t, to.take(), "it is disabled")
	}
}

func TestRefusedDestinations(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	const url = "http://127.0.0.1:9/"
	for want, params := range map[string]map[string]any{
		"name: This field is required.":                                                                            destination(url, "name", nil),
		"enabled_events: This field is required.":                                                                  destination(url, "enabled_events", []string{}),
		"event_payload: This field is required.":                                                                   destination(url, "event_payload", nil),
		"webhook_endpoint.url: This field is required.":                                                            destination(url, "webhook_endpoint", nil),
		"event_payload: Unrecognized enum value 'fat', valid values are: snapshot, thin.":                          destination(url, "event_payload", "fat"),
		"type: Unrecognized enum value 'azure_event_grid', valid values are: webhook_endpoint.":                    destination(url, "type", "azure_event_grid"),
		"events_from[0]: Unrecognized enum value 'all', valid values are: self, other_accounts, @self, @accounts.": destination(url, "events_from", []string{"all"}),
		"enabled_events[1]: 'charge.failed' is not a type of thin events.":                                         destination(url, "enabled_events", []string{"v1.charge.failed", "charge.failed"}),
		"enabled_events[0]: 'v1.charge.failed' is not a type of snapshot events.":                                  destination(url, "event_payload", "snapshot", "enabled_events", []string{"v1.charge.failed"}),
		"enabled_events[0]: Destinations of thin events must name each type.":                                      destination(url, "enabled_events", []string{"*"}),
		"enabled_events: Invalid array":                                                                            destination(url, "enabled_events", "*"),
		"snapshot_api_version: Must not be set for thin events, which have no API version.":                        destination(url, "snapshot_api_version", stripe.APIVersion),
		"snapshot_api_version: Invalid Stripe API version: new":                                                    destination(url, "event_payload", "snapshot", "enabled_events", []string{"*"}, "snapshot_api_version", "new"),
		"webhook_endpoint.url: Invalid URL: this test server delivers to loopback hosts only, over http or https.": destination("https://shop.example/"),
		"colour: Unknown field.": destination(url, "colour", "red"),
		"amazon_eventbridge: This test server does not implement the parameter amazon_eventbridge here.": destination(url, "amazon_eventbridge", map[string]any{"aws_region": "eu-west-1"}),
	} {
		resp, body := requestV2(t, srv, "POST", destinationsPath, params)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, want)
		require.Equal(t, "Some fields in the request were invalid: '"+want+"'", body["error"].(map[string]any)["message"])
	}
	for range 16 {
		createDestination(t, srv, destination(url))
	}
	resp, _ := requestV2(t, srv, "POST", destinationsPath, destination(url))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	resp, _ = request(t, srv, "POST", "/v1/webhook_endpoints", form("url", url, "enabled_events[]", "*"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "both kinds count")
	_, body := requestV2(t, srv, "GET", destinationsPath+"?limit=10", nil)
	require.Len(t, body["data"], 10)
	_, body = requestV2(t, srv, "GET", str(body["next_page_url"]), nil)
	require.Len(t, body["data"], 6)
}

// /v2 remembers what succeeded, and does again what failed.
func TestIdempotencyKeysOfV2(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	const url = "http://127.0.0.1:9/"
	post := func(params map[string]any) (int, map[string]any) {
		resp, body := requestV2(t, srv, "POST", destinationsPath, params, "Idempotency-Key", "k1")
		return resp.StatusCode, body
	}
	count := func() int {
		_, body := requestV2(t, srv, "GET", destinationsPath, nil)
		return len(body["data"].([]any))
	}
	status, _ := post(destination(url, "name", nil))
	require.Equal(t, http.StatusBadRequest, status)
	srv.Faults(checkouttest.ServerError().On(1), checkouttest.ServerError().AfterWrite().On(2), checkouttest.Reset().AfterWrite().On(3))
	status, _ = post(destination(url))
	require.Equal(t, http.StatusInternalServerError, status)
	srv.Faults(checkouttest.ServerError().AfterWrite())
	status, _ = post(destination(url))
	require.Equal(t, http.StatusInternalServerError, status)
	srv.Faults()
	require.Equal(t, 1, count())
	status, first := post(destination(url))
	require.Equal(t, http.StatusOK, status)
	srv.Advance(30*24*time.Hour - time.Second)
	_, again := post(destination(url))
	require.Equal(t, first, again)
	require.Equal(t, 1, count())
	status, body := post(destination(url, "name", "other"))
	require.Equal(t, http.StatusConflict, status)
	require.Equal(t, "idempotency_error", body["error"].(map[string]any)["code"])
	path := destinationsPath + "/" + str(first["id"])
	resp, _ := requestV2(t, srv, "POST", path, map[string]any{"name": "new"}, "Idempotency-Key", "k1")
	require.Equal(t, http.StatusOK, resp.StatusCode, "another call has keys of its own")
	for range 2 {
		resp, _ = requestV2(t, srv, "DELETE", path, nil, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	srv.Advance(time.Second)
	_, again = post(destination(url))
	require.NotEqual(t, fmt.Sprint(first["id"]), fmt.Sprint(again["id"]))

	for range 15 {
		createDestination(t, srv, destination(url))
	}
	resp, body = requestV2(t, srv, "POST", destinationsPath, destination(url), "Idempotency-Key", "k2")
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
	_, _ = requestV2(t, srv, "DELETE", destinationsPath+"/"+str(again["id"]), nil)
	resp, body = requestV2(t, srv, "POST", destinationsPath, destination(url), "Idempotency-Key", "k2")
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
}

func TestDestinationsWithStripeGo(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	api, ctx := srv.Client(), context.Background()
	to, _ := newThinShop(t)
	made, err := api.V2CoreEventDestinations.Create(ctx, &stripe.V2CoreEventDestinationCreateParams{
		Name: stripe.String("orders"), Type: stripe.String("webhook_endpoint"), EventPayload: stripe.String("thin"),
		EnabledEvents:   stripe.StringSlice(thinTypes),
		Include:         stripe.StringSlice([]string{"webhook_endpoint.signing_secret", "webhook_endpoint.url"}),
		WebhookEndpoint: &stripe.V2CoreEventDestinationCreateWebhookEndpointParams{URL: &to.URL},
	})
	require.NoError(t, err)
	require.Equal(t, to.URL, made.WebhookEndpoint.URL)
	require.NotEmpty(t, made.WebhookEndpoint.SigningSecret)
	got, err := api.V2CoreEventDestinations.Retrieve(ctx, made.ID, &stripe.V2CoreEventDestinationRetrieveParams{Include: stripe.StringSlice([]string{"webhook_endpoint.url"})})
	require.NoError(t, err)
	require.Equal(t, to.URL, got.WebhookEndpoint.URL)
	require.Empty(t, got.WebhookEndpoint.SigningSecret)
	changed, err := api.V2CoreEventDestinations.Update(ctx, made.ID, &stripe.V2CoreEventDestinationUpdateParams{Description: stripe.String("why")})
	require.NoError(t, err)
	require.Equal(t, "why", changed.Description)
	ping, err := api.V2CoreEventDestinations.Ping(made.ID, nil)
	require.NoError(t, err)
	require.IsType(t, &stripe.V2CoreEventDestinationPingEvent{}, ping)
	srv.Flush()
	require.Equal(t, "v2.core.event_destination.ping", to.take())
	parsed, err := api.ParseThinEvent([]byte(to.body), to.header, made.WebhookEndpoint.SigningSecret)
	require.NoError(t, err)
	require.Equal(t, made.ID, parsed.RelatedObject.ID)
	n := 0
	for d, err := range api.V2CoreEventDestinations.List(ctx, nil) {
		require.NoError(t, err)
		require.Equal(t, made.ID, d.ID)
		n++
	}
	require.Equal(t, 1, n)
}
