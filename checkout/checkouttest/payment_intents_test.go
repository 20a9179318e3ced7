package checkouttest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func intent(method string) *stripe.PaymentIntentCreateParams {
	return &stripe.PaymentIntentCreateParams{
		Amount: stripe.Int64(2000), Currency: stripe.String("usd"), Confirm: stripe.Bool(true), PaymentMethod: stripe.String(method),
		PaymentMethodTypes: []*string{stripe.String("card")},
	}
}

func TestIntentsWithoutASession(t *testing.T) {
	t.Parallel()
	for method, c := range map[string]struct {
		status stripe.PaymentIntentStatus
		events []string
	}{
		"pm_card_visa":                   {stripe.PaymentIntentStatusSucceeded, []string{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}},
		"pm_card_createDispute":          {stripe.PaymentIntentStatusSucceeded, []string{"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.updated"}},
		"pm_card_authenticationRequired": {stripe.PaymentIntentStatusRequiresAction, []string{"payment_intent.created", "payment_intent.requires_action"}},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t, checkouttest.Config{})
			pi, err := srv.Client().V1PaymentIntents.Create(context.Background(), intent(method))
			require.NoError(t, err)
			require.Equal(t, c.status, pi.Status)
			require.Equal(t, c.events, eventTypes(srv))
			require.EqualValues(t, 2000, pi.Amount)
			sessions := srv.Client().V1CheckoutSessions.List(context.Background(), &stripe.CheckoutSessionListParams{})
			for range sessions {
				t.Fatal("a session appeared")
			}
		})
	}
}

func TestIntentDeclined(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	_, err := srv.Client().V1PaymentIntents.Create(context.Background(), intent("pm_card_chargeDeclinedInsufficientFunds"))
	var refused *stripe.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusPaymentRequired, refused.HTTPStatusCode)
	require.Equal(t, stripe.ErrorTypeCard, refused.Type)
	require.Equal(t, stripe.ErrorCodeCardDeclined, refused.Code)
	require.Equal(t, stripe.DeclineCodeInsufficientFunds, refused.DeclineCode)
	require.Equal(t, stripe.PaymentIntentStatusRequiresPaymentMethod, refused.PaymentIntent.Status)
	require.Equal(t, []string{"payment_intent.created", "charge.failed", "payment_intent.payment_failed"}, eventTypes(srv))

	pi, err := srv.Client().V1PaymentIntents.Confirm(context.Background(), refused.PaymentIntent.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
	_, err = srv.Client().V1PaymentIntents.Confirm(context.Background(), pi.ID, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, stripe.ErrorCodePaymentIntentUnexpectedState, refused.Code)
}

func TestIntentLaterConfirmedCapturedCanceled(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	api, ctx := srv.Client(), context.Background()
	params := intent("pm_card_visa")
	params.Confirm, params.CaptureMethod = nil, stripe.String("manual")
	pi, err := api.V1PaymentIntents.Create(ctx, params)
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusRequiresConfirmation, pi.Status)
	pi, err = api.V1PaymentIntents.Confirm(ctx, pi.ID, nil)
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusRequiresCapture, pi.Status)
	_, err = api.V1PaymentIntents.Capture(ctx, pi.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(2001)})
	require.Error(t, err)
	pi, err = api.V1PaymentIntents.Capture(ctx, pi.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1500)})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
	require.EqualValues(t, 1500, pi.AmountReceived)
	require.Equal(t, []string{"charge.captured", "payment_intent.succeeded"}, eventTypes(srv)[3:])
	_, err = api.V1PaymentIntents.Cancel(ctx, pi.ID, nil)
	require.Error(t, err, "it has succeeded")

	pi, err = api.V1PaymentIntents.Create(ctx, &stripe.PaymentIntentCreateParams{Amount: stripe.Int64(100), Currency: stripe.String("usd")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusRequiresPaymentMethod, pi.Status)
	pi, err = api.V1PaymentIntents.Cancel(ctx, pi.ID, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("duplicate")})
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusCanceled, pi.Status)
	require.Equal(t, stripe.PaymentIntentCancellationReasonDuplicate, pi.CancellationReason)
}

