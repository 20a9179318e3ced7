package checkouttest_test

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// kinds are the paths of all lists of the API.
var kinds = strings.Fields("checkout/sessions payment_intents charges refunds disputes customers products prices coupons promotion_codes subscriptions invoices credit_notes webhook_endpoints balance_transactions")

// newest returns the newest object of each kind.
func newest(t *testing.T, srv *checkouttest.Server) map[string]any {
	t.Helper()
	made := map[string]any{}
	for _, kind := range append(kinds, "events") {
		_, list := request(t, srv, "GET", "/v1/"+kind, form("limit", "1"))
		for _, o := range list["data"].([]any) {
			made[kind] = o.(map[string]any)["id"]
		}
	}
	return made
}

// paths returns the paths that can be expanded in an object of a kind, and in the objects to which those paths lead.
func paths(t *testing.T, kind string, levels int) (all []string) {
	t.Helper()
	lines, err := os.ReadFile("expand.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(lines)) {
		if words := strings.Fields(line); words[0] == kind {
			all = append(all, words[1])
			if levels > 1 {
				for _, deeper := range paths(t, words[2], levels-1) {
					all = append(all, words[1]+"."+deeper)
				}
			}
		}
	}
	return all
}

// The server refuses a path that it can't expand before it makes anything, and expands every other path.
func TestExpandOnCreate(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	post := func(path string, form url.Values) (int, map[string]any) {
		resp, body := request(t, srv, "POST", path, form)
		return resp.StatusCode, body
	}
	intent := form("amount", "2000", "currency", "usd", "payment_method_types[0]", "card", "payment_method", "pm_card_visa", "confirm", "true")
	payment := func() string {
		_, pi := post("/v1/payment_intents", intent)
		return pi["id"].(string)
	}
	invoice := sync.OnceValue(func() string {
		_, cus := post("/v1/customers", nil)
		post("/v1/invoiceitems", form("customer", cus["id"].(string), "amount", "2000", "currency", "usd"))
		_, inv := post("/v1/invoices", form("customer", cus["id"].(string), "pending_invoice_items_behavior", "include"))
		post("/v1/invoices/"+inv["id"].(string)+"/finalize", nil)
		return inv["id"].(string)
	})
	refunds := 0 // 20 of 100 each
	var refunded string
	for kind, c := range map[string]struct {
		path string
		form func() url.Values
	}{
		"checkout.session": {"/v1/checkout/sessions", func() url.Values { return teeForm() }},
		"payment_intent":   {"/v1/payment_intents", func() url.Values { return maps.Clone(intent) }},
		"refund": {"/v1/refunds", func() url.Values {
			refunds++
			if refunds%20 == 1 {
				refunded = payment()
			}
			return form("payment_intent", refunded, "amount", "100")
		}},
		"credit_note": {"/v1/credit_notes", func() url.Values { return form("invoice", invoice(), "amount", "1") }},
		"customer":    {"/v1/customers", func() url.Values { return form("name", "Ada") }},
		"product":     {"/v1/products", func() url.Values { return form("name", "T-shirt") }},
		"price": {"/v1/prices", func() url.Values {
			return form("currency", "usd", "unit_amount", "5", "product_data[name]", "T-shirt")
		}},
		"payment_method":   {"/v1/payment_methods", func() url.Values { return form("type", "card", "card[token]", "tok_visa") }},
		"webhook_endpoint": {"/v1/webhook_endpoints", func() url.Values { return form("url", "http://127.0.0.1:9/", "enabled_events[]", "*") }},
	} {
		accepted := 0
		for _, path := range append(paths(t, kind, 2), "colour", "id", "metadata", "data", "payment_intent.colour", "line_items.data.colour", "a.b.c.d.e", ".", "") {
			values := c.form()
			before := newest(t, srv)
			values.Set("expand[0]", path)
			status, body := post(c.path, values)
			if status == http.StatusOK {
				accepted++
				continue
			}
			require.Equal(t, http.StatusBadRequest, status, path)
			require.Contains(t, body["error"].(map[string]any)["param"], "expand", path)
			require.Equal(t, before, newest(t, srv), "%s with %s was made although it was refused", kind, path)
		}
		require.Equal(t, kind == "webhook_endpoint", accepted == 0, "%s: %d", kind, accepted)
	}
	for _, c := range []struct{ kind, path, expand, at string }{
		{"session", "/v1/checkout/sessions", "line_items.data.price.product", "line_items.data.price.product.name"},
		{"intent, captured at once", "/v1/payment_intents", "latest_charge.balance_transaction", "latest_charge.balance_transaction.amount"},
		{"intent", "/v1/payment_intents", "payment_method", "payment_method.card"},
	} {
		values := maps.Clone(intent)
		switch c.kind {
		case "session":
			values = teeForm()
		case "intent, captured at once":
			values.Set("capture_method", "automatic")
		}
		values.Set("expand[]", c.expand)
		status, body := post(c.path, values)
		require.Equal(t, http.StatusOK, status)
		var v any = body
		for _, name := range strings.Split(c.at, ".") {
			if list, ok := v.([]any); ok {
				v = list[0]
			}
			v = v.(map[string]any)[name]
		}
		require.NotNil(t, v, c.at)
	}
}

// The server refuses such paths in updates, too, before it changes anything. Lists expand below data only.
func TestExpandElsewhere(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := create(t, srv, tee()).ID
	for _, path := range []string{id, id + "/expire"} {
		resp, _ := request(t, srv, "POST", "/v1/checkout/sessions/"+path, form("expand[]", "colour"))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	}
	require.EqualValues(t, "open", retrieve(t, srv, id).Status)
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	for path, want := range map[string]int{
		"/v1/checkout/sessions?expand[]=data.customer":                                  200,
		"/v1/checkout/sessions?expand[]=data.payment_intent.latest_charge.refunds":      200,
		"/v1/checkout/sessions?expand[]=data.payment_link":                              200, // there is none
		"/v1/checkout/sessions?expand[]=customer":                                       400,
		"/v1/checkout/sessions?expand[]=data.colour":                                    400,
		"/v1/checkout/sessions?expand[]=data":                                           400,
		"/v1/checkout/sessions/" + id + "/line_items?expand[]=data.price.product":       200,
		"/v1/checkout/sessions/" + id + "/line_items?expand[]=data.quantity":            400,
		"/v1/checkout/sessions/" + id + "?expand[]=payment_link":                        200,
		"/v1/checkout/sessions/" + id + "?expand[]=payment_intent.review.colour":        200,
		"/v1/checkout/sessions/" + id + "?expand[]=data.customer":                       400,
		"/v1/checkout/sessions/" + id + "?expand[]=payment_intent.payment_method":       200,
		"/v1/checkout/sessions/" + id + "?expand[]=payment_intent.status":               400,
		"/v1/charges?expand[]=data.payment_intent.latest_charge.payment_intent":         200,
		"/v1/charges?expand[]=data.payment_intent.latest_charge.payment_intent.invoice": 400,
	} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, want, resp.StatusCode, "%s: %v", path, body["error"])
	}
	pm := retrieve(t, srv, id, "payment_intent").PaymentIntent.PaymentMethod.ID
	_, body := request(t, srv, "GET", "/v1/payment_methods/"+pm, nil)
	require.Equal(t, "card", body["type"])
	resp, _ := request(t, srv, "GET", "/v1/payment_methods/"+pm, nil, "Stripe-Account", "acct_1")
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}
