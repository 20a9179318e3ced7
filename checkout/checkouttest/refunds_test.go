package checkouttest_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

func TestLifeOfARefund(t *testing.T) {
	t.Parallel()
	created := []string{"refund.created", "charge.refunded"}
	updated := []string{"refund.updated", "charge.refund.updated"}
	failed := append(append([]string{}, updated...), "refund.failed", "charge.updated")
	day := func(srv *checkouttest.Server, _ string) error { srv.Advance(24 * time.Hour); return nil }
	settle := func(srv *checkouttest.Server, id string) error { return srv.SettleRefund(id) }
	fail := func(srv *checkouttest.Server, id string) error { return srv.FailRefund(id) }
	canceled := append(append([]string{}, updated...), "charge.updated")
	type step struct {
		do     func(srv *checkouttest.Server, id string) error
		err    error
		status string
		left   int64 // refunded, as the charge shows it
		events []string
	}
	for name, c := range map[string]struct {
		method checkouttest.PaymentMethod
		status string
		steps  []step
	}{
		"card": {checkouttest.CardOK, "succeeded", []step{
			{do: settle, err: checkouttest.ErrNotPending, status: "succeeded", left: 1999},
			{do: cancelRefund, err: checkouttest.ErrNotPending, status: "succeeded", left: 1999},
			{do: day, status: "succeeded", left: 1999},
			{do: fail, status: "failed", events: failed},
			{do: fail, err: checkouttest.ErrNotPending, status: "failed"},
			{do: settle, err: checkouttest.ErrNotPending, status: "failed"},
			{do: cancelRefund, err: checkouttest.ErrNotPending, status: "failed"},
		}},
		"pending card": {checkouttest.CardRefundPending, "pending", []step{
			{do: day, status: "succeeded", left: 1999, events: updated},
			{do: fail, status: "failed", events: failed},
		}},
		"pending card, settled early": {checkouttest.CardRefundPending, "pending", []step{
			{do: settle, status: "succeeded", left: 1999, events: updated},
			{do: day, status: "succeeded", left: 1999},
		}},
		"pending card, failed early": {checkouttest.CardRefundPending, "pending", []step{
			{do: fail, status: "failed", events: failed},
			{do: day, status: "failed"},
		}},
		"pending card, canceled": {checkouttest.CardRefundPending, "pending", []step{
			{do: cancelRefund, status: "canceled", events: canceled},
			{do: cancelRefund, err: checkouttest.ErrNotPending, status: "canceled"},
			{do: fail, err: checkouttest.ErrNotPending, status: "canceled"},
			{do: settle, err: checkouttest.ErrNotPending, status: "canceled"},
			{do: day, status: "canceled"},
		}},
		"failing card": {checkouttest.CardRefundFails, "succeeded", []step{{do: day, status: "failed", events: failed}}},
		"debit":        {checkouttest.BankDebit, "pending", []step{{do: day, status: "succeeded", left: 1999, events: updated}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, in, sess := paid(t, c.method)
			id, err := srv.Refund(sess.ID, 0)
			require.NoError(t, err)
			require.Equal(t, created, in.types(t))
			// A refund that has succeeded gets its reference a second later. A listing of `stripe listen` from May 2025 shows it.
			srv.Advance(time.Minute)
			if c.status == "succeeded" {
				require.Equal(t, updated, in.types(t))
			}
			api := srv.Client()
			check := func(status string, refunded int64) {
				params := &stripe.RefundRetrieveParams{}
				params.AddExpand("charge")
				re, err := api.V1Refunds.Retrieve(context.Background(), id, params)
				require.NoError(t, err)
				require.EqualValues(t, status, re.Status)
				require.EqualValues(t, 1999, re.Amount)
				require.Equal(t, refunded, re.Charge.AmountRefunded)
				require.Equal(t, refunded == 1999, re.Charge.Refunded)
				why := "unknown"
				if c.method == checkouttest.CardRefundFails { // https://docs.stripe.com/testing#refunds
					why = "expired_or_canceled_card"
				}
				require.Equal(t, map[string]string{"failed": why, "canceled": "merchant_request"}[status], string(re.FailureReason))
				require.Equal(t, re.FailureReason != "", re.FailureBalanceTransaction != nil)
				require.Equal(t, status == "pending", re.PendingReason != "")
			}
			check(c.status, 1999)
			for i, st := range c.steps {
				require.ErrorIs(t, st.do(srv, id), st.err, "step %d", i)
				check(st.status, st.left)
				require.Equal(t, append([]string{}, st.events...), in.types(t), "step %d", i)
			}
			require.EqualValues(t, "paid", retrieve(t, srv, sess.ID).PaymentStatus, "a refund doesn't change the session")
		})
	}
}

