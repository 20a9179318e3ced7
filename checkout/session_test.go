package checkout

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

var sessionTestNow = time.Unix(1_790_000_000, 999_999_999)

// teeSession is a valid session with one tracked line.
func teeSession() Session {
	return Session{
		OrderID:    "order-42",
		Lines:      []Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: MustAmount("19.99", "usd"), Quantity: 2}},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		CancelURL:  "https://shop.example/cart",
		HoldFor:    15 * time.Minute,
	}
}

// monthlySession is a valid session that starts a subscription.
func monthlySession() Session {
	return Session{
		OrderID: "sub-1",
		Mode:    ModeSubscription,
		Lines: []Line{
			{Name: "Tea club", UnitAmount: MustAmount("9", "eur"), Quantity: 1, Recurring: Recurring{Interval: IntervalMonth}},
			{Name: "Tea pot", UnitAmount: MustAmount("25", "eur"), Quantity: 1},
		},
		SuccessURL: "https://shop.example/thanks",
	}
}

// setupSession is a valid session that saves a payment method.
func setupSession() Session {
	return Session{OrderID: "setup-1", Mode: ModeSetup, Currency: "EUR", SuccessURL: "https://shop.example/thanks"}
}

// sessionSent returns the form keys and values that a session sends.
func sessionSent(t *testing.T, s Session) map[string]string {
	t.Helper()
	p, err := s.CreateParams(sessionTestNow)
	require.NoError(t, err)
	return paramsSent(t, p)
}

func paramsSent(t *testing.T, p *stripe.CheckoutSessionCreateParams) map[string]string {
	t.Helper()
	values, err := url.ParseQuery(encodeParams(p))
	require.NoError(t, err)
	keys := map[string]string{}
	for k, v := range values {
		require.Len(t, v, 1, k)
		keys[k] = v[0]
	}
	return keys
}

func TestCreateParamsPayment(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]string{
		"client_reference_id":                    "order-42",
		"mode":                                   "payment",
		"success_url":                            "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		"cancel_url":                             "https://shop.example/cart",
		"expires_at":                             "1790001860",
		"line_items[0][quantity]":                "2",
		"line_items[0][price_data][currency]":    "usd",
		"line_items[0][price_data][unit_amount]": "1999",
		"line_items[0][price_data][product_data][name]": "T-shirt",
	}, sessionSent(t, teeSession()))
}

func TestCreateParamsOfEveryField(t *testing.T) {
	t.Parallel()
	s := everythingSession()
	s.Params = nil
	require.Equal(t, map[string]string{
		"client_reference_id":                    "o_-9",
		"mode":                                   "payment",
		"currency":                               "eur",
		"success_url":                            "https://shop.example/ok?s={CHECKOUT_SESSION_ID}&x=%20",
		"cancel_url":                             "http://localhost:8080/cart",
		"expires_at":                             "1790007200",
		"customer_email":                         "jenny@example.com",
		"locale":                                 "pt-BR",
		"allow_promotion_codes":                  "true",
		"automatic_tax[enabled]":                 "true",
		"line_items[0][quantity]":                "3",
		"line_items[0][price_data][currency]":    "eur",
		"line_items[0][price_data][unit_amount]": "10",
		"line_items[0][price_data][product_data][name]":                              "Café & crème + 50% = \"gut\"; [neu]",
		"line_items[0][price_data][product_data][description]":                       "ß\n漢字",
		"line_items[0][price_data][product_data][images][0]":                         "https://img.example/a?b=c&d=e",
		"line_items[1][quantity]":                                                    "1",
		"line_items[1][price_data][currency]":                                        "eur",
		"line_items[1][price_data][unit_amount]":                                     "500",
		"line_items[1][price_data][product]":                                         "prod_1",
		"line_items[2][quantity]":                                                    "2",
		"line_items[2][price]":                                                       "price_1",
		"metadata[z]":                                                                "1&2=3",
		"metadata[a b]":                                                              "é",
		"metadata[empty]":                                                            "",
		"payment_intent_data[metadata][z]":                                           "1&2=3",
		"payment_intent_data[metadata][a b]":                                         "é",
		"payment_intent_data[metadata][empty]":                                       "",
		"payment_intent_data[capture_method]":                                        "manual",
		"payment_intent_data[application_fee_amount]":                                "100",
		"payment_intent_data[on_behalf_of]":                                          "acct_3",
		"payment_intent_data[transfer_data][destination]":                            "acct_2",
		"payment_method_types[0]":                                                    "card",
		"payment_method_types[1]":                                                    "sepa_debit",
		"shipping_address_collection[allowed_countries][0]":                          "DE",
		"shipping_address_collection[allowed_countries][1]":                          "AT",
		"shipping_options[0][shipping_rate]":                                         "shr_1",
		"shipping_options[1][shipping_rate_data][type]":                              "fixed_amount",
		"shipping_options[1][shipping_rate_data][display_name]":                      "Post",
		"shipping_options[1][shipping_rate_data][fixed_amount][amount]":              "490",
		"shipping_options[1][shipping_rate_data][fixed_amount][currency]":            "eur",
		"shipping_options[1][shipping_rate_data][delivery_estimate][minimum][unit]":  "business_day",
		"shipping_options[1][shipping_rate_data][delivery_estimate][minimum][value]": "1",
		"shipping_options[1][shipping_rate_data][delivery_estimate][maximum][unit]":  "business_day",
		"shipping_options[1][shipping_rate_data][delivery_estimate][maximum][value]": "3",
		"shipping_options[2][shipping_rate_data][type]":                              "fixed_amount",
		"shipping_options[2][shipping_rate_data][display_name]":                      "Pick-up",
		"shipping_options[2][shipping_rate_data][fixed_amount][amount]":              "0",
		"shipping_options[2][shipping_rate_data][fixed_amount][currency]":            "eur",
		"shipping_options[2][shipping_rate_data][delivery_estimate][maximum][unit]":  "business_day",
		"shipping_options[2][shipping_rate_data][delivery_estimate][maximum][value]": "1",
	}, sessionSent(t, s))
}

