package checkouttest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A customer who chooses quantities pays for them.
func TestAdjustableQuantities(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.LineItems = append(params.LineItems, tee().LineItems...)
	params.LineItems[1].AdjustableQuantity = &stripe.CheckoutSessionCreateLineItemAdjustableQuantityParams{
		Enabled: stripe.Bool(true), Minimum: stripe.Int64(2), Maximum: stripe.Int64(5),
	}
	id := create(t, srv, params).ID
	for _, quantities := range [][]int64{{2}, {0, 6}, {0, -1}, {1, 1, 1}, {2, 3}} {
		err := srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Quantities: quantities})
		require.ErrorIs(t, err, checkouttest.ErrQuantity, quantities)
	}
	require.EqualValues(t, 2*1999, retrieve(t, srv, id).AmountTotal)
	var refused *checkouttest.PaymentError
	require.ErrorAs(t, srv.PayAs(id, checkouttest.CardDeclined, checkouttest.Buyer{Quantities: []int64{1, 3}}), &refused)
	require.NoError(t, srv.PayAs(id, checkouttest.CardOK, checkouttest.Buyer{Quantities: []int64{0, 5}}))
	sess := retrieve(t, srv, id, "line_items", "payment_intent.latest_charge")
	require.EqualValues(t, 6*1999, sess.AmountSubtotal)
	require.EqualValues(t, 6*1999, sess.AmountTotal)
	require.EqualValues(t, 6*1999, sess.PaymentIntent.LatestCharge.AmountCaptured)
	require.EqualValues(t, 5, sess.LineItems.Data[1].Quantity)
	require.EqualValues(t, 5*1999, sess.LineItems.Data[1].AmountTotal)
}
