package checkouttest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

const day = 24 * time.Hour

// trial returns the parameters of a trial of the tea club, without the cup.
func trial(days int64) *stripe.CheckoutSessionCreateParams {
	params := monthly()
	params.LineItems = params.LineItems[1:]
	params.SubscriptionData.TrialPeriodDays = &days
	return params
}

// tried returns a server with a trial that a customer has begun, and empties the inbox.
func tried(t *testing.T, params *stripe.CheckoutSessionCreateParams) (srv *checkouttest.Server, in *inbox, sess *stripe.CheckoutSession) {
	t.Helper()
	srv = newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)})
	in = newInbox(srv)
	id := create(t, srv, params).ID
	require.NoError(t, srv.Pay(id, checkouttest.CardOK))
	return srv, in, retrieve(t, srv, id, "subscription.latest_invoice.payments", "line_items")
}

// withoutCard asks for a trial that needs no payment method, and says what happens at its end without one.
func withoutCard(days int64, end string) *stripe.CheckoutSessionCreateParams {
	params := trial(days)
	params.PaymentMethodCollection = stripe.String("if_required")
	params.SubscriptionData.TrialSettings = &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsParams{
		EndBehavior: &stripe.CheckoutSessionCreateSubscriptionDataTrialSettingsEndBehaviorParams{MissingPaymentMethod: &end},
	}
	return params
}

func TestTrial(t *testing.T) {
	t.Parallel()
	srv, in, sess := tried(t, trial(14))
	require.Equal(t, []string{
		"customer.created", "payment_method.attached", "checkout.session.completed", "customer.updated", "customer.subscription.created",
		"invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded",
	}, in.types(t))
	require.EqualValues(t, "no_payment_required", sess.PaymentStatus)
	require.Zero(t, sess.AmountTotal)
	require.Zero(t, sess.LineItems.Data[0].AmountTotal)
	sub := sess.Subscription
	require.EqualValues(t, "trialing", sub.Status)
	require.Equal(t, srv.Now().Add(14*day).Unix(), sub.TrialEnd)
	require.Equal(t, srv.Now().Unix(), sub.TrialStart)
	require.Equal(t, sub.TrialEnd, sub.Items.Data[0].CurrentPeriodEnd)
	require.Equal(t, sub.TrialStart, sub.Items.Data[0].CurrentPeriodStart)
	require.Equal(t, sub.TrialEnd, sub.BillingCycleAnchor)
	require.NotNil(t, sub.DefaultPaymentMethod)
	require.EqualValues(t, "paid", sub.LatestInvoice.Status)
	require.Empty(t, sub.LatestInvoice.Payments.Data, "nothing was paid")
	pm, err := srv.Client().V1PaymentMethods.Retrieve(context.Background(), sub.DefaultPaymentMethod.ID, nil)
	require.NoError(t, err)
	require.Equal(t, sess.Customer.ID, pm.Customer.ID)

	srv.Advance(11*day - time.Second)
	require.Empty(t, in.types(t))
	srv.Advance(time.Second)
	require.Equal(t, []string{"customer.subscription.trial_will_end"}, in.types(t))
	srv.Advance(3 * day)
	require.Equal(t, []string{"invoice.created", "customer.subscription.updated"}, in.types(t))
	now := subscription(t, srv, sub.ID)
	require.EqualValues(t, "active", now.Status, "it is active before it is paid")
	require.Equal(t, time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC).Unix(), now.Items.Data[0].CurrentPeriodEnd)
	require.EqualValues(t, "draft", now.LatestInvoice.Status)
	srv.Advance(time.Hour)
	now = subscription(t, srv, sub.ID)
	require.EqualValues(t, 900, now.LatestInvoice.AmountPaid)
	require.Equal(t, "42", now.LatestInvoice.Parent.SubscriptionDetails.Metadata["order"])
}