func TestCreateParamsSubscription(t *testing.T) {
	t.Parallel()
	s := monthlySession()
	s.Metadata = map[string]string{"plan": "tea"}
	s.Connect = Connect{Destination: "acct_2", OnBehalfOf: "acct_3"}
	s.Lines[0].Recurring.Count = 3
	got := sessionSent(t, s)
	require.Equal(t, "subscription", got["mode"])
	require.Equal(t, "month", got["line_items[0][price_data][recurring][interval]"])
	require.Equal(t, "3", got["line_items[0][price_data][recurring][interval_count]"])
	require.NotContains(t, got, "line_items[1][price_data][recurring][interval]")
	require.Equal(t, "tea", got["metadata[plan]"])
	require.Equal(t, "tea", got["subscription_data[metadata][plan]"])
	require.Equal(t, "acct_2", got["subscription_data[transfer_data][destination]"])
	require.Equal(t, "acct_3", got["subscription_data[on_behalf_of]"])
	require.NotContains(t, strings.Join(sortedKeys(got), " "), "payment_intent_data", "Stripe refuses it here")
	require.Equal(t, "1", sessionSent(t, monthlySession())["line_items[0][price_data][recurring][interval_count]"])
}

func TestCreateParamsSetup(t *testing.T) {
	t.Parallel()
	s := setupSession()
	s.Customer = "cus_1"
	s.Metadata = map[string]string{"for": "later"}
	s.Connect.OnBehalfOf = "acct_3"
	require.Equal(t, map[string]string{
		"client_reference_id":              "setup-1",
		"mode":                             "setup",
		"currency":                         "eur",
		"customer":                         "cus_1",
		"success_url":                      "https://shop.example/thanks",
		"expires_at":                       "1790086340",
		"metadata[for]":                    "later",
		"setup_intent_data[metadata][for]": "later",
		"setup_intent_data[on_behalf_of]":  "acct_3",
	}, sessionSent(t, s))
	s.Currency, s.PaymentMethodTypes = "", []string{"card"}
	require.NotContains(t, sessionSent(t, s), "currency")
}

func TestCreateParamsEmbedded(t *testing.T) {
	t.Parallel()
	s := teeSession()
	s.UIMode, s.SuccessURL, s.CancelURL = UIModeEmbedded, "", ""
	s.ReturnURL = "http://[::1]:8080/back?session_id={CHECKOUT_SESSION_ID}"
	got := sessionSent(t, s)
	require.Equal(t, "embedded", got["ui_mode"])
	require.Equal(t, s.ReturnURL, got["return_url"])
	require.NotContains(t, got, "success_url")
	require.NotContains(t, got, "cancel_url")
}

