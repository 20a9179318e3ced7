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

// lapsed returns a server whose subscription has failed all tries of its first renewal.
func lapsed(t *testing.T, end checkouttest.DunningEnd) (srv *checkouttest.Server, in *inbox, sub string) {
	t.Helper()
	srv = newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC), DunningEnd: end})
	in = newInbox(srv)
	session := create(t, srv, monthly()).ID
	require.NoError(t, srv.Pay(session, checkouttest.CardOK))
	sub = retrieve(t, srv, session).Subscription.ID
	require.NoError(t, srv.ReplaceMethod(sub, checkouttest.CardDeclined))
	srv.Advance(28*day + time.Hour + 15*day)
	in.types(t)
	return srv, in, sub
}

func TestEndOfDunning(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { checkouttest.NewServer(checkouttest.Config{DunningEnd: "forget"}) })
	t.Run("canceled", func(t *testing.T) {
		t.Parallel()
		srv, _, id := lapsed(t, "")
		sub := subscription(t, srv, id)
		require.EqualValues(t, "canceled", sub.Status)
		require.EqualValues(t, "open", sub.LatestInvoice.Status)
		require.False(t, sub.LatestInvoice.AutoAdvance, "it is tried no more")
		toldLast(t, srv)
	})
	t.Run("unpaid", func(t *testing.T) {
		t.Parallel()
		srv, in, id := lapsed(t, checkouttest.DunningMarksUnpaid)
		first := subscription(t, srv, id).LatestInvoice.ID
		require.EqualValues(t, "unpaid", subscription(t, srv, id).Status)
		require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
		srv.Advance(31 * day)
		require.Equal(t, []string{"payment_method.attached", "customer.subscription.updated", "invoice.created", "customer.subscription.updated"}, in.types(t), "nothing is collected")
		require.EqualValues(t, "draft", subscription(t, srv, id).LatestInvoice.Status)
		_, err := srv.Client().V1Invoices.Pay(context.Background(), first, nil)
		require.NoError(t, err)
		require.EqualValues(t, "active", subscription(t, srv, id).Status)
		toldLast(t, srv)
	})
	t.Run("past due", func(t *testing.T) {
		t.Parallel()
		srv, _, id := lapsed(t, checkouttest.DunningLeavesPastDue)
		require.EqualValues(t, "past_due", subscription(t, srv, id).Status)
		require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
		srv.Advance(31 * day)
		sub := subscription(t, srv, id)
		require.EqualValues(t, "active", sub.Status, "the latest invoice counts")
		require.Len(t, ids(t, srv, "/v1/invoices?status=open&subscription="+id), 1)
		toldLast(t, srv)
	})
}

// The latest invoice that was not voided decides: an older one that is paid does not make the subscription active.
func TestVoidedInvoicesDoNotCount(t *testing.T) {
	t.Parallel()
	srv, _, id := lapsed(t, checkouttest.DunningLeavesPastDue)
	first := subscription(t, srv, id).LatestInvoice.ID
	srv.Advance(31 * day)
	resp, _ := request(t, srv, "POST", "/v1/subscriptions/"+id, form("pause_collection[behavior]", "void"))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	srv.Advance(31 * day)
	require.EqualValues(t, "void", subscription(t, srv, id).LatestInvoice.Status)
	require.Len(t, ids(t, srv, "/v1/invoices?status=open&subscription="+id), 2)
	resp, _ = request(t, srv, "POST", "/v1/invoices/"+first+"/pay", form("payment_method", "pm_card_visa"))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.EqualValues(t, "past_due", subscription(t, srv, id).Status)
}

// Two invoices of a weekly subscription can be tried at the same time. Each is paid by its own payment intent.
func TestTwoUnpaidInvoices(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	params := monthly()
	params.LineItems = params.LineItems[1:]
	params.LineItems[0].PriceData.Recurring.Interval = stripe.String("week")
	session := create(t, srv, params).ID
	require.NoError(t, srv.Pay(session, checkouttest.CardOK))
	id := retrieve(t, srv, session).Subscription.ID
	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardDeclined))
	srv.Advance(14*day + 2*time.Hour)
	require.Len(t, ids(t, srv, "/v1/invoices?status=open&subscription="+id), 2)
	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
	srv.Advance(6 * day)
	require.Empty(t, ids(t, srv, "/v1/invoices?status=open&subscription="+id))
	require.EqualValues(t, 3*900, balance(t, srv, ""))
	intents := map[string]bool{}
	for p, err := range srv.Client().V1InvoicePayments.List(context.Background(), &stripe.InvoicePaymentListParams{}) {
		require.NoError(t, err)
		require.EqualValues(t, "paid", p.Status)
		intent, err := srv.Client().V1PaymentIntents.Retrieve(context.Background(), p.Payment.PaymentIntent.ID, nil)
		require.NoError(t, err)
		require.EqualValues(t, "succeeded", intent.Status)
		intents[intent.ID] = true
	}
	require.Len(t, intents, 3)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
}

