package checkouttest_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// must makes a request that succeeds.
func must(t *testing.T, srv *checkouttest.Server, method, path string, values url.Values) map[string]any {
	t.Helper()
	resp, body := request(t, srv, method, path, values)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	return body
}

// at returns the value at a path of keys.
func at(v any, keys ...string) any {
	for _, key := range keys {
		v = v.(map[string]any)[key]
	}
	return v
}

// merged returns a copy of a form with further pairs.
func merged(values url.Values, pairs ...string) url.Values {
	all := maps.Clone(values)
	maps.Copy(all, form(pairs...))
	return all
}

// A payment is made with the payment method that the request names. The charge shows the method's billing details and expiry date as they are.
func TestAPaymentKeepsItsMethod(t *testing.T) {
	t.Parallel()
	visa := form("type", "card", "card[number]", "4242424242424242", "card[exp_month]", "3", "card[exp_year]", "2031", "card[cvc]", "123",
		"billing_details[name]", "Tea Shop", "billing_details[address][postal_code]", "10115")
	paid := form("amount", "2000", "currency", "usd", "payment_method_types[0]", "card")
	for name, pay := range map[string]func(t *testing.T, srv *checkouttest.Server, pm string) map[string]any{
		"confirmed at once": func(t *testing.T, srv *checkouttest.Server, pm string) map[string]any {
			return must(t, srv, "POST", "/v1/payment_intents", merged(paid, "payment_method", pm, "confirm", "true"))
		},
		"confirmed later": func(t *testing.T, srv *checkouttest.Server, pm string) map[string]any {
			pi := must(t, srv, "POST", "/v1/payment_intents", merged(paid, "payment_method", pm))
			require.Equal(t, pm, pi["payment_method"])
			return must(t, srv, "POST", "/v1/payment_intents/"+str(pi["id"])+"/confirm", nil)
		},
		"named by the confirmation": func(t *testing.T, srv *checkouttest.Server, pm string) map[string]any {
			pi := must(t, srv, "POST", "/v1/payment_intents", paid)
			return must(t, srv, "POST", "/v1/payment_intents/"+str(pi["id"])+"/confirm", form("payment_method", pm))
		},
		"named by an update": func(t *testing.T, srv *checkouttest.Server, pm string) map[string]any {
			pi := must(t, srv, "POST", "/v1/payment_intents", paid)
			pi = must(t, srv, "POST", "/v1/payment_intents/"+str(pi["id"]), form("payment_method", pm))
			require.Equal(t, pm, pi["payment_method"])
			return must(t, srv, "POST", "/v1/payment_intents/"+str(pi["id"])+"/confirm", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			pm := must(t, srv, "POST", "/v1/payment_methods", visa)
			require.Equal(t, map[string]any{"address_line1_check": nil, "address_postal_code_check": "unchecked", "cvc_check": "unchecked"}, at(pm, "card", "checks"))
			pi := pay(t, srv, str(pm["id"]))
			require.Equal(t, "succeeded", pi["status"])
			require.Equal(t, pm["id"], pi["payment_method"])
			ch := must(t, srv, "GET", "/v1/charges/"+str(pi["latest_charge"]), nil)
			require.Equal(t, pm["id"], ch["payment_method"])
			require.Equal(t, pm["billing_details"], ch["billing_details"])
			require.EqualValues(t, 3, at(ch, "payment_method_details", "card", "exp_month"))
			require.EqualValues(t, 2031, at(ch, "payment_method_details", "card", "exp_year"))
			pm = must(t, srv, "GET", "/v1/payment_methods/"+str(pm["id"]), nil)
			require.Equal(t, map[string]any{"address_line1_check": nil, "address_postal_code_check": "pass", "cvc_check": "pass"}, at(pm, "card", "checks"))
		})
	}
}

