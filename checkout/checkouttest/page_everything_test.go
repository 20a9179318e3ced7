package checkouttest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// askAll returns the form of a session that asks its customer for all that a session can ask for. The server has the promotion
// code HALF and an optional item, a sticker for 3.00.
func askAll(t *testing.T, srv *checkouttest.Server, pairs ...string) url.Values {
	t.Helper()
	half := coupon(t, srv, "percent_off", "50")
	resp, body := request(t, srv, "POST", "/v1/promotion_codes", form("coupon", half, "code", "HALF"))
	require.Equal(t, 200, resp.StatusCode, body)
	sticker := srv.AddPrice(checkouttest.Price{Name: "Sticker", Currency: "usd", UnitAmount: 300})
	return teeForm(append([]string{
		"line_items[0][price_data][product_data][description]", "Cotton", "line_items[0][price_data][product_data][images][0]", "https://pictures.example/tee.png",
		"line_items[0][adjustable_quantity][enabled]", "true", "line_items[0][adjustable_quantity][maximum]", "5",
		"optional_items[0][price]", sticker, "optional_items[0][quantity]", "1", "optional_items[0][adjustable_quantity][enabled]", "true",
		"allow_promotion_codes", "true", "phone_number_collection[enabled]", "true", "billing_address_collection", "required", "tax_id_collection[enabled]", "true",
		"shipping_address_collection[allowed_countries][0]", "DE", "shipping_address_collection[allowed_countries][1]", "US",
		"consent_collection[terms_of_service]", "required", "consent_collection[promotions]", "auto",
		"custom_fields[0][key]", "size", "custom_fields[0][label][type]", "custom", "custom_fields[0][label][custom]", "Size", "custom_fields[0][type]", "dropdown",
		"custom_fields[0][dropdown][options][0][label]", "Medium", "custom_fields[0][dropdown][options][0][value]", "m",
		"custom_fields[0][dropdown][options][1][label]", "Large", "custom_fields[0][dropdown][options][1][value]", "l",
		"custom_fields[1][key]", "club", "custom_fields[1][label][type]", "custom", "custom_fields[1][label][custom]", "Club number", "custom_fields[1][type]", "numeric",
		"custom_fields[1][numeric][minimum_length]", "4", "custom_fields[2][key]", "note", "custom_fields[2][label][type]", "custom",
		"custom_fields[2][label][custom]", "Note", "custom_fields[2][type]", "text", "custom_fields[2][optional]", "true",
		"custom_text[submit][message]", "We ship on Mondays.",
	}, pairs...)...)
}

// makeSession makes a session of a form, and returns its ID.
func makeSession(t *testing.T, srv *checkouttest.Server, form url.Values) string {
	t.Helper()
	resp, body := request(t, srv, "POST", "/v1/checkout/sessions", form)
	require.Equal(t, 200, resp.StatusCode, body)
	return str(body["id"])
}