// cancelRefund cancels a refund over the API. It returns ErrNotPending if the API refuses.
func cancelRefund(srv *checkouttest.Server, id string) error {
	_, err := srv.Client().V1Refunds.Cancel(context.Background(), id, nil)
	srv.Flush()
	if e := (*stripe.Error)(nil); errors.As(err, &e) && strings.HasPrefix(e.Msg, "You cannot cancel this refund because it has a status of ") {
		return checkouttest.ErrNotPending
	}
	return err
}

func TestPartialRefunds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv, _, sess := paid(t, checkouttest.CardOK)
	api := srv.Client()
	first, err := api.V1Refunds.Create(ctx, &stripe.RefundCreateParams{
		PaymentIntent: &sess.PaymentIntent.ID, Amount: stripe.Int64(500), Reason: stripe.String("requested_by_customer"),
		Metadata: map[string]string{"ticket": "7"},
	})
	require.NoError(t, err)
	require.Equal(t, "7", first.Metadata["ticket"])
	require.EqualValues(t, "requested_by_customer", first.Reason)
	_, err = srv.Refund(sess.ID, 1500)
	require.ErrorIs(t, err, checkouttest.ErrOverRefund)
	second, err := srv.Refund(sess.ID, 1000)
	require.NoError(t, err)
	require.NoError(t, srv.FailRefund(second))
	third, err := api.V1Refunds.Create(ctx, &stripe.RefundCreateParams{Charge: &first.Charge.ID})
	require.NoError(t, err)
	require.EqualValues(t, 1499, third.Amount, "what failed can be refunded again")
	_, err = srv.Refund(sess.ID, 1)
	require.ErrorIs(t, err, checkouttest.ErrOverRefund)

	list := func(p *stripe.RefundListParams) (ids []string) {
		for re, err := range api.V1Refunds.List(ctx, p) {
			require.NoError(t, err)
			ids = append(ids, re.ID)
		}
		return ids
	}
	all := []string{third.ID, second, first.ID}
	require.Equal(t, all, list(&stripe.RefundListParams{PaymentIntent: &sess.PaymentIntent.ID}))
	require.Equal(t, all, list(&stripe.RefundListParams{Charge: &first.Charge.ID}))
	require.Empty(t, list(&stripe.RefundListParams{Charge: stripe.String("ch_other")}))
	ch, err := api.V1Charges.Retrieve(ctx, first.Charge.ID, &stripe.ChargeRetrieveParams{Params: stripe.Params{Expand: []*string{stripe.String("refunds")}}})
	require.NoError(t, err)
	require.Len(t, ch.Refunds.Data, 3)

	changed, err := api.V1Refunds.Update(ctx, first.ID, &stripe.RefundUpdateParams{Metadata: map[string]string{"ticket": "", "by": "ada"}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"by": "ada"}, changed.Metadata)
	events := srv.Events()
	require.Equal(t, "charge.refund.updated", events[len(events)-1].Type)
	_, body := request(t, srv, "GET", "/v1/events/"+events[len(events)-1].ID, nil)
	require.Equal(t, map[string]any{"metadata": map[string]any{"ticket": "7"}}, body["data"].(map[string]any)["previous_attributes"])

	_, body = request(t, srv, "GET", "/v1/refunds/"+first.ID, nil)
	for _, key := range jsonKeys(reflect.TypeFor[stripe.Refund](), "description", "failure_balance_transaction", "failure_reason", "instructions_email", "next_action", "pending_reason", "presentment_details") {
		require.Contains(t, body, key)
	}
}