// A card that every sandbox has, such as pm_card_visa, stands for a new payment method each time. It expires in a year.
func TestCardsOfEverySandboxAreCopied(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC)})
	pi := must(t, srv, "POST", "/v1/payment_intents", form("amount", "2000", "currency", "usd", "payment_method", "pm_card_mastercard"))
	require.Equal(t, "requires_confirmation", pi["status"])
	shown := must(t, srv, "GET", "/v1/payment_methods/pm_card_mastercard", nil)
	require.NotEqual(t, pi["payment_method"], shown["id"])
	for _, id := range []string{str(pi["payment_method"]), str(shown["id"])} {
		pm := must(t, srv, "GET", "/v1/payment_methods/"+id, nil)
		require.Equal(t, "mastercard", at(pm, "card", "brand"))
		require.EqualValues(t, 8, at(pm, "card", "exp_month"))
		require.EqualValues(t, 2027, at(pm, "card", "exp_year"))
		require.Equal(t, "unchecked", at(pm, "card", "checks", "cvc_check"))
	}
	cus := must(t, srv, "POST", "/v1/customers", nil)
	pm := must(t, srv, "POST", "/v1/payment_methods/"+str(shown["id"])+"/attach", form("customer", str(cus["id"])))
	require.Equal(t, "pass", at(pm, "card", "checks", "cvc_check"))
	cus = must(t, srv, "POST", "/v1/customers", form("payment_method", str(pi["payment_method"])))
	pm = must(t, srv, "GET", "/v1/payment_methods/"+str(pi["payment_method"]), nil)
	require.Equal(t, cus["id"], pm["customer"])
	require.Equal(t, "pass", at(pm, "card", "checks", "cvc_check"))
}

// A customer who is away cannot authenticate: https://docs.stripe.com/api/payment_intents/create#create_payment_intent-off_session
func TestOffSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		card    string
		saved   bool
		capture string
		status  string // of the intent
		code    string // of the error
	}{
		"a plain card":                   {"visa", false, "automatic", "succeeded", ""},
		"a plain card, captured later":   {"visa", false, "manual", "requires_capture", ""},
		"a declined card":                {"visa_chargeDeclined", false, "automatic", "requires_payment_method", "card_declined"},
		"asks, and was not saved":        {"authenticationRequiredOnSetup", false, "automatic", "requires_payment_method", "authentication_required"},
		"asks once, and was saved":       {"authenticationRequiredOnSetup", true, "automatic", "succeeded", ""},
		"asks once, and captured later":  {"authenticationRequiredOnSetup", true, "manual", "requires_capture", ""},
		"asks always, and was saved":     {"authenticationRequired", true, "automatic", "requires_payment_method", "authentication_required"},
		"asks once, saved, and declined": {"authenticationRequiredChargeDeclinedInsufficientFunds", true, "automatic", "requires_payment_method", "card_declined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			cus := str(must(t, srv, "POST", "/v1/customers", nil)["id"])
			values := form("amount", "2000", "currency", "usd", "customer", cus, "payment_method", "pm_card_"+c.card, "payment_method_types[0]", "card",
				"off_session", "true", "capture_method", c.capture)
			if c.saved {
				values.Set("payment_method", str(must(t, srv, "POST", "/v1/payment_methods/pm_card_"+c.card+"/attach", form("customer", cus))["id"]))
			}
			resp, body := request(t, srv, "POST", "/v1/payment_intents", values)
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, "it needs confirm=true")
			require.Equal(t, "off_session", at(body, "error", "param"))
			resp, body = request(t, srv, "POST", "/v1/payment_intents", merged(values, "confirm", "true"))
			if c.code == "" {
				require.Equal(t, http.StatusOK, resp.StatusCode, body)
				require.Equal(t, c.status, body["status"])
				require.Equal(t, true, must(t, srv, "GET", "/v1/charges/"+str(body["latest_charge"]), nil)["paid"])
				return
			}
			require.Equal(t, http.StatusPaymentRequired, resp.StatusCode, body)
			require.Equal(t, c.status, at(body, "error", "payment_intent", "status"))
			require.NotEmpty(t, at(body, "error", "charge"))
			require.NotContains(t, eventTypes(srv), "payment_intent.requires_action")
			require.Equal(t, c.code, at(body, "error", "code"))
			_, body = request(t, srv, "POST", "/v1/payment_intents/"+str(at(body, "error", "payment_intent", "id"))+"/confirm", form("payment_method", "pm_card_visa", "off_session", "true"))
			require.Contains(t, []any{"succeeded", "requires_capture"}, body["status"])
			resp, body = request(t, srv, "POST", "/v1/payment_intents/"+str(body["id"])+"/confirm", form("payment_method", "pm_card_authenticationRequired", "off_session", "true"))
			require.Equal(t, http.StatusBadRequest, resp.StatusCode)
			require.Equal(t, "payment_intent_unexpected_state", at(body, "error", "code"))
		})
	}
}

