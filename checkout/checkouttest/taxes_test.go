package checkouttest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// taxRate makes a tax rate and returns its ID.
func taxRate(t *testing.T, srv *checkouttest.Server, percentage, inclusive string) string {
	t.Helper()
	resp, body := request(t, srv, "POST", "/v1/tax_rates", form("display_name", "VAT", "percentage", percentage, "inclusive", inclusive, "country", "DE"))
	require.Equal(t, 200, resp.StatusCode, body)
	return str(body["id"])
}

func TestTaxRates(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	on, within := taxRate(t, srv, "8.1", "false"), taxRate(t, srv, "19", "true")
	for name, c := range map[string]struct {
		rates      []string
		tax, total int64
	}{
		"on top": {[]string{on}, 162, 2161},
		"within": {[]string{within}, 319, 1999},
		"both":   {[]string{on, within}, 136 + 319, 1999 + 136},
		"none":   {nil, 0, 1999},
	} {
		pairs := []string{}
		for i, rate := range c.rates {
			pairs = append(pairs, "line_items[0][tax_rates]["+string(rune('0'+i))+"]", rate)
		}
		id := makeSession(t, srv, teeForm(pairs...))
		require.NoError(t, srv.Pay(id, checkouttest.CardOK))
		sess := retrieve(t, srv, id, "line_items", "payment_intent")
		require.Equal(t, []int64{1999, c.tax, c.total}, []int64{sess.AmountSubtotal, sess.TotalDetails.AmountTax, sess.AmountTotal}, name)
		require.Equal(t, []int64{c.tax, c.total}, []int64{sess.LineItems.Data[0].AmountTax, sess.LineItems.Data[0].AmountTotal}, name)
		require.Equal(t, c.total, sess.PaymentIntent.Amount, name)
	}
	half := coupon(t, srv, "percent_off", "50")
	sess := retrieve(t, srv, makeSession(t, srv, teeForm("line_items[0][tax_rates][0]", on, "discounts[0][coupon]", half)))
	require.EqualValues(t, 999+81, sess.AmountTotal, "a discount comes before the tax")

	resp, body := request(t, srv, "POST", "/v1/tax_rates/"+on, form("active", "false"))
	require.Equal(t, 200, resp.StatusCode, body)
	for _, pairs := range [][]string{{"line_items[0][tax_rates][0]", on}, {"line_items[0][tax_rates][0]", "txr_1"}, {"line_items[0][tax_rates][0]", within, "automatic_tax[enabled]", "true"}} {
		resp, body := request(t, srv, "POST", "/v1/checkout/sessions", teeForm(pairs...))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Equal(t, "line_items[0][tax_rates]", str(body["error"].(map[string]any)["param"])[:24])
	}
	require.Equal(t, []string{within}, ids(t, srv, "/v1/tax_rates?active=true"))
}

// Automatic tax is that of the customer's country, where the shop is registered.
func TestAutomaticTax(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{TaxRegistrations: []string{"CH", "FR", "US"}})
	for country, want := range map[string]int64{"FR": 400, "CH": 162, "DE": 0} {
		id := makeSession(t, srv, teeForm("automatic_tax[enabled]", "true"))
		require.EqualValues(t, "requires_location_inputs", retrieve(t, srv, id).AutomaticTax.Status)
		require.NoError(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Address: checkouttest.Address{Country: country}}))
		sess := retrieve(t, srv, id, "payment_intent")
		require.Equal(t, []int64{want, 1999 + want}, []int64{sess.TotalDetails.AmountTax, sess.PaymentIntent.Amount}, country)
		require.EqualValues(t, "complete", sess.AutomaticTax.Status)
	}
	id := makeSession(t, srv, teeForm("automatic_tax[enabled]", "true", "line_items[0][price_data][tax_behavior]", "inclusive"))
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	sess := retrieve(t, srv, id)
	require.Equal(t, []int64{135, 1999}, []int64{sess.TotalDetails.AmountTax, sess.AmountTotal}, "that of California, within the price")
	require.Empty(t, ids(t, srv, "/v1/tax_rates?active=true"), "the rates of automatic tax are not the shop's")
}

// The page shows the tax before the customer pays it.
func TestPageShowsAutomaticTaxFirst(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{TaxRegistrations: []string{"FR"}})
	v := visitor{t, srv}
	id := makeSession(t, srv, teeForm("automatic_tax[enabled]", "true", "locale", "fr"))
	set := card(checkouttest.CardOK)
	set.Set("billingCountry", "FR")
	shown := v.submit(v.get("/c/pay/"+id), set)
	require.Equal(t, http.StatusOK, shown.status)
	require.Contains(t, shown.body, "Payer 23,99\u00a0$")
	require.Contains(t, shown.body, "La taxe de votre pays change le total.")
	require.Equal(t, http.StatusSeeOther, v.submit(shown, url.Values{}).status)
	require.EqualValues(t, 2399, retrieve(t, srv, id).AmountTotal)
}

// A session can make an invoice of its payment, once it is paid.
func TestInvoiceCreation(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{ShopName: "Cotton & Co"})
	in := newInbox(srv)
	rate, half := taxRate(t, srv, "10", "false"), coupon(t, srv, "percent_off", "50")
	for _, method := range []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.BankDebit} {
		id := makeSession(t, srv, teeForm("invoice_creation[enabled]", "true", "invoice_creation[invoice_data][description]", "Thanks", "invoice_creation[invoice_data][metadata][k]", "v",
			"line_items[0][quantity]", "2", "line_items[0][tax_rates][0]", rate, "discounts[0][coupon]", half,
			"shipping_options[0][shipping_rate_data][display_name]", "Post", "shipping_options[0][shipping_rate_data][type]", "fixed_amount",
			"shipping_options[0][shipping_rate_data][fixed_amount][amount]", "500", "shipping_options[0][shipping_rate_data][fixed_amount][currency]", "usd"))
		srv.Flush()
		in.types(t)
		require.NoError(t, srv.Pay(id, method))
		if method == checkouttest.BankDebit {
			require.Nil(t, retrieve(t, srv, id).Invoice, "it is not paid yet")
			require.NoError(t, srv.Settle(id))
		}
		srv.Advance(time.Minute)
		types := in.types(t)
		for _, want := range []string{"customer.created", "invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"} {
			require.Contains(t, types, want)
		}
		inv := retrieve(t, srv, id, "invoice.payments").Invoice
		require.Equal(t, []int64{3998, 2699, 2699, 500}, []int64{inv.Subtotal, inv.Total, inv.AmountPaid, inv.AmountShipping})
		require.Equal(t, []string{"paid", "Thanks", "v", "Cotton & Co"}, []string{string(inv.Status), inv.Description, inv.Metadata["k"], inv.AccountName})
		require.EqualValues(t, 200, inv.TotalTaxes[0].Amount)
		require.EqualValues(t, 1999, inv.TotalDiscountAmounts[0].Amount)
		require.Equal(t, retrieve(t, srv, id).PaymentIntent.ID, inv.Payments.Data[0].Payment.PaymentIntent.ID)
	}
}
