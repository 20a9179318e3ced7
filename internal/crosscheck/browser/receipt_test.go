package browser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

// A customer gets a part of the payment back, and opens the receipt.
func TestReceipt(t *testing.T) {
	walk(t, func(t *testing.T, s screen) {
		till, ctx := newTill(t), t.Context()
		api := till.srv.Client()
		url := till.session(t, func(*stripe.CheckoutSessionCreateParams) {})
		id := url[strings.LastIndex(url, "/")+1:]
		require.NoError(t, till.srv.Pay(id, "3782 8224 6310 005"))
		sess, err := api.V1CheckoutSessions.Retrieve(ctx, id, nil)
		require.NoError(t, err)
		_, err = api.V1Refunds.Create(ctx, &stripe.RefundCreateParams{PaymentIntent: &sess.PaymentIntent.ID, Amount: stripe.Int64(100)})
		require.NoError(t, err)
		intent, err := api.V1PaymentIntents.Retrieve(ctx, sess.PaymentIntent.ID, nil)
		require.NoError(t, err)
		charge, err := api.V1Charges.Retrieve(ctx, intent.LatestCharge.ID, nil)
		require.NoError(t, err)
		p := s.open(t, charge.ReceiptURL)
		require.Contains(t, p.text(), "$1.00")
		p.audit("receipt")
	})
}
