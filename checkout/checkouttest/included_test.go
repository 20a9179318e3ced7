package checkouttest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A customer shows these keys only on request: https://docs.stripe.com/expand#includable-properties
func TestIncludedKeysOfCustomers(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{TaxRegistrations: []string{"DE"}})
	price := srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "usd", UnitAmount: 900, Interval: "month"})
	all := form("expand[0]", "tax", "expand[1]", "invoice_credit_balance", "expand[2]", "subscriptions", "expand[3]", "sources")
	fresh := must(t, srv, "POST", "/v1/customers", all)
	require.Equal(t, map[string]any{"automatic_tax": "unrecognized_location", "ip_address": nil, "location": nil}, fresh["tax"])
	require.Equal(t, map[string]any{}, fresh["invoice_credit_balance"])
	for _, list := range []string{"sources", "subscriptions"} {
		require.Empty(t, at(fresh, list, "data"))
		require.Equal(t, "/v1/customers/"+str(fresh["id"])+"/"+list, at(fresh, list, "url"))
	}
	for _, key := range []string{"tax", "invoice_credit_balance", "subscriptions", "sources"} {
		require.NotContains(t, must(t, srv, "GET", "/v1/customers/"+str(fresh["id"]), nil), key)
	}

	cus := str(must(t, srv, "POST", "/v1/customers", form("source", "tok_visa", "address[country]", "DE"))["id"])
	first := str(must(t, srv, "POST", "/v1/subscriptions", form("customer", cus, "items[0][price]", price))["id"])
	second := str(must(t, srv, "POST", "/v1/subscriptions", form("customer", cus, "items[0][price]", price))["id"])
	other := must(t, srv, "POST", "/v1/customers", form("source", "tok_visa"))
	must(t, srv, "POST", "/v1/subscriptions", form("customer", str(other["id"]), "items[0][price]", price))
	ended := str(must(t, srv, "POST", "/v1/subscriptions", form("customer", cus, "items[0][price]", price))["id"])
	must(t, srv, "DELETE", "/v1/subscriptions/"+ended, nil)
	// A card made for a payment method is no source.
	must(t, srv, "POST", "/v1/payment_methods/pm_card_visa/attach", form("customer", cus))
	shown := must(t, srv, "GET", "/v1/customers/"+cus, merged(all, "expand[4]", "subscriptions.data.latest_invoice"))
	require.Equal(t, "supported", at(shown, "tax", "automatic_tax"))
	require.Equal(t, map[string]any{"country": "DE", "source": "billing_address", "state": nil}, at(shown, "tax", "location"))
	subs := at(shown, "subscriptions", "data").([]any)
	require.Len(t, subs, 2)
	require.Equal(t, []any{second, first}, []any{at(subs[0], "id"), at(subs[1], "id")}, "the newest first")
	require.Equal(t, "invoice", at(subs[0], "latest_invoice", "object"))
	sources := at(shown, "sources", "data").([]any)
	require.Len(t, sources, 1)
	require.Equal(t, "card", at(sources[0], "object"))
	require.Equal(t, shown["default_source"], at(sources[0], "id"))
	must(t, srv, "POST", "/v1/customers/"+cus, form("address[country]", "FR"))
	require.Equal(t, "not_collecting", at(must(t, srv, "GET", "/v1/customers/"+cus, all), "tax", "automatic_tax"))

	resp, body := request(t, srv, "GET", "/v1/customers/"+cus, form("expand[0]", "tax.location"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
}

// An invoice shows the client secret of its payment only on request: https://docs.stripe.com/api/invoices/object#invoice_object-confirmation_secret
func TestConfirmationSecret(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	price := srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "usd", UnitAmount: 900, Interval: "month"})
	cus := str(must(t, srv, "POST", "/v1/customers", form("payment_method", "pm_card_visa", "invoice_settings[default_payment_method]", "pm_card_visa"))["id"])
	sub := must(t, srv, "POST", "/v1/subscriptions", form("customer", cus, "items[0][price]", price, "expand[0]", "latest_invoice.confirmation_secret"))
	pi := must(t, srv, "GET", "/v1/payment_intents", nil)["data"].([]any)[0]
	require.Equal(t, map[string]any{"client_secret": at(pi, "client_secret"), "type": "payment_intent"}, at(sub, "latest_invoice", "confirmation_secret"))
	trial := must(t, srv, "POST", "/v1/subscriptions", form("customer", cus, "items[0][price]", price, "trial_period_days", "7", "expand[0]", "latest_invoice.confirmation_secret"))
	require.Contains(t, trial["latest_invoice"], "confirmation_secret")
	require.Nil(t, at(trial, "latest_invoice", "confirmation_secret"))
	require.NotContains(t, must(t, srv, "GET", "/v1/invoices/"+str(at(sub, "latest_invoice", "id")), nil), "confirmation_secret")
}
