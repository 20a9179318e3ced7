package checkouttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A sandbox tries a failed delivery again three times over a few hours, and live mode for three days:
// https://docs.stripe.com/webhooks#retries
func TestRetriesOfASandbox(t *testing.T) {
	t.Parallel()
	for live, want := range map[bool]int{false: 4, true: 13} {
		srv := newServer(t, checkouttest.Config{LiveRetries: live})
		newInbox(srv).respond(func(stripe.Event) int { return 500 })
		start := srv.Now()
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		srv.Advance(96 * time.Hour)
		attempts := completed(t, srv).Attempts
		require.Len(t, attempts, want, "live: %t", live)
		if !live {
			require.Less(t, attempts[3].At.Sub(start), 4*time.Hour)
		}
	}
}

// What the customer does on the page has the request IDs of the page, and the end of the session has none: `request` of
// https://docs.stripe.com/api/events/object.
func TestRequestsOfThePage(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	sess := create(t, srv, tee())
	v := visitor{t, srv}
	require.Equal(t, http.StatusSeeOther, v.submit(v.get(sess.URL), card(checkouttest.CardOK)).status)
	var ids []string
	for _, e := range in.events {
		if e.Type == completedType {
			require.Empty(t, e.Request.ID)
			continue
		}
		require.NotEmpty(t, e.Request.IdempotencyKey, e.Type)
		ids = append(ids, e.Request.ID)
	}
	require.Regexp(t, "^req_", ids[0])
	require.Equal(t, []string{ids[0], ids[0], ids[0]}, ids, "it is one request")
	in.types(t)
	srv.Advance(time.Minute)
	require.Empty(t, in.events[0].Request.ID, "the clock captures")
}

// https://docs.stripe.com/api/events/list#list_events-type
func TestEventsByWildcard(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
	for filter, want := range map[string]int{"checkout.session.*": 1, "payment_intent.*": 2, "*.succeeded": 2, "*": 4, "charge.": 0, "charge.succeeded": 1} {
		_, list := request(t, srv, "GET", "/v1/events", form("type", filter))
		require.Len(t, list["data"], want, filter)
	}
}

// The recorded errors of API versions since 2025 name the page of the request in the dashboard. Those of declined cards show
// the charge and the payment method, too.
func TestWhatErrorsShow(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	resp, body := request(t, srv, "GET", "/v1/checkout/sessions/cs_none", nil)
	url := body["error"].(map[string]any)["request_log_url"].(string)
	require.True(t, strings.HasPrefix(url, "https://dashboard.stripe.com/test/logs/"+resp.Header.Get("Request-Id")+"?t="), url)
	_, body = request(t, srv, "GET", "/v1/checkout/sessions/cs_none", nil, "Authorization", "Bearer sk_test_wrong")
	require.NotContains(t, body["error"], "request_log_url", "whose log?")

	_, body = request(t, srv, "POST", "/v1/payment_intents", form("amount", "100", "currency", "usd", "confirm", "true", "payment_method", "pm_card_visa_chargeDeclined"))
	e := body["error"].(map[string]any)
	require.Equal(t, e["payment_intent"].(map[string]any)["latest_charge"], e["charge"])
	require.Equal(t, "0002", e["payment_method"].(map[string]any)["card"].(map[string]any)["last4"])
	require.Equal(t, "try_again_later", e["advice_code"])
}

// A recorded session in setup mode has its setup intent from the beginning.
func TestSetupIntentFromTheBeginning(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	sess := create(t, srv, &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), SuccessURL: stripe.String("https://shop.example/")})
	intent := retrieve(t, srv, sess.ID, "setup_intent").SetupIntent
	require.EqualValues(t, "requires_payment_method", intent.Status)
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
	after := retrieve(t, srv, sess.ID, "setup_intent").SetupIntent
	require.Equal(t, intent.ID, after.ID)
	require.EqualValues(t, "succeeded", after.Status)
}

// Sessions and intents that take cards show the settings of cards, also if none were sent. Recorded ones do.
func TestSettingsOfCards(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	sess := create(t, srv, tee())
	require.EqualValues(t, "automatic", sess.PaymentMethodOptions.Card.RequestThreeDSecure)
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
	_, pi := request(t, srv, "GET", "/v1/payment_intents/"+retrieve(t, srv, sess.ID).PaymentIntent.ID, nil)
	require.Equal(t, map[string]any{"installments": nil, "mandate_options": nil, "network": nil, "request_three_d_secure": "automatic"},
		pi["payment_method_options"].(map[string]any)["card"])
}