// A customer's default card pays when the subscription has none of its own.
func TestDefaultMethodOfTheCustomer(t *testing.T) {
	t.Parallel()
	srv, in, sess := tried(t, withoutCard(7, "create_invoice"))
	api, ctx := srv.Client(), context.Background()
	srv.Advance(7*day + time.Hour)
	require.EqualValues(t, "past_due", subscription(t, srv, sess.Subscription.ID).Status)
	_, err := api.V1Customers.Update(ctx, sess.Customer.ID, &stripe.CustomerUpdateParams{
		InvoiceSettings: &stripe.CustomerUpdateInvoiceSettingsParams{DefaultPaymentMethod: stripe.String("pm_card_visa")},
	})
	require.Error(t, err, "it is not the customer's")
	pm, err := api.V1PaymentMethods.Attach(ctx, "pm_card_visa", &stripe.PaymentMethodAttachParams{Customer: &sess.Customer.ID})
	require.NoError(t, err)
	_, err = api.V1Customers.Update(ctx, sess.Customer.ID, &stripe.CustomerUpdateParams{
		InvoiceSettings: &stripe.CustomerUpdateInvoiceSettingsParams{DefaultPaymentMethod: &pm.ID},
	})
	require.NoError(t, err)
	in.types(t)
	srv.Advance(3 * day)
	require.Contains(t, in.types(t), "invoice.paid")
	require.EqualValues(t, "active", subscription(t, srv, sess.Subscription.ID).Status)
}

// A failed payment over the API leaves the schedule of the tries as it is.
func TestInvoiceOfARenewalIsPaidByHand(t *testing.T) {
	t.Parallel()
	srv, in, _, id := club(t, checkouttest.CardOK)
	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardInsufficientFunds))
	srv.Advance(28*day + time.Hour)
	inv := subscription(t, srv, id).LatestInvoice
	resp, body := request(t, srv, "POST", "/v1/invoices/"+inv.ID+"/pay", nil)
	require.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	require.Equal(t, "insufficient_funds", body["error"].(map[string]any)["decline_code"])
	again := subscription(t, srv, id).LatestInvoice
	require.Equal(t, inv.NextPaymentAttempt, again.NextPaymentAttempt)
	require.Equal(t, inv.AttemptCount, again.AttemptCount)
	resp, _ = request(t, srv, "POST", "/v1/invoices/"+inv.ID+"/pay", form("payment_method", "pm_card_visa"))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
	srv.Flush()
	in.types(t)
	srv.Advance(4 * day)
	require.Empty(t, in.types(t), "it is paid")
}

// A card that asks to authenticate each payment fails at the renewal. The customer authenticates, or gives another card.
func TestRenewalIsAuthenticated(t *testing.T) {
	t.Parallel()
	srv, in, _, id := club(t, checkouttest.CardAlways3DS)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
	require.ErrorIs(t, srv.Authenticate(id), checkouttest.ErrNotPending)
	require.ErrorIs(t, srv.Authenticate("sub_1"), checkouttest.ErrNoSubscription)
	in.types(t)
	require.NoError(t, srv.Renew(id))
	got := in.types(t)
	require.Equal(t, []string{
		"payment_intent.requires_action", "invoice.payment_action_required", "invoice.updated", "invoice.payment_failed", "customer.subscription.updated",
	}, got[len(got)-5:])
	sub := subscription(t, srv, id)
	require.EqualValues(t, "past_due", sub.Status)
	require.EqualValues(t, "open", sub.LatestInvoice.Status)
	require.NoError(t, srv.Authenticate(id))
	require.Equal(t, []string{
		"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid", "customer.subscription.updated",
	}, in.types(t))
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
	require.NoError(t, srv.Renew(id))
	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
	srv.Advance(3 * day)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
	require.EqualValues(t, 1400+2*900, balance(t, srv, ""))
	toldLast(t, srv)
}

func TestPausedCollection(t *testing.T) {
	t.Parallel()
	for behavior, want := range map[string]string{"keep_as_draft": "draft", "mark_uncollectible": "uncollectible", "void": "void"} {
		t.Run(behavior, func(t *testing.T) {
			t.Parallel()
			srv, in, _, id := club(t, checkouttest.CardOK)
			path := "/v1/subscriptions/" + id
			resp, body := request(t, srv, "POST", path, form("pause_collection[behavior]", behavior))
			require.Equal(t, http.StatusOK, resp.StatusCode, body)
			srv.Advance(30 * day)
			sub := subscription(t, srv, id)
			require.EqualValues(t, "active", sub.Status)
			require.EqualValues(t, want, sub.LatestInvoice.Status)
			require.NotContains(t, in.types(t)[12:], "charge.succeeded")
			resp, _ = request(t, srv, "POST", path, form("pause_collection", ""))
			require.Equal(t, http.StatusOK, resp.StatusCode)
			srv.Advance(30 * day)
			require.EqualValues(t, "paid", subscription(t, srv, id).LatestInvoice.Status)

			resp, _ = request(t, srv, "POST", path, form("pause_collection[behavior]", behavior, "pause_collection[resumes_at]", "1"))
			require.Equal(t, http.StatusBadRequest, resp.StatusCode)
			at := srv.Now().Add(5 * day).Unix()
			_, err := srv.Client().V1Subscriptions.Update(context.Background(), id, &stripe.SubscriptionUpdateParams{
				PauseCollection: &stripe.SubscriptionUpdatePauseCollectionParams{Behavior: &behavior, ResumesAt: &at},
			})
			require.NoError(t, err)
			srv.Advance(5*day - time.Second)
			require.NotNil(t, subscription(t, srv, id).PauseCollection)
			at += 60
			_, err = srv.Client().V1Subscriptions.Update(context.Background(), id, &stripe.SubscriptionUpdateParams{
				PauseCollection: &stripe.SubscriptionUpdatePauseCollectionParams{Behavior: &behavior, ResumesAt: &at},
			})
			require.NoError(t, err)
			srv.Advance(time.Minute)
			require.NotNil(t, subscription(t, srv, id).PauseCollection, "the pause is longer now")
			srv.Advance(time.Second)
			require.Nil(t, subscription(t, srv, id).PauseCollection)
			toldLast(t, srv)
		})
	}
}
