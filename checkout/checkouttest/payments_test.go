package checkouttest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// ids are the IDs that a list answers.
func ids(t *testing.T, srv *checkouttest.Server, path string) []string {
	t.Helper()
	resp, body := request(t, srv, "GET", path, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode, body)
	require.Equal(t, "list", body["object"])
	out := []string{}
	for _, o := range body["data"].([]any) {
		out = append(out, str(o.(map[string]any)["id"]))
	}
	return out
}

func TestListPaymentsAndCharges(t *testing.T) {
	t.Parallel()
	srv, _, sess := paid(t, checkouttest.CardOK)
	srv.Advance(time.Minute)
	second := create(t, srv, tee()).ID
	var refused *checkouttest.PaymentError
	require.ErrorAs(t, srv.Pay(second, checkouttest.CardDeclined), &refused)
	srv.Advance(time.Minute)
	require.NoError(t, srv.Pay(second, checkouttest.CardOK))
	one, two := sess.PaymentIntent.ID, retrieve(t, srv, second).PaymentIntent.ID
	require.Equal(t, []string{two, one}, ids(t, srv, "/v1/payment_intents"))
	require.Equal(t, []string{two}, ids(t, srv, "/v1/payment_intents?limit=1"))
	require.Equal(t, []string{one}, ids(t, srv, "/v1/payment_intents?starting_after="+two))
	require.Empty(t, ids(t, srv, "/v1/payment_intents?customer=cus_1"))
	require.Len(t, ids(t, srv, "/v1/charges"), 3)
	charges := ids(t, srv, "/v1/charges?payment_intent="+two)
	require.Len(t, charges, 2)
	require.Equal(t, charges[1:], ids(t, srv, "/v1/charges?"+url.Values{"created[lt]": {"9999999999"}, "starting_after": {charges[0]}, "limit": {"1"}}.Encode()))
	_, body := request(t, srv, "GET", "/v1/charges?payment_intent="+two+"&expand[0]=data.payment_intent.latest_charge.payment_intent", nil)
	deep := body["data"].([]any)[1].(map[string]any)["payment_intent"].(map[string]any)["latest_charge"].(map[string]any)["payment_intent"].(map[string]any)
	require.Equal(t, "succeeded", deep["status"])
	resp, _ := request(t, srv, "GET", "/v1/charges?starting_after="+charges[0]+"&ending_before="+charges[1], nil)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestUpdateSession(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv := newServer(t, checkouttest.Config{})
	params := tee()
	params.Metadata = map[string]string{"order": "42", "shop": "one"}
	id := create(t, srv, params).ID
	update := func(meta map[string]string) map[string]string {
		sess, err := srv.Client().V1CheckoutSessions.Update(ctx, id, &stripe.CheckoutSessionUpdateParams{Metadata: meta})
		require.NoError(t, err)
		return sess.Metadata
	}
	require.Equal(t, map[string]string{"order": "43", "shop": "one"}, update(map[string]string{"order": "43"}))
	require.Equal(t, map[string]string{"shop": "one", "till": "2"}, update(map[string]string{"order": "", "till": "2"}))
	require.Equal(t, map[string]string{"shop": "one", "till": "2"}, retrieve(t, srv, id).Metadata)
	for _, c := range []struct{ key, value, param string }{
		{"metadata[" + long(41) + "]", "v", "metadata"}, {"metadata[a]", long(501), "metadata[a]"}, {"mode", "setup", "mode"},
		{"shipping_options[0][shipping_rate]", "shr_1", "shipping_options"},
	} {
		resp, body := request(t, srv, "POST", "/v1/checkout/sessions/"+id, form(c.key, c.value))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, c.key)
		require.Equal(t, c.param, str(body["error"].(map[string]any)["param"]))
	}
	many := url.Values{}
	for i := range 49 {
		many.Set(fmt.Sprintf("metadata[k%d]", i), "v")
	}
	resp, _ := request(t, srv, "POST", "/v1/checkout/sessions/"+id, many)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "51 keys with those that are there")
	_, body := request(t, srv, "POST", "/v1/checkout/sessions/"+id, form("metadata", ""))
	require.Empty(t, body["metadata"])
	resp, _ = request(t, srv, "POST", "/v1/checkout/sessions/cs_1", form("metadata", ""))
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
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
		srv.Advance(7 * 24 * time.Hour)
		require.Equal(t, []string{"charge.expired", "payment_intent.canceled"}, in.types(t))
		require.Equal(t, state{"complete", "unpaid", "canceled", "succeeded"}, stateOf(t, srv, id))
	})
}