// A one-time line of a session with a trial is paid at once.
func TestTrialWithOneTimeLine(t *testing.T) {
	t.Parallel()
	params := monthly()
	params.SubscriptionData.TrialPeriodDays = stripe.Int64(7)
	_, _, sess := tried(t, params)
	require.EqualValues(t, 500, sess.AmountTotal)
	require.EqualValues(t, "paid", sess.PaymentStatus)
	require.EqualValues(t, 500, sess.Subscription.LatestInvoice.AmountPaid)
	require.EqualValues(t, "trialing", sess.Subscription.Status)
}

func TestTrialWithoutCard(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, end string) (*checkouttest.Server, *inbox, string) {
		srv, in, sess := tried(t, withoutCard(14, end))
		require.Nil(t, sess.Subscription.DefaultPaymentMethod)
		srv.Advance(12 * day)
		in.types(t)
		return srv, in, sess.Subscription.ID
	}
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		srv, in, id := begin(t, "cancel")
		srv.Advance(2 * day)
		require.Equal(t, []string{"customer.subscription.deleted"}, in.types(t))
		require.EqualValues(t, "canceled", subscription(t, srv, id).Status)
	})
	t.Run("create_invoice", func(t *testing.T) {
		t.Parallel()
		srv, in, id := begin(t, "create_invoice")
		srv.Advance(2*day + time.Hour)
		require.Equal(t, []string{
			"invoice.created", "customer.subscription.updated", "invoice.finalized", "payment_intent.created", "invoice.updated", "invoice.payment_failed",
			"customer.subscription.updated",
		}, in.types(t))
		require.EqualValues(t, "past_due", subscription(t, srv, id).Status)
		require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
		srv.Advance(3 * day)
		require.EqualValues(t, "active", subscription(t, srv, id).Status)
	})
	t.Run("pause", func(t *testing.T) {
		t.Parallel()
		srv, in, id := begin(t, "pause")
		srv.Advance(2 * day)
		require.Equal(t, []string{"customer.subscription.paused", "customer.subscription.updated"}, in.types(t))
		srv.Advance(90 * day)
		require.Empty(t, in.types(t), "a pause lasts until someone ends it")
		item := subscription(t, srv, id).Items.Data[0]
		price := func(interval string) *string {
			return stripe.String(srv.AddPrice(checkouttest.Price{
				Name: "Club", Currency: string(item.Price.Currency), UnitAmount: item.Price.UnitAmount, Interval: interval,
			}))
		}
		for _, change := range []*stripe.SubscriptionUpdateItemParams{{Quantity: stripe.Int64(2)}, {Price: price("year")}, {Price: price("month")}} {
			change.ID = &item.ID
			_, err := srv.Client().V1Subscriptions.Update(context.Background(), id, &stripe.SubscriptionUpdateParams{
				Items: []*stripe.SubscriptionUpdateItemParams{change}, ProrationBehavior: stripe.String("always_invoice"),
			})
			require.NoError(t, err)
			srv.Flush()
			require.Equal(t, []string{"customer.subscription.updated"}, in.types(t), "a change makes no invoice in a pause")
			require.EqualValues(t, "paused", subscription(t, srv, id).Status)
		}
		resume := func(want int) map[string]any {
			resp, body := request(t, srv, http.MethodPost, "/v1/subscriptions/"+id+"/resume", nil)
			require.Equal(t, want, resp.StatusCode, body)
			srv.Flush()
			return body
		}
		resume(http.StatusBadRequest)
		require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardDeclined))
		resume(http.StatusPaymentRequired)
		require.EqualValues(t, "paused", subscription(t, srv, id).Status)
		require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
		in.types(t)
		require.Equal(t, "active", resume(http.StatusOK)["status"])
		got := in.types(t)
		require.Equal(t, []string{"customer.subscription.resumed", "customer.subscription.updated"}, got[len(got)-2:])
		sub := subscription(t, srv, id)
		require.Equal(t, srv.Now().AddDate(0, 1, 0).Unix(), sub.Items.Data[0].CurrentPeriodEnd)
		require.EqualValues(t, 1800, sub.LatestInvoice.AmountPaid)
		resume(http.StatusBadRequest)
		toldLast(t, srv)
	})
}