// The path of an attachment names the method, so that one which does not exist is not found.
func TestAttachingAnUnknownMethod(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	cus := str(must(t, srv, "POST", "/v1/customers", nil)["id"])
	resp, body := request(t, srv, "POST", "/v1/payment_methods/abcd/attach", form("customer", cus))
	require.Equal(t, http.StatusNotFound, resp.StatusCode, body)
	require.Equal(t, "resource_missing", at(body, "error", "code"))
}

// Types that a request names replace the automatic payment methods, which are on otherwise.
func TestAutomaticPaymentMethods(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	on := map[string]any{"allow_redirects": "always", "enabled": true}
	for _, path := range []string{"/v1/payment_intents", "/v1/setup_intents"} {
		values := form()
		if path == "/v1/payment_intents" {
			values = form("amount", "2000", "currency", "usd")
		}
		require.Equal(t, on, must(t, srv, "POST", path, values)["automatic_payment_methods"])
		require.Nil(t, must(t, srv, "POST", path, merged(values, "payment_method_types[0]", "card"))["automatic_payment_methods"])
		require.Equal(t, map[string]any{"allow_redirects": "never", "enabled": true},
			must(t, srv, "POST", path, merged(values, "automatic_payment_methods[enabled]", "true", "automatic_payment_methods[allow_redirects]", "never"))["automatic_payment_methods"])
	}
	require.NoError(t, srv.Pay(makeSession(t, srv, teeForm("payment_intent_data[description]", "Tea")), checkouttest.CardOK))
	list := must(t, srv, "GET", "/v1/payment_intents", form("limit", "1"))
	require.Nil(t, at(list["data"].([]any)[0], "automatic_payment_methods"))
}

// A platform shares a payment method of its own customer with a connected account, for a direct charge there.
func TestAMethodIsShared(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	cus := str(must(t, srv, "POST", "/v1/customers", nil)["id"])
	pm := str(must(t, srv, "POST", "/v1/payment_methods/pm_card_visa/attach", form("customer", cus))["id"])
	share := form("customer", cus, "payment_method", pm)
	resp, body := request(t, srv, "POST", "/v1/payment_methods", share)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
	connected := func(path string, values url.Values) (int, map[string]any) {
		resp, body := request(t, srv, "POST", path, values, "Stripe-Account", "acct_1")
		return resp.StatusCode, body
	}
	status, copied := connected("/v1/payment_methods", share)
	require.Equal(t, http.StatusOK, status, copied)
	require.NotEqual(t, pm, copied["id"])
	require.Nil(t, copied["customer"])
	require.Equal(t, "pass", at(copied, "card", "checks", "cvc_check"))
	for name, values := range map[string]url.Values{
		"the method of another account": form("amount", "900", "currency", "usd", "payment_method", pm, "confirm", "true"),
		"no such method":                form("amount", "900", "currency", "usd", "payment_method", "pm_1Unknown", "confirm", "true"),
	} {
		status, body = connected("/v1/payment_intents", values)
		require.Equal(t, http.StatusBadRequest, status, name)
		require.Equal(t, "resource_missing", at(body, "error", "code"), name)
	}
	status, pi := connected("/v1/payment_intents", form("amount", "900", "currency", "usd", "payment_method", str(copied["id"]), "confirm", "true"))
	require.Equal(t, http.StatusOK, status, pi)
	require.Equal(t, copied["id"], pi["payment_method"])
	for _, wrong := range []url.Values{form("payment_method", "pm_1Unknown"), form("payment_method", pm, "customer", "cus_Unknown")} {
		status, body = connected("/v1/payment_methods", wrong)
		require.Equal(t, http.StatusBadRequest, status, body)
	}
}