// The payment intent of a session can be paid only on the session's page, and ends with the session.
func TestIntentOfASession(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	sess := create(t, srv, tee())
	require.Error(t, srv.Pay(sess.ID, checkouttest.CardDeclined))
	pi := retrieve(t, srv, sess.ID, "payment_intent").PaymentIntent.ID
	_, err := srv.Client().V1PaymentIntents.Cancel(context.Background(), pi, nil)
	require.ErrorContains(t, err, "Expire the Checkout Session instead")
	_, err = srv.Client().V1PaymentIntents.Confirm(context.Background(), pi, &stripe.PaymentIntentConfirmParams{PaymentMethod: stripe.String("pm_card_visa")})
	require.ErrorContains(t, err, "Checkout Session")
	require.NoError(t, srv.Pay(sess.ID, checkouttest.CardOK))
}

func TestManualCapture(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	held := func(t *testing.T) (*checkouttest.Server, *inbox, string, string) {
		srv := newServer(t, checkouttest.Config{})
		in := newInbox(srv)
		params := tee()
		params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{CaptureMethod: stripe.String("manual")}
		id := create(t, srv, params).ID
		require.NoError(t, srv.Pay(id, checkouttest.CardOK))
		in.types(t)
		_, err := srv.Refund(id, 0)
		require.ErrorIs(t, err, checkouttest.ErrNotPaid, "nothing was captured")
		return srv, in, id, retrieve(t, srv, id).PaymentIntent.ID
	}
	t.Run("captured in part", func(t *testing.T) {
		t.Parallel()
		srv, in, id, pi := held(t)
		for _, amount := range []int64{0, 2000} {
			_, err := srv.Client().V1PaymentIntents.Capture(ctx, pi, &stripe.PaymentIntentCaptureParams{AmountToCapture: &amount})
			require.ErrorContains(t, err, "amount_to_capture")
		}
		_, err := srv.Client().V1PaymentIntents.Capture(ctx, pi, &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1500)})
		require.NoError(t, err)
		srv.Flush()
		require.Equal(t, []string{"charge.captured", "payment_intent.succeeded"}, in.types(t))
		require.Equal(t, state{"complete", "paid", "succeeded", "succeeded"}, stateOf(t, srv, id))
		_, err = srv.Client().V1PaymentIntents.Cancel(ctx, pi, nil)
		require.ErrorContains(t, err, "payment_intent_unexpected_state")
		srv.Advance(8 * 24 * time.Hour)
		require.Empty(t, in.types(t))
		_, err = srv.Refund(id, 1501)
		require.ErrorIs(t, err, checkouttest.ErrOverRefund)
		_, err = srv.Refund(id, 1500)
		require.NoError(t, err)
		require.True(t, retrieve(t, srv, id, "payment_intent.latest_charge").PaymentIntent.LatestCharge.Refunded)
	})
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		srv, in, id, pi := held(t)
		got, err := srv.Client().V1PaymentIntents.Cancel(ctx, pi, &stripe.PaymentIntentCancelParams{CancellationReason: stripe.String("duplicate")})
		require.NoError(t, err)
		require.EqualValues(t, "duplicate", got.CancellationReason)
		srv.Flush()
		require.Equal(t, []string{"charge.refunded", "payment_intent.canceled"}, in.types(t))
		require.Equal(t, state{"complete", "unpaid", "canceled", "succeeded"}, stateOf(t, srv, id))
		_, err = srv.Client().V1PaymentIntents.Capture(ctx, pi, nil)
		require.ErrorContains(t, err, "has a status of canceled")
		srv.Advance(8 * 24 * time.Hour)
		require.Empty(t, in.types(t))
	})
	t.Run("forgotten", func(t *testing.T) {
		t.Parallel()
		srv, in, id, _ := held(t)
		before := retrieve(t, srv, id, "payment_intent.latest_charge").PaymentIntent.LatestCharge.PaymentMethodDetails.Card.CaptureBefore
		require.Equal(t, srv.Now().Add(7*24*time.Hour).Unix(), before)
		srv.Advance(7 * 24 * time.Hour)
		require.Equal(t, []string{"charge.expired", "payment_intent.canceled"}, in.types(t))
		require.Equal(t, state{"complete", "unpaid", "canceled", "succeeded"}, stateOf(t, srv, id))
	})
}
