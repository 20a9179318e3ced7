package checkouttest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// billing is a server with a customer who has a card.
func billing(t *testing.T, card string) (srv *checkouttest.Server, post func(want int, path string, pairs ...string) map[string]any, customer, method string) {
	t.Helper()
	srv = newServer(t, checkouttest.Config{})
	post = func(want int, path string, pairs ...string) map[string]any {
		t.Helper()
		resp, body := request(t, srv, "POST", path, form(pairs...))
		require.Equal(t, want, resp.StatusCode, body)
		return body
	}
	made := post(200, "/v1/customers", "email", "ada@example.org", "payment_method", card, "invoice_settings[default_payment_method]", card)
	method = made["invoice_settings"].(map[string]any)["default_payment_method"].(string)
	require.NotEqual(t, card, method, "a copy that is the customer's own")
	_, pm := request(t, srv, "GET", "/v1/payment_methods/"+method, nil)
	require.Equal(t, made["id"], pm["customer"])
	return srv, post, made["id"].(string), method
}

// A subscription without a session is paid, renewed and canceled as those of sessions are.
func TestSubscriptionWithoutASession(t *testing.T) {
	t.Parallel()
	srv, post, customer, _ := billing(t, "pm_card_visa")
	price := srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 1500, Interval: "month"})
	sub := post(200, "/v1/subscriptions", "customer", customer, "items[0][price]", price, "items[0][quantity]", "2", "metadata[k]", "v")
	require.Equal(t, "active", sub["status"])
	require.Equal(t, map[string]any{"k": "v"}, sub["metadata"])
	require.EqualValues(t, 3000, balance(t, srv, ""))
	srv.Advance(32 * 24 * time.Hour)
	require.EqualValues(t, 6000, balance(t, srv, ""), "it was renewed")
	resp, gone := request(t, srv, "DELETE", "/v1/customers/"+customer, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, map[string]any{"id": customer, "object": "customer", "deleted": true}, gone)
	_, sub = request(t, srv, "GET", "/v1/subscriptions/"+sub["id"].(string), nil)
	require.Equal(t, "canceled", sub["status"])
	_, again := request(t, srv, "GET", "/v1/customers/"+customer, nil)
	require.Equal(t, gone, again)
	_, list := request(t, srv, "GET", "/v1/customers", nil)
	require.Empty(t, list["data"])
	post(400, "/v1/subscriptions", "customer", customer, "items[0][price]", price)
	post(404, "/v1/customers/"+customer, "name", "Ada")
	resp, _ = request(t, srv, "DELETE", "/v1/customers/"+customer, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	events := srv.Events()
	require.Equal(t, "customer.deleted", events[len(events)-1].Type)

	srv, post, customer, _ = billing(t, "pm_card_chargeCustomerFail")
	price = srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 1500, Interval: "month"})
	sub = post(200, "/v1/subscriptions", "customer", customer, "items[0][price]", price)
	require.Equal(t, "incomplete", sub["status"])
	require.Zero(t, balance(t, srv, ""))
}

func TestInvoiceWithoutASubscription(t *testing.T) {
	t.Parallel()
	for card, want := range map[string]int{"pm_card_visa": http.StatusOK, "pm_card_chargeCustomerFail": http.StatusPaymentRequired} {
		srv, post, customer, _ := billing(t, card)
		for _, amount := range []string{"2000", "500"} {
			post(200, "/v1/invoiceitems", "customer", customer, "amount", amount, "currency", "usd", "description", "Work")
		}
		empty := post(200, "/v1/invoices", "customer", customer)
		require.EqualValues(t, 0, empty["total"])
		inv := post(200, "/v1/invoices", "customer", customer, "pending_invoice_items_behavior", "include", "description", "March")
		require.EqualValues(t, 2500, inv["amount_due"])
		require.EqualValues(t, 0, post(200, "/v1/invoices", "customer", customer, "pending_invoice_items_behavior", "include")["total"], "items are billed once")
		path := "/v1/invoices/" + inv["id"].(string)
		post(want, path+"/pay")
		_, inv = request(t, srv, "GET", path, url.Values{"expand[]": {"payments"}})
		if want != http.StatusOK {
			require.Equal(t, "open", inv["status"])
			require.EqualValues(t, 1, inv["attempt_count"])
			require.EqualValues(t, "paid", post(200, path+"/pay", "payment_method", "pm_card_visa")["status"])
		} else {
			require.Equal(t, "paid", inv["status"])
			require.Len(t, inv["payments"].(map[string]any)["data"], 1)
		}
		post(400, path+"/pay")
		require.EqualValues(t, 2500, balance(t, srv, ""))
		_, list := request(t, srv, "GET", "/v1/invoices", url.Values{"subscription": {"sub_1"}})
		require.Empty(t, list["data"])
	}
}

func TestAttachedMethods(t *testing.T) {
	t.Parallel()
	_, post, customer, method := billing(t, "pm_card_visa")
	other := post(200, "/v1/customers", "name", "Bo")["id"].(string)
	require.Equal(t, customer, post(200, "/v1/payment_methods/"+method+"/attach", "customer", customer)["customer"])
	post(400, "/v1/payment_methods/"+method+"/attach", "customer", other)
	require.Equal(t, other, post(200, "/v1/payment_methods/pm_card_visa/attach", "customer", other)["customer"])
	post(400, "/v1/payment_methods/pm_none/attach", "customer", other)
	post(400, "/v1/payment_methods/pm_card_visa/attach")
	post(400, "/v1/customers", "payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_mastercard")
	post(400, "/v1/customers/"+other, "invoice_settings[default_payment_method]", method)
}
