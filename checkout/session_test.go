package checkout

import (
	"net/url"
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

// sessionSent is what a session sends, by key.
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
