package checkouttest_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A visitor uses the page as a browser without JavaScript does.
type visitor struct {
	t   *testing.T
	srv *checkouttest.Server
}

type visited struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (v visitor) do(method, target string, form url.Values, header ...string) visited {
	v.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = v.srv.URL() + target
	}
	r, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	require.NoError(v.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.srv.Transport().RoundTrip(r)
	require.NoError(v.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	return visited{resp.StatusCode, resp.Header.Get("Location"), string(body), resp.Header}
}

func (v visitor) get(target string) visited { v.t.Helper(); return v.do("GET", target, nil) }

// submit fills in the page's form and sends it to the form's own address.
func (v visitor) submit(page visited, set url.Values) visited {
	v.t.Helper()
	action := regexp.MustCompile(`<form[^>]* action="([^"]+)"`).FindStringSubmatch(page.body)
	require.NotNil(v.t, action, page.body)
	form := url.Values{}
	for _, input := range regexp.MustCompile(`<input[^>]*>`).FindAllString(page.body, -1) {
		if !regexp.MustCompile(`type="(radio|checkbox)"`).MatchString(input) || strings.Contains(input, " checked") {
			form.Set(attr(input, "name"), html.UnescapeString(attr(input, "value")))
		}
	}
	for _, list := range regexp.MustCompile(`(?s)<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>`).FindAllStringSubmatch(page.body, -1) {
		option := regexp.MustCompile(`<option value="([^"]*)" selected`).FindStringSubmatch(list[2])
		if option == nil {
			option = regexp.MustCompile(`<option value="([^"]*)"`).FindStringSubmatch(list[2])
		}
		form.Set(list[1], html.UnescapeString(option[1]))
	}
	for name, value := range set {
		form[name] = value
	}
	return v.do("POST", html.UnescapeString(action[1]), form)
}

func attr(tag, name string) string {
	m := regexp.MustCompile(` ` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return m[1]
}

func card(number checkouttest.PaymentMethod) url.Values {
	return url.Values{
		"email": {"ada@example.org"}, "cardNumber": {string(number)}, "cardExpiry": {"12 / 34"}, "cardCvc": {"123"}, "billingName": {"Ada"},
		"billingCountry": {"US"}, "billingPostalCode": {"94107"}, "payment-method-accordion-item-title": {"card"},
	}
}

func TestPageBuys(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	in := newInbox(srv)
	v := visitor{t, srv}
	params := tee()
	params.LineItems[0].Quantity = stripe.Int64(2)
	params.LineItems[0].PriceData.ProductData.Name = stripe.String(`<b>"Tee"</b>`)
	sess := create(t, srv, params)

	page := v.get(sess.URL)
	require.Equal(t, http.StatusOK, page.status)
	for _, want := range []string{"Test page, not Stripe.", "2 × $19.99", "$39.98", "Pay $39.98", "4242 4242 4242 4242", `href="https://shop.example/cart"`, "&lt;b&gt;"} {
		require.Contains(t, page.body, want)
	}
	require.NotContains(t, page.body, "<script")
	require.NotContains(t, page.body, "<b>")

	declined := v.submit(page, card(checkouttest.CardDeclined))
	require.Equal(t, http.StatusPaymentRequired, declined.status)
	require.Contains(t, declined.body, "Your card was declined.")
	require.Regexp(t, `<input id="cardNumber"[^>]* value="4000000000000002"`, declined.body, "the form keeps what was typed")
	require.Contains(t, declined.body, `value="ada@example.org"`)
	require.EqualValues(t, "open", retrieve(t, srv, sess.ID).Status)

	srv.Flush()
	in.types(t)
	paid := v.submit(declined, url.Values{"cardNumber": {"4242 4242 4242 4242"}, "billingCountry": {"US"}})
	require.Equal(t, http.StatusSeeOther, paid.status)
	require.Equal(t, "https://shop.example/thanks?session_id="+sess.ID, paid.location)
	require.Contains(t, in.types(t), "checkout.session.completed", "the webhook was answered before the redirect")
	require.Equal(t, "ada@example.org", retrieve(t, srv, sess.ID).CustomerDetails.Email)

	again := v.submit(declined, card(checkouttest.CardOK))
	require.Equal(t, paid.location, again.location, "a second click ends where the first did")
	require.Empty(t, in.types(t))
	done := v.get("/c/pay/" + sess.ID)
	require.Equal(t, http.StatusOK, done.status)
	require.Contains(t, done.body, "This order is complete")
	require.Contains(t, done.body, paid.location)
}

func TestPageMessages(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	page := v.get(create(t, srv, tee()).URL)
	for name, c := range map[string]struct {
		set    url.Values
		status int
		want   string
	}{
		"no e-mail":      {url.Values{"email": {""}}, 422, "Enter an email address"},
		"no number":      {url.Values{"cardNumber": {""}}, 422, "Enter a card number."},
		"a real card":    {url.Values{"cardNumber": {"5500005555555559"}}, 422, "not one of the test cards"},
		"no expiry":      {url.Values{"cardExpiry": {"13/34"}}, 422, "Enter month and year"},
		"past":           {url.Values{"cardExpiry": {"12/19"}}, 422, "This date is in the past."},
		"no CVC":         {url.Values{"cardCvc": {"12a"}}, 422, "Enter three digits."},
		"no funds":       {url.Values{"cardNumber": {string(checkouttest.CardInsufficientFunds)}}, 402, "Your card has insufficient funds."},
		"expired card":   {url.Values{"cardNumber": {string(checkouttest.CardExpired)}}, 402, "Your card has expired."},
		"fill in a card": {url.Values{"fill": {string(checkouttest.Card3DS)}, "email": {"kept@example.org"}}, 200, `value="kept@example.org"`},
	} {
		set := card(checkouttest.CardOK)
		for k, value := range c.set {
			set[k] = value
		}
		got := v.submit(page, set)
		require.Equal(t, c.status, got.status, name)
		require.Contains(t, got.body, c.want, name)
		require.Equal(t, c.status != 200, strings.Contains(got.body, `role="alert"`), name)
		require.NotContains(t, got.body, "5500005555555559", "a real card's number is not repeated")
	}
}

func TestPageChallenge(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	sess := create(t, srv, tee())
	early := v.get(sess.URL + "/authenticate")
	require.Equal(t, http.StatusSeeOther, early.status, "there is no challenge yet")

	got := v.submit(v.get(sess.URL), card(checkouttest.Card3DS))
	require.Equal(t, http.StatusSeeOther, got.status)
	challenge := v.get(got.location)
	require.Equal(t, http.StatusOK, challenge.status)
	require.Contains(t, challenge.body, "$19.99")
	require.EqualValues(t, "requires_action", retrieve(t, srv, sess.ID, "payment_intent").PaymentIntent.Status)

	failed := v.submit(challenge, url.Values{"result": {"fail"}})
	require.Equal(t, http.StatusPaymentRequired, failed.status)
	require.Contains(t, failed.body, "unable to authenticate")
	require.Equal(t, 1, strings.Count(failed.body, "try again")+strings.Count(failed.body, "Try again"), "one message")
	require.Contains(t, failed.body, "ada@example.org")
	require.EqualValues(t, "requires_payment_method", retrieve(t, srv, sess.ID, "payment_intent").PaymentIntent.Status)
	require.Equal(t, http.StatusSeeOther, v.submit(challenge, url.Values{"result": {"complete"}}).status, "that challenge is over")
	require.EqualValues(t, "open", retrieve(t, srv, sess.ID).Status)

	got = v.submit(failed, card(checkouttest.Card3DS))
	got = v.submit(v.get(got.location), url.Values{"result": {"complete"}})
	require.Equal(t, "https://shop.example/thanks?session_id="+sess.ID, got.location)
	require.EqualValues(t, "paid", retrieve(t, srv, sess.ID).PaymentStatus)
	require.Equal(t, got.location, v.submit(challenge, url.Values{"result": {"complete"}}).location)
}

func TestPageDebitAndDelivery(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	params := tee()
	params.CustomerEmail = stripe.String("fixed@example.org")
	params.PhoneNumberCollection = &stripe.CheckoutSessionCreatePhoneNumberCollectionParams{Enabled: stripe.Bool(true)}
	params.ShippingAddressCollection = &stripe.CheckoutSessionCreateShippingAddressCollectionParams{AllowedCountries: stripe.StringSlice([]string{"DE", "US"})}
	sess := create(t, srv, params)
	page := v.get(sess.URL)
	form := url.Values{"payment-method-accordion-item-title": {"us_bank_account"}, "email": {"other@example.org"}, "shippingCountry": {"FR"}}
	got := v.submit(page, form)
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	for _, name := range []string{"phoneNumber", "shippingName", "shippingAddressLine1", "shippingLocality", "shippingCountry", "billingName"} {
		require.Contains(t, got.body, `id="`+name+`-error"`)
	}
	require.NotContains(t, got.body, `id="cardNumber-error"`)
	form = url.Values{
		"payment-method-accordion-item-title": {"us_bank_account"}, "phoneNumber": {"+49 30 1"}, "shippingName": {"Ada"}, "shippingAddressLine1": {"Allee 1"},
		"shippingLocality": {"Berlin"}, "shippingCountry": {"de"}, "billingName": {"Countess"}, "cardUseShippingAsBilling": {"true"},
	}
	require.Equal(t, http.StatusSeeOther, v.submit(got, form).status)
	after := retrieve(t, srv, sess.ID)
	require.EqualValues(t, "unpaid", after.PaymentStatus)
	require.Equal(t, "fixed@example.org", after.CustomerDetails.Email, "a given address can't be changed")
	require.Equal(t, "DE", after.CollectedInformation.ShippingDetails.Address.Country)
	require.Contains(t, v.get(sess.URL).body, "payment is on the way")
}

func TestPageOfOtherSessions(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	for _, path := range []string{"/c/pay/cs_none", "/c/pay/cs_none/authenticate"} {
		require.Equal(t, http.StatusNotFound, v.get(path).status)
		require.Equal(t, http.StatusNotFound, v.do("POST", path, nil).status)
	}
	sess := create(t, srv, tee())
	page := v.get(sess.URL)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		require.Equal(t, http.StatusForbidden, v.do("POST", sess.URL, card(checkouttest.CardOK), header...).status)
	}
	srv.Advance(24 * time.Hour)
	require.Contains(t, v.get(sess.URL).body, "This checkout has expired")
	late := v.submit(page, card(checkouttest.CardOK))
	require.Equal(t, http.StatusConflict, late.status)
	require.Contains(t, late.body, "This checkout has expired")
	require.Equal(t, http.StatusSeeOther, v.get(sess.URL+"/authenticate").status)

	debit := tee()
	debit.PaymentMethodTypes = stripe.StringSlice([]string{"us_bank_account"})
	sess = create(t, srv, debit)
	page = v.get(sess.URL)
	require.NotContains(t, page.body, "Card number")
	require.Equal(t, http.StatusSeeOther, v.submit(page, url.Values{"email": {"a@b.example"}, "billingName": {"A"}, "billingCountry": {"FR"}}).status)

	none := tee()
	none.PaymentMethodTypes = stripe.StringSlice([]string{"klarna"})
	sess = create(t, srv, none)
	require.Contains(t, v.get(sess.URL).body, "it offers klarna, and this test page knows only cards")
	require.Equal(t, http.StatusUnprocessableEntity, v.submit(v.get(sess.URL), card(checkouttest.CardOK)).status)

	free := tee()
	free.LineItems[0].PriceData.UnitAmount = stripe.Int64(0)
	free.ShippingOptions = nil
	sess = create(t, srv, free)
	page = v.get(sess.URL)
	require.Contains(t, page.body, "Complete order")
	require.NotContains(t, page.body, "Card number")
	require.Equal(t, http.StatusSeeOther, v.submit(page, url.Values{"email": {"a@b.example"}}).status)

	setup := &stripe.CheckoutSessionCreateParams{Mode: stripe.String("setup"), Currency: stripe.String("usd"), UIMode: stripe.String("embedded"), RedirectOnCompletion: stripe.String("never")}
	id := create(t, srv, setup).ID
	page = v.get("/c/pay/" + id)
	require.Contains(t, page.body, "Save payment method")
	done := v.submit(page, card(checkouttest.CardOK))
	require.Equal(t, http.StatusOK, done.status, "nowhere to go")
	require.Contains(t, done.body, "This order is complete")

	css := v.get("/c/style.css")
	require.Contains(t, css.header.Get("Content-Type"), "text/css")
	require.NotContains(t, css.body, "url(")
}

// With Config.ExpiredForm, the page of an expired session still shows its form, and fails when the customer pays.
func TestPageOfAnExpiredSession(t *testing.T) {
	t.Parallel()
	for _, form := range []bool{false, true} {
		srv := newServer(t, checkouttest.Config{ExpiredForm: form})
		v := visitor{t, srv}
		sess := create(t, srv, tee())
		open := v.get(sess.URL)
		srv.Advance(24 * time.Hour)
		require.EqualValues(t, "expired", retrieve(t, srv, sess.ID).Status)
		late := v.get(sess.URL)
		require.Equal(t, http.StatusOK, late.status)
		require.Equal(t, form, strings.Contains(late.body, "Pay $19.99"))
		require.Equal(t, !form, strings.Contains(late.body, "This checkout has expired"))
		if form {
			require.True(t, open.body == late.body, "nothing tells the customer")
			mistyped := v.submit(late, url.Values{"cardNumber": {"1"}})
			require.Equal(t, http.StatusUnprocessableEntity, mistyped.status)
			require.Contains(t, mistyped.body, "not one of the test cards")
			filled := v.submit(late, url.Values{"fill": {string(checkouttest.CardOK)}})
			require.Contains(t, filled.body, "Pay $19.99")
		}
		before := len(srv.Events())
		paid := v.submit(open, card(checkouttest.CardOK))
		require.Equal(t, http.StatusConflict, paid.status)
		require.Contains(t, paid.body, "This checkout has expired")
		require.NotContains(t, paid.body, "<form")
		require.Len(t, srv.Events(), before)
		require.ErrorIs(t, srv.Pay(sess.ID, checkouttest.CardOK), checkouttest.ErrExpired)

		complete := create(t, srv, tee())
		require.NoError(t, srv.Pay(complete.ID, checkouttest.CardOK))
		require.Contains(t, v.get(complete.URL).body, "This order is complete")
	}
}

func TestPageMoney(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	v := visitor{t, srv}
	for currency, want := range map[string]string{"usd": "$12,345.67", "eur": "€12,345.67", "jpy": "¥1,234,567", "kwd": "1,234.567 KWD", "chf": "12,345.67 CHF", "xof": "1,234,567 XOF"} {
		params := tee()
		params.LineItems[0].PriceData.Currency = &currency
		params.LineItems[0].PriceData.UnitAmount = stripe.Int64(1_234_567)
		require.Contains(t, v.get(create(t, srv, params).URL).body, "Pay "+want)
	}
}

// Every input has a label, and the page loads nothing from other hosts.
func TestPageIsLabelled(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.ShippingAddressCollection = &stripe.CheckoutSessionCreateShippingAddressCollectionParams{AllowedCountries: stripe.StringSlice([]string{"US"})}
	page := visitor{t, srv}.get(create(t, srv, params).URL)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(t, page.body, `<html lang="en">`)
	inputs := regexp.MustCompile(`<(?:input|select)[^>]*>`).FindAllString(page.body, -1)
	require.Len(t, inputs, 17)
	for _, input := range inputs {
		require.Contains(t, page.body, `<label for="`+attr(input, "id")+`">`, input)
	}
	for _, link := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(page.body, -1) {
		require.Regexp(t, `^(/c/|data:,$|https://shop\.example/)`, link[1])
	}
}

// The redirect waits at most ten seconds for the webhook's answer.
func TestPageWaitsForTheWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := checkouttest.NewServer(checkouttest.Config{})
		defer srv.Close()
		srv.Deliver(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { time.Sleep(7 * time.Second) }))
		sess := create(t, srv, tee())
		start := time.Now()
		got := visitor{t, srv}.do("POST", sess.URL, card(checkouttest.CardOK))
		require.Equal(t, http.StatusSeeOther, got.status)
		require.Equal(t, 10*time.Second, time.Since(start), "four deliveries of seven seconds are not waited for")
	})
}
