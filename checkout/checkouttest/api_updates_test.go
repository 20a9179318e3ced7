package checkouttest_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// Payment intents, charges, setup intents and payment methods can be changed over the API, with the events that Stripe sends.
func TestUpdates(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	id := makeSession(t, srv, teeForm("customer_creation", "always", "payment_intent_data[setup_future_usage]", "off_session"))
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	srv.Advance(time.Minute)
	in.types(t)
	sess := retrieve(t, srv, id, "payment_intent.latest_charge")
	intent, charge := sess.PaymentIntent, sess.PaymentIntent.LatestCharge
	for _, c := range []struct {
		path  string
		pairs []string
		field string
		event []string
	}{
		{"/v1/payment_intents/" + intent.ID, []string{"description", "d", "metadata[k]", "v"}, "description", []string{}},
		{"/v1/charges/" + charge.ID, []string{"description", "d", "metadata[k]", "v", "fraud_details[user_report]", "safe"}, "description", []string{"charge.updated"}},
		{"/v1/payment_methods/" + charge.PaymentMethod, []string{"metadata[k]", "v", "billing_details[name]", "d"}, "", []string{"payment_method.updated"}},
	} {
		resp, body := request(t, srv, "POST", c.path, form(c.pairs...))
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		_, body = request(t, srv, "GET", c.path, nil)
		require.Equal(t, map[string]any{"k": "v"}, body["metadata"], c.path)
		if c.field != "" {
			require.Equal(t, "d", body[c.field])
		}
		srv.Flush()
		require.Equal(t, c.event, in.types(t), c.path)
	}
	resp, body := request(t, srv, "POST", "/v1/payment_intents/"+intent.ID, form("amount", "5"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, "payment_intent_unexpected_state", body["error"].(map[string]any)["code"])

	require.Equal(t, []string{charge.PaymentMethod}, ids(t, srv, "/v1/payment_methods?type=card&customer="+sess.Customer.ID))
	require.Equal(t, []string{charge.PaymentMethod}, ids(t, srv, "/v1/customers/"+sess.Customer.ID+"/payment_methods"))
	require.Empty(t, ids(t, srv, "/v1/customers/"+sess.Customer.ID+"/payment_methods?type=sepa_debit"))
	resp, _ = request(t, srv, "POST", "/v1/payment_methods/"+charge.PaymentMethod+"/detach", nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, ids(t, srv, "/v1/customers/"+sess.Customer.ID+"/payment_methods"))
	srv.Flush()
	require.Equal(t, []string{"payment_method.detached"}, in.types(t))

	_, own := request(t, srv, "POST", "/v1/payment_intents", form("amount", "100", "currency", "usd", "payment_method_types[0]", "card"))
	resp, own = request(t, srv, "POST", "/v1/payment_intents/"+str(own["id"]), form("amount", "250", "payment_method", "pm_card_visa"))
	require.Equal(t, http.StatusOK, resp.StatusCode, own)
	require.Equal(t, "requires_confirmation", own["status"])
	_, own = request(t, srv, "POST", "/v1/payment_intents/"+str(own["id"])+"/confirm", form())
	require.EqualValues(t, 250, own["amount_received"])

	setup := makeSession(t, srv, form("mode", "setup", "currency", "usd", "success_url", "https://shop.example/"))
	seti := retrieve(t, srv, setup).SetupIntent.ID
	_, body = request(t, srv, "POST", "/v1/setup_intents/"+seti, form("description", "d", "metadata[k]", "v"))
	require.Equal(t, "d", body["description"])
}

// The balance is the sum of what has moved, and money becomes available after a week.
func TestBalance(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	sum := func(state string) any {
		_, body := request(t, srv, "GET", "/v1/balance", nil)
		return body[state].([]any)[0].(map[string]any)["amount"]
	}
	require.EqualValues(t, 0, sum("available"))
	id := makeSession(t, srv, teeForm())
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	srv.Advance(time.Minute)
	require.EqualValues(t, 1999-88, sum("pending"))
	srv.Advance(8 * 24 * time.Hour)
	require.EqualValues(t, 1999-88, sum("available"))
	require.EqualValues(t, 0, sum("pending"))
}

// A call that Stripe has and the server lacks is refused by its name. A call that nobody knows is refused as Stripe refuses it.
func TestWhatIsNotBuiltIsRefusedByName(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for path, want := range map[string]string{
		"/v1/quotes":           "This test server does not implement GET /v1/quotes.",
		"/v1/payouts/po_1":     "This test server does not implement GET /v1/payouts/po_1.",
		"/v1/terminal/readers": "This test server does not implement GET /v1/terminal/readers.",
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Equal(t, want, body["error"].(map[string]any)["message"])
	}
	routes, err := os.ReadFile("routes.txt")
	require.NoError(t, err)
	for route := range strings.Lines(string(routes)) {
		method, path, _ := strings.Cut(strings.TrimSpace(route), " ")
		if method == "#" {
			continue
		}
		path = strings.NewReplacer("{id}", "x_1", "{of}", "y_1").Replace(path)
		_, body := request(t, srv, method, path, nil, "Stripe-Version", stripe.APIVersion)
		if refused, ok := body["error"].(map[string]any); ok {
			require.NotContains(t, refused["message"], "Unrecognized request URL", route)
		}
	}
	resp, body := request(t, srv, "GET", "/v1/colours", nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Contains(t, body["error"].(map[string]any)["message"], "Unrecognized request URL")
}