// Every way to build a URL sends the placeholder that Stripe replaces.
func TestSessionIDPlaceholder(t *testing.T) {
	t.Parallel()
	query := url.Values{"session_id": {"{CHECKOUT_SESSION_ID}"}, "q": {"{a} b"}}
	built := (&url.URL{Scheme: "https", Host: "shop.example", Path: "/{CHECKOUT_SESSION_ID}/ok", RawQuery: query.Encode()}).String()
	require.Contains(t, built, "session_id=%7BCHECKOUT_SESSION_ID%7D")
	s := teeSession()
	s.SuccessURL, s.CancelURL = built, strings.ReplaceAll(built, "%7B", "%7b")
	got := sessionSent(t, s)
	require.Equal(t, "https://shop.example/{CHECKOUT_SESSION_ID}/ok?q=%7Ba%7D+b&session_id={CHECKOUT_SESSION_ID}", got["success_url"])
	require.Equal(t, "https://shop.example/{CHECKOUT_SESSION_ID}/ok?q=%7ba%7D+b&session_id={CHECKOUT_SESSION_ID}", got["cancel_url"])

	p, err := s.CreateParams(sessionTestNow)
	require.NoError(t, err)
	require.Contains(t, encodeParams(p), "session_id%3D%7BCHECKOUT_SESSION_ID%7D", "escaped once, by the form encoding")
}

func TestExpiresAt(t *testing.T) {
	t.Parallel()
	for hold, want := range map[time.Duration]time.Duration{
		0:                             24*time.Hour - time.Minute,
		time.Nanosecond:               31 * time.Minute,
		15 * time.Minute:              31 * time.Minute,
		31 * time.Minute:              31 * time.Minute,
		31*time.Minute + time.Second:  31*time.Minute + time.Second,
		2*time.Hour + time.Nanosecond: 2*time.Hour + time.Second, // the test's now is a nanosecond before a whole second
		24*time.Hour - time.Minute:    24*time.Hour - time.Minute,
	} {
		s := teeSession()
		s.HoldFor = hold
		p, err := s.CreateParams(sessionTestNow)
		require.NoError(t, err)
		require.Equal(t, sessionTestNow.Truncate(time.Second).Add(want).Unix(), *p.ExpiresAt, "%s", hold)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	for mirrored, s := range map[string]Session{
		"payment_intent_data": teeSession(), "subscription_data": monthlySession(), "setup_intent_data": setupSession(),
	} {
		s.Metadata = map[string]string{"mine": "1"}
		p, err := s.createParams(sessionIdentity{shop: "sh", order: s.OrderID, attempt: 12}, sessionTestNow)
		require.NoError(t, err)
		got := paramsSent(t, p)
		for _, where := range []string{"metadata", mirrored + "[metadata]"} {
			require.Equal(t, "sh", got[where+"[fulfil_shop]"])
			require.Equal(t, s.OrderID, got[where+"[fulfil_order]"])
			require.Equal(t, "12", got[where+"[fulfil_attempt]"])
			require.Equal(t, "1", got[where+"[mine]"])
		}
		require.Equal(t, map[string]string{"mine": "1"}, s.Metadata, "the caller's map is left alone")
		for key := range sessionSent(t, s) {
			require.NotContains(t, key, "fulfil_", "the stand-alone builder marks nothing")
		}
	}
}

func TestCreateParamsKeepsNothingOfTheCaller(t *testing.T) {
	t.Parallel()
	s := everythingSession()
	var kept *stripe.CheckoutSessionCreateParams
	s.Params = func(p *stripe.CheckoutSessionCreateParams) {
		kept = p
		p.Metadata["added"] = "1"
		p.PaymentIntentData.Metadata["other"] = "1"
		*p.PaymentMethodTypes[0] = "klarna"
		*p.LineItems[0].PriceData.ProductData.Images[0] = "https://img.example/other"
		*p.ShippingAddressCollection.AllowedCountries[0] = "FR"
	}
	_, err := s.CreateParams(sessionTestNow)
	require.NoError(t, err)
	require.NotNil(t, kept)
	want := everythingSession()
	s.Params, want.Params = nil, nil
	require.Equal(t, want, s)
}