// A recorded subscription shows the plan and the quantity of its only item. With two items both are null.
func TestPlanAndQuantity(t *testing.T) {
	t.Parallel()
	srv, _, _, id := club(t, checkouttest.CardOK)
	_, sub := request(t, srv, "GET", "/v1/subscriptions/"+id, nil)
	item := sub["items"].(map[string]any)["data"].([]any)[0].(map[string]any)
	require.Equal(t, item["plan"], sub["plan"])
	require.Equal(t, item["quantity"], sub["quantity"])
	price := srv.AddPrice(checkouttest.Price{Name: "More", Currency: "eur", UnitAmount: 100, Interval: "month"})
	_, sub = request(t, srv, "POST", "/v1/subscriptions/"+id, form("items[0][price]", price))
	require.Nil(t, sub["plan"])
	require.Nil(t, sub["quantity"])
}

// Empty values unset what can be unset: https://docs.stripe.com/api/metadata
func TestEmptyValues(t *testing.T) {
	t.Parallel()
	_, post, customer, method := billing(t, "pm_card_visa")
	post(200, "/v1/customers/"+customer, "name", "Ann", "email", "a@example.org", "phone", "1", "description", "x", "address[city]", "Bern",
		"shipping[name]", "Ann", "shipping[address][city]", "Bern", "metadata[a]", "b", "invoice_settings[default_payment_method]", method)
	cleared := post(200, "/v1/customers/"+customer, "name", "", "email", "", "phone", "", "description", "", "address", "", "shipping", "", "metadata", "",
		"invoice_settings[default_payment_method]", "")
	for _, field := range []string{"name", "email", "phone", "description", "address", "shipping"} {
		require.Nil(t, cleared[field], field)
	}
	require.Empty(t, cleared["metadata"])
	require.Nil(t, cleared["invoice_settings"].(map[string]any)["default_payment_method"])
	post(400, "/v1/customers/"+customer, "tax_exempt", "")
}

// Each endpoint gets the bodies of its own API version, or is refused: https://docs.stripe.com/changelog
func TestVersionsOfEndpoints(t *testing.T) {
	t.Parallel()
	for version, mode := range map[string]string{"2025-08-27.basil": "hosted", "2026-03-25.dahlia": "hosted_page", "2026-09-30.endive": "hosted_page"} {
		srv := newServer(t, checkouttest.Config{EventVersion: version})
		in := newInbox(srv)
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		require.Equal(t, mode, in.last(t, completedType)["data"].(map[string]any)["object"].(map[string]any)["ui_mode"], version)
	}
	for version, lists := range map[string]bool{"2020-08-27": true, "2022-11-15": false} {
		srv := newServer(t, checkouttest.Config{EventVersion: version})
		in := newInbox(srv)
		require.NoError(t, srv.Pay(create(t, srv, tee()).ID, checkouttest.CardOK))
		pi := in.last(t, "payment_intent.succeeded")["data"].(map[string]any)["object"].(map[string]any)
		require.Equal(t, lists, pi["charges"] != nil, version)
	}
	for version, promotion := range map[string]bool{"2025-08-27.basil": false, "2025-09-30.clover": true} {
		srv := newServer(t, checkouttest.Config{EventVersion: version})
		in := newInbox(srv)
		request(t, srv, "POST", "/v1/coupons", form("id", "ten", "percent_off", "10", "duration", "once"))
		request(t, srv, "POST", "/v1/promotion_codes", form("coupon", "ten", "code", "TEN"))
		srv.Flush()
		code := in.last(t, "promotion_code.created")["data"].(map[string]any)["object"].(map[string]any)
		require.Equal(t, promotion, code["promotion"] != nil, version)
		require.Equal(t, promotion, code["coupon"] == nil, version)
	}
	srv := newServer(t, checkouttest.Config{})
	for _, version := range []string{"2019-12-03", "2031-01-01", "2026-03-25.flora"} {
		resp, body := request(t, srv, "POST", "/v1/webhook_endpoints", form("url", "http://127.0.0.1:1/", "enabled_events[0]", "*", "api_version", version))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, version)
		require.Equal(t, "api_version", body["error"].(map[string]any)["param"])
	}
}

// Every answer below /v1 and /v2 is JSON, also to what the API does not have: https://docs.stripe.com/api-v2-overview
func TestEveryAnswerIsJSON(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for _, call := range []string{
		"GET /v2/core/accounts", "PUT /v2/core/events", "DELETE /v2/core/events", "GET /v2/", "POST /v2/billing/meter_events", "GET /v2/core/events/evt_none",
		"GET /v1/none", "PATCH /v1/customers", "GET /v1/",
	} {
		method, path, _ := strings.Cut(call, " ")
		for _, version := range []string{"", stripe.APIVersion} {
			r, err := http.NewRequestWithContext(context.Background(), method, srv.URL()+path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer "+srv.Key())
			r.Header.Set("Stripe-Version", version)
			resp, err := srv.Transport().RoundTrip(r)
			require.NoError(t, err, call)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"), call)
			var body struct {
				Error struct{ Message string }
			}
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&body), call)
			require.NoError(t, resp.Body.Close())
			require.NotEmpty(t, body.Error.Message, call)
			require.GreaterOrEqual(t, resp.StatusCode, 400, call)
		}
	}
}
