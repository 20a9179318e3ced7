package checkouttest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

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