// No sequence of refunds and disputes gives back more than the payment.
func TestOverRefunds(t *testing.T) {
	t.Parallel()
	refund := func(t *testing.T, srv *checkouttest.Server, id string) string {
		re, err := srv.Refund(id, 500)
		require.NoError(t, err)
		return re
	}
	for name, c := range map[string]struct {
		method checkouttest.PaymentMethod
		before func(t *testing.T, srv *checkouttest.Server, id string)
		left   int64
	}{
		"card":            {checkouttest.CardOK, func(*testing.T, *checkouttest.Server, string) {}, 1999},
		"debit":           {checkouttest.BankDebit, func(*testing.T, *checkouttest.Server, string) {}, 1999},
		"pending card":    {checkouttest.CardRefundPending, func(t *testing.T, srv *checkouttest.Server, id string) { refund(t, srv, id) }, 1499},
		"refunded before": {checkouttest.CardOK, func(t *testing.T, srv *checkouttest.Server, id string) { refund(t, srv, id) }, 1499},
		"failed before": {checkouttest.CardOK, func(t *testing.T, srv *checkouttest.Server, id string) {
			require.NoError(t, srv.FailRefund(refund(t, srv, id)))
			refund(t, srv, id)
		}, 1499},
		"canceled before": {checkouttest.CardRefundPending, func(t *testing.T, srv *checkouttest.Server, id string) {
			require.NoError(t, cancelRefund(srv, refund(t, srv, id)))
			refund(t, srv, id)
		}, 1499},
		"dispute won": {checkouttest.CardOK, func(t *testing.T, srv *checkouttest.Server, id string) {
			refund(t, srv, id)
			d, err := srv.Dispute(id)
			require.NoError(t, err)
			require.NoError(t, srv.WinDispute(d))
		}, 1499},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, _, sess := paid(t, c.method)
			c.before(t, srv, sess.ID)
			_, err := srv.Refund(sess.ID, c.left+1)
			require.ErrorIs(t, err, checkouttest.ErrOverRefund)
			_, err = srv.Refund(sess.ID, c.left)
			require.NoError(t, err)
			_, err = srv.Refund(sess.ID, 1)
			require.ErrorIs(t, err, checkouttest.ErrOverRefund)
		})
	}
}

func TestRefusedRefunds(t *testing.T) {
	t.Parallel()
	srv, _, sess := paid(t, checkouttest.CardOK)
	pi := sess.PaymentIntent.ID
	other := create(t, srv, tee()).ID
	var refused *checkouttest.PaymentError
	require.ErrorAs(t, srv.Pay(other, checkouttest.CardDeclined), &refused)
	declined := retrieve(t, srv, other, "payment_intent").PaymentIntent
	post := func(pairs ...string) map[string]any {
		resp, body := request(t, srv, "POST", "/v1/refunds", form(pairs...))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, pairs)
		return body["error"].(map[string]any)
	}
	for _, c := range []struct {
		pairs                []string
		code, param, message string
	}{
		{nil, "parameter_missing", "", "payment_intent or charge"},
		{[]string{"charge", "ch_1"}, "resource_missing", "charge", "No such charge: 'ch_1'"},
		{[]string{"payment_intent", "pi_1"}, "resource_missing", "payment_intent", "No such payment_intent: 'pi_1'"},
		{[]string{"payment_intent", pi, "charge", declined.LatestCharge.ID}, "", "charge", "does not belong"},
		{[]string{"payment_intent", pi, "amount", "0"}, "parameter_invalid_integer", "amount", "Invalid positive integer"},
		{[]string{"payment_intent", pi, "amount", "-5"}, "parameter_invalid_integer", "amount", "Invalid positive integer"},
		{[]string{"payment_intent", pi, "amount", "2000"}, "", "amount", "Refund amount ($20.00) is greater than unrefunded amount on charge ($19.99)"},
		{[]string{"payment_intent", pi, "reason", "whim"}, "", "reason", "must be one of duplicate, fraudulent, requested_by_customer"},
		{[]string{"payment_intent", pi, "metadata[a]", long(501)}, "", "metadata[a]", "500 characters"},
		{[]string{"payment_intent", pi, "partial", "1"}, "parameter_unknown", "partial", "unknown parameter"},
		{[]string{"payment_intent", declined.ID}, "", "", "does not have a successful charge to refund"},
		{[]string{"charge", declined.LatestCharge.ID}, "", "", "This PaymentIntent (" + declined.ID + ") does not have"},
	} {
		e := post(c.pairs...)
		require.Equal(t, c.code, str(e["code"]), c.pairs)
		require.Equal(t, c.param, str(e["param"]), c.pairs)
		require.Contains(t, e["message"], c.message)
	}
	_, err := srv.Refund(sess.ID, 0)
	require.NoError(t, err)
	require.Equal(t, "charge_already_refunded", post("payment_intent", pi)["code"])
	require.Equal(t, "charge_already_refunded", post("payment_intent", pi, "amount", "1")["code"])

	_, err = srv.Refund("cs_1", 0)
	require.ErrorIs(t, err, checkouttest.ErrNoSession)
	_, err = srv.Refund(other, 0)
	require.ErrorIs(t, err, checkouttest.ErrNotPaid)
	require.ErrorIs(t, srv.SettleRefund("re_1"), checkouttest.ErrNoRefund)
	require.ErrorIs(t, srv.FailRefund(pi), checkouttest.ErrNoRefund)
	resp, _ := request(t, srv, "GET", "/v1/refunds/re_1", nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}
