package checkouttest_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestKeysAccountsAndPaths(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Key: "sk_test_mine"})
	for _, header := range []string{"", "Bearer ", "Bearer sk_test_other", "Bearer sk_live_secret", "Basic !"} {
		resp, body := request(t, srv, "GET", "/v1/events", nil, "Authorization", header)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, header)
		require.NotContains(t, body["error"].(map[string]any)["message"], "secret", "a key is never repeated")
	}
	resp, _ := request(t, srv, "GET", "/v1/events", nil, "Authorization", "Basic c2tfdGVzdF9taW5lOg==")
	require.Equal(t, http.StatusOK, resp.StatusCode, "basic authentication, as curl -u sends it")
	require.NotEmpty(t, resp.Header.Get("Request-Id"))
	require.Equal(t, stripe.APIVersion, resp.Header.Get("Stripe-Version"))

	for _, c := range []struct{ method, path string }{{"GET", "/v1/colours"}, {"DELETE", "/v1/checkout/sessions"}, {"GET", "/v1/"}} {
		resp, body := request(t, srv, c.method, c.path, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		require.Contains(t, body["error"].(map[string]any)["message"], "Unrecognized request URL ("+c.method+": "+c.path+")")
	}
	for path, message := range map[string]string{
		"/v1/checkout/sessions/cs_1": "No such checkout.session: 'cs_1'", "/v1/events/evt_1": "No such event: 'evt_1'",
		"/v1/checkout/sessions/cs_1/line_items": "No such checkout.session: 'cs_1'",
		"/v1/payment_intents/pi_1":              "No such payment_intent: 'pi_1'", "/v1/charges/ch_1": "No such charge: 'ch_1'",
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusNotFound, resp.StatusCode)
		e := body["error"].(map[string]any)
		require.Equal(t, "resource_missing", e["code"])
		require.Equal(t, message, e["message"])
	}

	params := tee()
	params.SetStripeAccount("acct_1")
	id := create(t, srv, params).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	resp, _ = request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "another account's session")
	resp, body := request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	pi := str(body["payment_intent"])
	resp, _ = request(t, srv, "GET", "/v1/payment_intents/"+pi, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	resp, _ = request(t, srv, "GET", "/v1/payment_intents/"+pi, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, body = request(t, srv, "GET", "/v1/events", nil, "Stripe-Account", "acct_1")
	require.Equal(t, "acct_1", body["data"].([]any)[0].(map[string]any)["account"])
	_, body = request(t, srv, "GET", "/v1/events", nil)
	require.Empty(t, body["data"])
}

func TestVersions(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for v, status := range map[string]int{
		"2025-08-27.basil": 200, "2025-09-30.clover": 200, "2026-09-30.endive": 200, "2024-06-20": 200, "2020-08-27": 200, "2026-03-25.dahlia": 200, "2025-02-24.acacia": 200,
		"2019-2-19": 400, "2020-08-28": 400, "2025-13-01.basil": 400, "2025-08-27.parsley": 400, "2020-08-27; beta=v1": 400, "x": 400,
	} {
		resp, body := request(t, srv, "GET", "/v1/events", nil, "Stripe-Version", v)
		require.Equal(t, status, resp.StatusCode, v)
		require.Equal(t, stripe.APIVersion, resp.Header.Get("Stripe-Version"), "what it is answered in")
		if status == 400 {
			require.Equal(t, "Invalid Stripe API version: "+v, body["error"].(map[string]any)["message"])
		}
	}
}

// jsonKeys returns the keys that stripe-go knows of an object.
func jsonKeys(t reflect.Type, without ...string) []string {
	var keys []string
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); key != "" && key != "-" && !slices.Contains(without, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestEveryKeyIsThere(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := create(t, srv, tee()).ID
	without := []string{"line_items", "presentment_details", "redirect_on_completion", "return_url"} // the last two are of embedded sessions
	check := func(path string, typ reflect.Type, without ...string) map[string]any {
		_, body := request(t, srv, "GET", path, nil)
		for _, key := range jsonKeys(typ, without...) {
			require.Contains(t, body, key, path)
		}
		return body
	}
	open := check("/v1/checkout/sessions/"+id, reflect.TypeFor[stripe.CheckoutSession](), without...)
	require.Nil(t, open["payment_intent"])
	require.Equal(t, false, open["livemode"])
	require.Equal(t, srv.URL()+"/c/pay/"+id, open["url"])
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	paid := check("/v1/checkout/sessions/"+id, reflect.TypeFor[stripe.CheckoutSession](), without...)
	require.Nil(t, paid["url"])
	pi := check("/v1/payment_intents/"+str(paid["payment_intent"]), reflect.TypeFor[stripe.PaymentIntent](), "presentment_details")
	check("/v1/charges/"+str(pi["latest_charge"]), reflect.TypeFor[stripe.Charge](), "authorization_code", "level3", "presentment_details", "refunds", "transfer")
	events := srv.Events()
	check("/v1/events/"+events[0].ID, reflect.TypeFor[stripe.Event](), "account", "context")
}
