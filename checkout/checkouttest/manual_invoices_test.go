package checkouttest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
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

// A draft can be changed and deleted, and a finalized invoice sent, voided or given up. What comes too late is refused.
// https://docs.stripe.com/invoicing/integration/workflow-transitions
func TestCourseOfAnInvoice(t *testing.T) {
	t.Parallel()
	srv, post, customer, _ := billing(t, "pm_card_visa")
	in := newInbox(srv)
	item := func(amount string) string {
		return post(200, "/v1/invoiceitems", "customer", customer, "amount", amount, "currency", "usd")["id"].(string)
	}
	draft := func(pairs ...string) string {
		inv := post(200, "/v1/invoices", append(pairs, "customer", customer, "pending_invoice_items_behavior", "include")...)
		return "/v1/invoices/" + inv["id"].(string)
	}
	call := func(want int, method, path string) map[string]any {
		t.Helper()
		resp, body := request(t, srv, method, path, nil)
		require.Equal(t, want, resp.StatusCode, body)
		return body
	}

	first, second := item("2000"), item("500")
	path := draft()
	require.Equal(t, "March", post(200, path, "description", "March", "metadata[k]", "v")["description"])
	call(200, "DELETE", "/v1/invoiceitems/"+second)
	require.EqualValues(t, 2000, call(200, "GET", path)["amount_due"])
	require.Equal(t, true, call(200, "DELETE", path)["deleted"])
	call(404, "GET", path)

	path = draft()
	open := post(200, path+"/finalize")
	require.Equal(t, "open", open["status"])
	require.EqualValues(t, 2000, open["amount_due"], "an item of a deleted draft waits for the next invoice")
	for _, refused := range []string{"/finalize", "/send"} {
		post(400, path+refused)
	}
	call(400, "DELETE", path)
	call(400, "DELETE", "/v1/invoiceitems/"+first)
	require.Equal(t, "uncollectible", post(200, path+"/mark_uncollectible")["status"])
	require.Equal(t, "void", post(200, path+"/void")["status"])
	for _, refused := range []string{"/void", "/mark_uncollectible", "/pay", "/finalize"} {
		post(400, path+refused)
	}

	item("300")
	post(400, "/v1/invoices", "customer", customer, "collection_method", "send_invoice")
	post(400, "/v1/invoices", "customer", customer, "days_until_due", "7")
	sent := post(200, draft("collection_method", "send_invoice", "days_until_due", "7")+"/send")
	require.Equal(t, "open", sent["status"])
	require.EqualValues(t, srv.Now().AddDate(0, 0, 7).Unix(), sent["due_date"])
	require.NotEqual(t, open["number"], sent["number"])
	require.Equal(t, "paid", post(200, draft()+"/finalize")["status"], "it asks for nothing")
	srv.Flush()
	require.Equal(t, []string{
		"invoiceitem.created", "invoiceitem.created", "invoice.created", "invoice.updated", "invoiceitem.deleted", "invoice.deleted",
		"invoice.created", "invoice.finalized", "invoice.marked_uncollectible", "invoice.voided",
		"invoiceitem.created", "invoice.created", "invoice.finalized", "invoice.sent",
		"invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded",
	}, in.types(t))

	price := srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 1500, Interval: "month"})
	sub := post(200, "/v1/subscriptions", "customer", customer, "items[0][price]", price)
	body := post(400, "/v1/invoices/"+sub["latest_invoice"].(string)+"/void")
	require.Contains(t, body["error"].(map[string]any)["message"], "for the invoice of a subscription")
}
