package checkouttest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestPaymentLink(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	price := srv.AddPrice(checkouttest.Price{Name: "Mug", Currency: "usd", UnitAmount: 700})
	resp, link := request(t, srv, "POST", "/v1/payment_links", form("line_items[0][price]", price, "line_items[0][quantity]", "2", "metadata[k]", "v",
		"after_completion[type]", "redirect", "after_completion[redirect][url]", "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}"))
	require.Equal(t, 200, resp.StatusCode, link)
	at := str(link["url"])

	page := v.get(at + "?client_reference_id=order-42&prefilled_email=ada%40example.org")
	require.Equal(t, http.StatusSeeOther, page.status)
	id := path.Base(page.location)
	paid := v.submit(v.get(page.location), card(checkouttest.CardOK))
	require.Equal(t, "https://shop.example/thanks?session_id="+id, paid.location)
	sess := retrieve(t, srv, id)
	require.Equal(t, []string{link["id"].(string), "order-42", "ada@example.org", "v"}, []string{sess.PaymentLink.ID, sess.ClientReferenceID, sess.CustomerDetails.Email, sess.Metadata["k"]})
	require.EqualValues(t, 1400, sess.AmountTotal)
	other := path.Base(v.get(at + "?client_reference_id=a%20b").location)
	require.NotEqual(t, id, other, "each customer has a session")
	require.Empty(t, retrieve(t, srv, other).ClientReferenceID, "a reference that Stripe does not take is ignored")
	require.Equal(t, []string{other, id}, ids(t, srv, "/v1/checkout/sessions?payment_link="+str(link["id"])))
	require.Len(t, ids(t, srv, "/v1/payment_links/"+str(link["id"])+"/line_items"), 1)

	resp, _ = request(t, srv, "POST", "/v1/payment_links/"+str(link["id"]), form("active", "false", "inactive_message", "Sold out"))
	require.Equal(t, 200, resp.StatusCode)
	gone := v.get(at)
	require.Equal(t, http.StatusGone, gone.status)
	require.Contains(t, gone.body, "Sold out")
	require.Equal(t, http.StatusNotFound, v.get("/b/test_none").status)

	monthly := srv.AddPrice(checkouttest.Price{Name: "Box", Currency: "usd", UnitAmount: 900, Interval: "month"})
	_, link = request(t, srv, "POST", "/v1/payment_links", form("line_items[0][price]", monthly, "line_items[0][quantity]", "1"))
	done := v.submit(v.get(v.get(str(link["url"])).location), card(checkouttest.CardOK))
	require.Contains(t, v.get(done.location).body, "This order is complete", "without a redirect, the customer stays")
	for _, pairs := range [][]string{{"line_items[0][quantity]", "1"}, {"line_items[0][price]", "price_none", "line_items[0][quantity]", "1"}, {"line_items[0][price]", price, "line_items[0][quantity]", "1", "after_completion[type]", "redirect"}} {
		resp, _ := request(t, srv, "POST", "/v1/payment_links", form(pairs...))
		require.Equal(t, 400, resp.StatusCode)
	}
	_, param, message := refusal(t, srv, "/v1/payment_links", "line_items[0][price]", price, "line_items[0][quantity]", "1", "restrictions[completed_sessions][limit]", "1")
	require.Equal(t, "restrictions", param)
	require.Contains(t, message, "This test server does not implement")
}

// A link that is changed to take promotion codes opens sessions that do. Sessions from before stay as they are.
func TestPaymentLinkTakesPromotionCodes(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	price := srv.AddPrice(checkouttest.Price{Name: "Mug", Currency: "usd", UnitAmount: 700})
	_, link := request(t, srv, "POST", "/v1/payment_links", form("line_items[0][price]", price, "line_items[0][quantity]", "1"))
	open := func() map[string]any {
		id := path.Base(visitor{t, srv}.get(str(link["url"])).location)
		_, sess := request(t, srv, "GET", "/v1/checkout/sessions/"+id, nil)
		return sess
	}
	before := open()
	require.NotEqual(t, true, before["allow_promotion_codes"])
	_, link = request(t, srv, "POST", "/v1/payment_links/"+str(link["id"]), form("allow_promotion_codes", "true"))
	require.Equal(t, true, link["allow_promotion_codes"])
	require.Equal(t, true, open()["allow_promotion_codes"])
	srv.Flush()
	require.Contains(t, in.types(t), "payment_link.updated")
}

// With adaptive pricing, a customer of another country pays in their own currency, and the session stays in the shop's.
func TestAdaptivePricing(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	for email, want := range map[string]string{
		"ada+location_FR@example.org": "eur 1839", "ada+location_JP@example.org": "jpy 2999", "ada+location_US@example.org": "", "ada@example.org": "", "ada+location_ZZ@example.org": "",
	} {
		id := makeSession(t, srv, teeForm("adaptive_pricing[enabled]", "true", "customer_email", email))
		page := v.get("/c/pay/" + id)
		require.Equal(t, email == "ada+location_FR@example.org", strings.Contains(page.body, "You pay €18.39"), email)
		paid := v.submit(page, card(checkouttest.CardOK))
		require.Equal(t, http.StatusSeeOther, paid.status)
		_, sess := request(t, srv, "GET", "/v1/checkout/sessions/"+id, url.Values{"expand[]": {"payment_intent.latest_charge"}})
		require.EqualValues(t, 1999, sess["amount_total"])
		intent := sess["payment_intent"].(map[string]any)
		got := ""
		if local, ok := sess["presentment_details"].(map[string]any); ok {
			got = str(local["presentment_currency"]) + " " + fmt.Sprint(local["presentment_amount"])
			require.Equal(t, local, intent["presentment_details"])
			require.Equal(t, local, intent["latest_charge"].(map[string]any)["presentment_details"])
		}
		require.Equal(t, want, got, email)
	}
	off := makeSession(t, srv, teeForm("customer_email", "ada+location_FR@example.org"))
	require.NoError(t, srv.Pay(off, checkouttest.CardOK))
	_, sess := request(t, srv, "GET", "/v1/checkout/sessions/"+off, nil)
	require.Nil(t, sess["presentment_details"])
}