// A trial shorter than three days is warned of at once. It ends with `now`, or moves.
func TestTrialEndMoves(t *testing.T) {
	t.Parallel()
	srv, in, sess := tried(t, trial(2))
	require.Contains(t, in.types(t), "customer.subscription.trial_will_end")
	api, ctx, id := srv.Client(), context.Background(), sess.Subscription.ID
	later := srv.Now().Add(9 * day)
	_, err := api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{TrialEnd: stripe.Int64(later.Unix())})
	require.NoError(t, err)
	srv.Advance(4 * day)
	sub := subscription(t, srv, id)
	require.EqualValues(t, "trialing", sub.Status)
	require.Equal(t, later.Unix(), sub.Items.Data[0].CurrentPeriodEnd)
	srv.Advance(3 * day)
	require.Equal(t, []string{"customer.subscription.updated", "customer.subscription.trial_will_end"}, in.types(t))
	_, err = api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{TrialEndNow: stripe.Bool(true)})
	require.NoError(t, err)
	sub = subscription(t, srv, id)
	require.EqualValues(t, "active", sub.Status)
	require.Equal(t, srv.Now().Unix(), sub.TrialEnd)
	require.EqualValues(t, 900, sub.LatestInvoice.AmountPaid)
	srv.Flush()
	in.types(t)
	srv.Advance(3 * day)
	require.Empty(t, in.types(t), "nothing happens at the end that the trial had")
	_, err = api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{TrialEndNow: stripe.Bool(true)})
	require.ErrorContains(t, err, "only while the subscription is in trial")
	toldLast(t, srv)
}

// The warning comes three days before the end that a trial has then. A change of plan costs nothing in a trial.
func TestTrialIsExtended(t *testing.T) {
	t.Parallel()
	srv, in, sess := tried(t, trial(10))
	sub := sess.Subscription
	resp, _ := request(t, srv, "POST", "/v1/subscriptions/"+sub.ID, form(
		"trial_end", fmt.Sprint(sub.TrialEnd+10*24*3600), "items[0][id]", sub.Items.Data[0].ID, "items[0][quantity]", "2"))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	srv.Flush()
	require.NotContains(t, in.types(t), "invoiceitem.created")
	srv.Advance(16 * day)
	require.Empty(t, in.types(t))
	srv.Advance(day)
	require.Equal(t, []string{"customer.subscription.trial_will_end"}, in.types(t))
	require.NoError(t, srv.Renew(sub.ID))
	require.EqualValues(t, 1800, subscription(t, srv, sub.ID).LatestInvoice.AmountPaid)
}

func TestTrialIsRefused(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{Start: time.Unix(1_800_000_000, 0)})
	for want, pairs := range map[string][]string{
		"You may only specify one of these parameters": {"trial_period_days", "3", "trial_end", "1800900000"},
		"The minimum number of trial period days is 1": {"trial_period_days", "0"},
		"The maximum number of trial period days is":   {"trial_period_days", "731"},
		"has to be at least 2 days in the future":      {"trial_end", "1800172799"},
		"Timestamp must be in the future":              {"trial_end", "1799999999"},
		"must be one of cancel, create_invoice, pause": {"trial_settings][end_behavior][missing_payment_method", "wait"},
	} {
		form := []string{
			"mode", "subscription", "success_url", "https://shop.example/", "line_items[0][price_data][currency]", "usd", "line_items[0][quantity]", "1",
			"line_items[0][price_data][product_data][name]", "Tea", "line_items[0][price_data][unit_amount]", "900",
			"line_items[0][price_data][recurring][interval]", "month",
		}
		for i := 0; i < len(pairs); i += 2 {
			form = append(form, "subscription_data["+pairs[i]+"]", pairs[i+1])
		}
		_, _, message := refusal(t, srv, "/v1/checkout/sessions", form...)
		require.Contains(t, message, want)
	}
}