// A payment method that was charged without a customer, or detached from one, cannot be used again.
// https://docs.stripe.com/api/payment_methods/detach
func TestAMethodIsUsedUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number string
		first  []string // of the payment; CUS stands for a customer
		before func(t *testing.T, srv *checkouttest.Server, cus, pm string)
		again  int // the status of the second payment
	}{
		"paid":                         {number: "4242424242424242", again: 400},
		"declined":                     {number: "4000000000000002", again: 400},
		"with a customer, not saved":   {number: "4242424242424242", first: []string{"customer", "CUS"}, again: 400},
		"with a customer, saved by it": {number: "4242424242424242", first: []string{"customer", "CUS", "setup_future_usage", "off_session"}, again: 200},
		"not confirmed":                {number: "4242424242424242", first: []string{"confirm", "false"}, again: 200},
		"attached before": {
			number: "4242424242424242", first: []string{"customer", "CUS"}, again: 200,
			before: func(t *testing.T, srv *checkouttest.Server, cus, pm string) {
				must(t, srv, "POST", "/v1/payment_methods/"+pm+"/attach", form("customer", cus))
			},
		},
		"detached": {
			number: "4242424242424242", first: []string{"confirm", "false"}, again: 400,
			before: func(t *testing.T, srv *checkouttest.Server, cus, pm string) {
				must(t, srv, "POST", "/v1/payment_methods/"+pm+"/attach", form("customer", cus))
				must(t, srv, "POST", "/v1/payment_intents", form("amount", "2000", "currency", "usd", "payment_method", pm))
				must(t, srv, "POST", "/v1/payment_methods/"+pm+"/detach", nil)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			cus := str(must(t, srv, "POST", "/v1/customers", nil)["id"])
			pm := str(must(t, srv, "POST", "/v1/payment_methods", form("type", "card", "card[number]", c.number))["id"])
			if c.before != nil {
				c.before(t, srv, cus, pm)
			}
			values := form("amount", "2000", "currency", "usd", "payment_method", pm, "payment_method_types[0]", "card", "confirm", "true")
			first := merged(values, c.first...)
			if first.Get("customer") != "" {
				first.Set("customer", cus)
			}
			request(t, srv, "POST", "/v1/payment_intents", first)
			resp, body := request(t, srv, "POST", "/v1/payment_intents", values)
			require.Equal(t, c.again, resp.StatusCode, body)
			if c.again == http.StatusOK {
				require.Equal(t, pm, body["payment_method"])
				if len(c.first) == 4 {
					require.Equal(t, cus, must(t, srv, "GET", "/v1/payment_methods/"+pm, nil)["customer"])
					require.Contains(t, eventTypes(srv), "payment_method.attached")
				}
				return
			}
			require.Contains(t, at(body, "error", "message"), "may not be used again")
			for path, values := range map[string]url.Values{"/v1/payment_methods/" + pm + "/attach": form("customer", cus), "/v1/customers": form("payment_method", pm)} {
				resp, body = request(t, srv, "POST", path, values)
				require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
			}
		})
	}
}

// The errors of a bank name the part of the card that is wrong.
func TestRefusalsNameAPartOfTheCard(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	for card, param := range map[string]any{"chargeDeclinedIncorrectCvc": "cvc", "chargeDeclinedExpiredCard": "exp_month", "chargeDeclined": nil} {
		resp, body := request(t, srv, "POST", "/v1/payment_intents", form("amount", "2000", "currency", "usd", "payment_method", "pm_card_"+card, "confirm", "true"))
		require.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
		require.Equal(t, param, at(body, "error", "param"), card)
	}
}

// A subscription over the API has no payment method of its own: the customer's default pays its renewals, too.
func TestASubscriptionIsPaidByTheCustomersDefault(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	price := srv.AddPrice(checkouttest.Price{Name: "Tea club", Currency: "usd", UnitAmount: 900, Interval: "month"})
	cus := must(t, srv, "POST", "/v1/customers", form("payment_method", "pm_card_authenticationRequired", "invoice_settings[default_payment_method]", "pm_card_authenticationRequired"))
	sub := must(t, srv, "POST", "/v1/subscriptions", form("customer", str(cus["id"]), "items[0][price]", price))
	require.Nil(t, sub["default_payment_method"])
	require.NoError(t, srv.Renew(str(sub["id"])))
	require.NoError(t, srv.Authenticate(str(sub["id"])))
	list := must(t, srv, "GET", "/v1/charges", nil)["data"].([]any)
	require.Len(t, list, 2)
	for _, ch := range list {
		require.Equal(t, at(cus, "invoice_settings", "default_payment_method"), at(ch, "payment_method"))
	}
	require.Equal(t, "active", must(t, srv, "GET", "/v1/subscriptions/"+str(sub["id"]), nil)["status"])
}