// What the customer types is what the session reports, and nothing else.
func TestPageReportsWhatWasTyped(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{ShopName: "Cotton & Co"})
	v := visitor{t, srv}
	id := makeSession(t, srv, askAll(t, srv))
	page := v.get("/c/pay/" + id)
	for _, want := range []string{"Cotton &amp; Co", "We ship on Mondays.", `src="https://pictures.example/tee.png"`, "Club number", "Note (optional)", "Sticker", "Can be paid until"} {
		require.Contains(t, page.body, want)
	}
	require.Contains(t, page.header.Get("Content-Security-Policy"), "img-src data: https://pictures.example;")

	wrong := v.submit(page, url.Values{"quantity-0": {"6"}, "optional-0": {"x"}, "custom-club": {"12"}})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	for field, want := range map[string]string{
		"quantity-0": "Choose a quantity from 1 to 5.", "optional-0": "Choose a quantity from 1 to 99.", "custom-size": "This field is required.",
		"custom-club": "Enter at least 4 characters.", "termsOfServiceConsentCheckbox": "Accept the terms to go on.",
	} {
		require.Contains(t, wrong.body, `<p class="error" id="`+field+`-error">`+want)
		require.Regexp(t, `<(input|select)[^>]* id="`+field+`"[^>]*aria-invalid="true" aria-describedby="`+field+`-error"|<(input|select) id="`+field+`"[^>]*aria-describedby="`+field+`-error"`, wrong.body)
	}
	require.Equal(t, 1, strings.Count(wrong.body, " autofocus"), "the browser goes to one field")
	require.Regexp(t, `id="quantity-0"[^>]* autofocus`, wrong.body, "the first that is wrong")

	more := v.submit(page, url.Values{"basket": {"apply"}, "promotionCode": {"half"}, "quantity-0": {"2"}, "optional-0": {"3"}, "email": {"ada@example.org"}})
	require.Equal(t, http.StatusOK, more.status)
	for _, want := range []string{"$39.98", "$9.00", "-$24.49", "Pay $24.49", "HALF", `value="ada@example.org"`} {
		require.Contains(t, more.body, want)
	}
	require.NotContains(t, more.body, `name="optional-0"`, "it is a line now")
	less := v.submit(more, url.Values{"basket": {"remove-code"}})
	require.Contains(t, less.body, "Pay $48.98")
	unknown := v.submit(less, url.Values{"basket": {"apply"}, "promotionCode": {"NONE"}})
	require.Contains(t, unknown.body, `id="promotionCode-error">This code is invalid.`)

	set := card(checkouttest.CardOK)
	for name, value := range map[string]string{
		"promotionCode": "HALF", "phoneNumber": "+49 30 1", "shippingName": "Grace", "shippingAddressLine1": "Allee 1", "shippingLocality": "Berlin", "shippingPostalCode": "10115",
		"shippingCountry": "DE", "cardUseShippingAsBilling": "", "billingName": "Ada", "billingAddressLine1": "5 Row", "billingLocality": "Leeds", "billingCountry": "GB",
		"billingPostalCode": "LS1", "custom-size": "l", "custom-club": "1234", "custom-note": "", "termsOfServiceConsentCheckbox": "true",
		"promotionalEmailConsentCheckbox": "true", "purchasingAsBusiness": "true", "businessName": "Engines Ltd", "taxId": "GB123456789",
	} {
		set.Set(name, value)
	}
	paid := v.submit(less, set)
	require.Equal(t, http.StatusSeeOther, paid.status, paid.body)
	sess := retrieve(t, srv, id, "line_items", "payment_intent.latest_charge")
	d := sess.CustomerDetails
	require.Equal(t, []string{"ada@example.org", "Engines Ltd", "+49 30 1", "5 Row", "Leeds", "GB", "LS1", ""},
		[]string{d.Email, d.Name, d.Phone, d.Address.Line1, d.Address.City, d.Address.Country, d.Address.PostalCode, d.Address.State})
	require.EqualValues(t, "gb_vat", d.TaxIDs[0].Type)
	require.Equal(t, "GB123456789", d.TaxIDs[0].Value)
	require.Equal(t, "Grace", sess.CollectedInformation.ShippingDetails.Name)
	require.Equal(t, "Berlin", sess.CollectedInformation.ShippingDetails.Address.City)
	require.Equal(t, "l", sess.CustomFields[0].Dropdown.Value)
	require.Equal(t, "1234", sess.CustomFields[1].Numeric.Value)
	require.Empty(t, sess.CustomFields[2].Text.Value)
	require.EqualValues(t, "accepted", sess.Consent.TermsOfService)
	require.EqualValues(t, "opt_in", sess.Consent.Promotions)
	require.EqualValues(t, 2449, sess.AmountTotal)
	require.Equal(t, []int64{2, 3}, []int64{sess.LineItems.Data[0].Quantity, sess.LineItems.Data[1].Quantity})
	require.Equal(t, "Ada", sess.PaymentIntent.LatestCharge.BillingDetails.Name)
	require.EqualValues(t, 2449, sess.PaymentIntent.Amount)
}

// A customer who gives no more than the form asks for leaves no more in customer_details.
func TestPageInventsNothing(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	sess := create(t, srv, tee())
	set := card(checkouttest.CardOK)
	set.Set("billingCountry", "FR")
	set.Set("billingPostalCode", "")
	require.Equal(t, http.StatusSeeOther, v.submit(v.get(sess.URL), set).status)
	resp, body := request(t, srv, "GET", "/v1/checkout/sessions/"+sess.ID, nil)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, map[string]any{
		"address": map[string]any{"city": nil, "country": "FR", "line1": nil, "line2": nil, "postal_code": nil, "state": nil},
		"email":   "ada@example.org", "name": "Ada", "phone": nil, "tax_exempt": "none", "tax_ids": []any{},
	}, body["customer_details"])

	free := makeSession(t, srv, teeForm("line_items[0][price_data][unit_amount]", "0"))
	require.Equal(t, http.StatusSeeOther, v.submit(v.get("/c/pay/"+free), url.Values{"email": {"ada@example.org"}}).status)
	details := retrieve(t, srv, free).CustomerDetails
	require.Equal(t, []string{"", "", ""}, []string{details.Name, details.Address.Country, details.Address.Line1}, "the form of a free order does not ask for them")

	set.Set("billingCountry", "GB")
	other := v.submit(v.get(create(t, srv, tee()).URL), set)
	require.Contains(t, other.body, `id="billingPostalCode-error"`, "Stripe asks for the postal code of British cards")
}

// One click fills in everything, and the next one pays.
func TestPageFillsInEverything(t *testing.T) {
	t.Parallel()
	for name, pairs := range map[string][]string{
		"everything":      {"tax_id_collection[required]", "if_supported"},
		"free":            {"line_items[0][price_data][unit_amount]", "0", "optional_items[0][price]", "-", "optional_items[0][quantity]", "-", "optional_items[0][adjustable_quantity][enabled]", "-"},
		"ships elsewhere": {"shipping_address_collection[allowed_countries][1]", "FR"},
		"only debits":     {"payment_method_types[0]", "us_bank_account"},
	} {
		srv := newServer(t, checkouttest.Config{})
		v := visitor{t, srv}
		page := v.get("/c/pay/" + makeSession(t, srv, askAll(t, srv, pairs...)))
		fill := regexp.MustCompile(`<button name="fill" value="([^"]+)"`).FindStringSubmatch(page.body)
		require.NotNil(t, fill, name)
		require.Less(t, strings.Index(page.body, fill[0]), strings.Index(page.body, "SubmitButton"), "above the button that pays")
		filled := v.submit(page, url.Values{"fill": {fill[1]}})
		require.Equal(t, http.StatusOK, filled.status, name)
		paid := v.submit(filled, nil)
		require.Equal(t, http.StatusSeeOther, paid.status, "%s: %s", name, regexp.MustCompile(`<p class="error".*`).FindAllString(paid.body, -1))
	}
}

// A page speaks the session's language, or else the browser's.
func TestPageLanguage(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	for _, c := range []struct{ locale, accept, tag, button string }{
		{"", "", "en", "Pay $1,234.50"},
		{"", "de-AT,de;q=0.9,en;q=0.8", "de", "1.234,50\u00a0$ bezahlen"},
		{"auto", "ja, fr-CA;q=0.5, es;q=0.4", "fr", "Payer 1\u202f234,50\u00a0$"},
		{"es-419", "de", "es", "Pagar 1.234,50\u00a0$"},
		{"ja", "de", "en", "Pay $1,234.50"},
	} {
		params := tee()
		params.LineItems[0].PriceData.UnitAmount = stripe.Int64(123450)
		if c.locale != "" {
			params.Locale = &c.locale
		}
		page := v.do("GET", create(t, srv, params).URL, nil, "Accept-Language", c.accept)
		require.Contains(t, page.body, `<html lang="`+c.tag+`">`, c)
		require.Contains(t, page.body, ">"+c.button+"</button>", c)
	}
	german := tee()
	german.Locale = stripe.String("de")
	declined := v.submit(v.get(create(t, srv, german).URL), card(checkouttest.CardDeclined))
	require.Contains(t, declined.body, "Ihre Karte wurde abgelehnt. Es wurde nichts abgebucht.")
	_, param, _ := refusal(t, srv, "/v1/checkout/sessions", "mode", "payment", "locale", "xx")
	require.Equal(t, "locale", param)
}

// The page of a session that is not there leads back to where the customer came from.
func TestPageOfNoSessionLeadsBack(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	page := v.do("GET", "/c/pay/cs_none", nil, "Referer", "https://shop.example/", "Accept-Language", "fr")
	require.Equal(t, http.StatusNotFound, page.status)
	require.Contains(t, page.body, `<a href="https://shop.example/">Retourner à la boutique</a>`)
	require.NotContains(t, v.do("GET", "/c/pay/cs_none", nil, "Referer", "javascript:alert(1)").body, "javascript")
}

// A buyer in a test answers as a customer at the page does.
func TestBuyerAnswers(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	id := makeSession(t, srv, askAll(t, srv))
	for key, answer := range map[string]string{"size": "s", "club": "x234", "colour": "red", "note": long(256)} {
		err := srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Answers: map[string]string{key: answer}})
		require.ErrorIs(t, err, checkouttest.ErrAnswer, key)
	}
	require.ErrorIs(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Extras: []int64{100}}), checkouttest.ErrQuantity)
	require.ErrorIs(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Extras: []int64{1, 1}}), checkouttest.ErrQuantity)
	require.EqualValues(t, 1999, retrieve(t, srv, id).AmountTotal, "nothing has changed")
	require.NoError(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{
		Answers: map[string]string{"size": "l", "note": "soon"}, Extras: []int64{2}, TaxID: "12-3456789", BusinessName: "Engines", AcceptsEmails: true,
		ShipTo: checkouttest.Recipient{Name: "Grace", Address: checkouttest.Address{Line1: "Allee 1", Country: "DE"}},
	}))
	sess := retrieve(t, srv, id)
	require.Equal(t, []string{"l", "1111", "soon"}, []string{sess.CustomFields[0].Dropdown.Value, sess.CustomFields[1].Numeric.Value, sess.CustomFields[2].Text.Value})
	require.EqualValues(t, 2599, sess.AmountTotal)
	require.EqualValues(t, "us_ein", sess.CustomerDetails.TaxIDs[0].Type)
	require.Equal(t, "Grace", sess.CollectedInformation.ShippingDetails.Name)
}
