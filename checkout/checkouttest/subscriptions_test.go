package checkouttest_test

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// monthly returns the parameters of a subscription to a tea club: 9.00 EUR a month, and once 5.00 EUR for a cup.
func monthly() *stripe.CheckoutSessionCreateParams {
	line := func(name string, amount int64) *stripe.CheckoutSessionCreateLineItemParams {
		return &stripe.CheckoutSessionCreateLineItemParams{
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("eur"), UnitAmount: &amount,
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: &name},
			},
			Quantity: stripe.Int64(1),
		}
	}
	params := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("subscription"), SuccessURL: stripe.String("https://shop.example/thanks"),
		LineItems:        []*stripe.CheckoutSessionCreateLineItemParams{line("Cup", 500), line("Tea club", 900)},
		SubscriptionData: &stripe.CheckoutSessionCreateSubscriptionDataParams{Metadata: map[string]string{"order": "42"}},
	}
	params.LineItems[1].PriceData.Recurring = &stripe.CheckoutSessionCreateLineItemPriceDataRecurringParams{Interval: stripe.String("month")}
	return params
}

// club returns a server on 31 January with one such session, which is completed with a method.
func club(t *testing.T, method checkouttest.PaymentMethod) (srv *checkouttest.Server, in *inbox, session, sub string) {
	t.Helper()
	srv = newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)})
	in = newInbox(srv)
	session = create(t, srv, monthly()).ID
	require.NoError(t, srv.Pay(session, method))
	sess := retrieve(t, srv, session)
	require.EqualValues(t, 1400, sess.AmountTotal)
	return srv, in, session, sess.Subscription.ID
}

func subscription(t *testing.T, srv *checkouttest.Server, id string) *stripe.Subscription {
	t.Helper()
	params := &stripe.SubscriptionRetrieveParams{}
	params.AddExpand("latest_invoice.payments")
	sub, err := srv.Client().V1Subscriptions.Retrieve(context.Background(), id, params)
	require.NoError(t, err)
	return sub
}

func TestSubscriptionRenews(t *testing.T) {
	t.Parallel()
	srv, in, session, id := club(t, checkouttest.CardOK)
	require.Equal(t, []string{
		"customer.created", "charge.succeeded", "payment_method.attached", "checkout.session.completed", "customer.updated",
		"customer.subscription.created", "payment_intent.succeeded", "payment_intent.created", "invoice.created", "invoice.finalized",
		"invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid",
	}, in.types(t))
	sub := subscription(t, srv, id)
	require.EqualValues(t, "active", sub.Status)
	require.Equal(t, "42", sub.Metadata["order"])
	require.EqualValues(t, 1400, sub.LatestInvoice.AmountPaid)
	require.EqualValues(t, "subscription_create", sub.LatestInvoice.BillingReason)
	require.Len(t, sub.LatestInvoice.Lines.Data, 2)
	first, err := srv.Client().V1PaymentIntents.Retrieve(context.Background(), sub.LatestInvoice.Payments.Data[0].Payment.PaymentIntent.ID, nil)
	require.NoError(t, err)
	require.EqualValues(t, "succeeded", first.Status)
	_, body := request(t, srv, "GET", "/v1/subscriptions/"+id+"?expand[]=latest_invoice.payments.data.payment.payment_intent", nil)
	require.Contains(t, body["error"].(map[string]any)["message"], "more than 4 levels")
	sess := retrieve(t, srv, session, "subscription.latest_invoice", "invoice.customer", "customer")
	require.Equal(t, sub.LatestInvoice.ID, sess.Invoice.ID)
	require.Equal(t, sess.Customer.Email, sess.Invoice.Customer.Email)
	require.EqualValues(t, "paid", sess.Subscription.LatestInvoice.Status)
	require.Nil(t, sess.PaymentIntent)

	for i, end := range []string{"2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"} {
		at, err := time.Parse(time.DateOnly, end)
		require.NoError(t, err)
		sub = subscription(t, srv, id)
		require.Equal(t, at.Add(12*time.Hour).Unix(), sub.Items.Data[0].CurrentPeriodEnd, "the last day of a short month, period %d", i)
		srv.Advance(at.Add(12 * time.Hour).Sub(srv.Now()))
		require.Equal(t, []string{"invoice.created", "customer.subscription.updated"}, in.types(t))
		require.EqualValues(t, "draft", subscription(t, srv, id).LatestInvoice.Status)
		srv.Advance(time.Hour)
		require.Equal(t, []string{
			"invoice.finalized", "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
			"invoice_payment.paid",
		}, in.types(t))
	}
	sub = subscription(t, srv, id)
	require.EqualValues(t, 900, sub.LatestInvoice.AmountPaid, "the cup was sold once")
	require.EqualValues(t, "subscription_cycle", sub.LatestInvoice.BillingReason)
	require.Equal(t, id, sub.LatestInvoice.Parent.SubscriptionDetails.Subscription.ID)
	require.NotEqual(t, first.ID, sub.LatestInvoice.Payments.Data[0].Payment.PaymentIntent.ID)
	require.Len(t, ids(t, srv, "/v1/invoices?subscription="+id), 5)
	require.Len(t, ids(t, srv, "/v1/invoices?status=paid&customer="+sub.Customer.ID), 5)
	require.Empty(t, ids(t, srv, "/v1/invoices?status=open"))
	payment := ids(t, srv, "/v1/invoice_payments?invoice="+sub.LatestInvoice.ID)
	require.Len(t, payment, 1)
	require.Equal(t, payment, ids(t, srv, "/v1/invoice_payments?payment[type]=payment_intent&payment[payment_intent]="+sub.LatestInvoice.Payments.Data[0].Payment.PaymentIntent.ID))
	require.Len(t, ids(t, srv, "/v1/invoice_payments?status=paid"), 5)
	_, bad := request(t, srv, "GET", "/v1/invoice_payments?payment[payment_intent]="+first.ID, nil)
	require.Equal(t, "payment[type]", bad["error"].(map[string]any)["param"])

	re, err := srv.Refund(session, 0)
	require.NoError(t, err)
	refund, err := srv.Client().V1Refunds.Retrieve(context.Background(), re, nil)
	require.NoError(t, err)
	require.EqualValues(t, 900, refund.Amount, "of the latest invoice")
}

func TestSubscriptionIsNotPaid(t *testing.T) {
	t.Parallel()
	srv, in, _, id := club(t, checkouttest.CardOK)
	require.ErrorIs(t, srv.ReplaceMethod("sub_1", checkouttest.CardOK), checkouttest.ErrNoSubscription)
	require.ErrorIs(t, srv.ReplaceMethod(id, "4111"), checkouttest.ErrMethodNotOffered)
	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardDeclined))
	srv.Advance(28*day + time.Hour)
	failed := []string{"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed"}
	got := in.types(t)
	require.Equal(t, append(slices.Clone(failed), "customer.subscription.updated"), got[len(got)-5:])
	sub := subscription(t, srv, id)
	require.EqualValues(t, "past_due", sub.Status)
	require.EqualValues(t, 1, sub.LatestInvoice.AttemptCount)
	require.Equal(t, srv.Now().Add(3*day).Unix(), sub.LatestInvoice.NextPaymentAttempt)
	srv.Advance(3 * day)
	require.Equal(t, failed, in.types(t))

	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardOK))
	in.types(t)
	srv.Advance(5 * day)
	require.Equal(t, []string{"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid", "customer.subscription.updated"}, in.types(t))
	sub = subscription(t, srv, id)
	require.EqualValues(t, "active", sub.Status)
	require.EqualValues(t, 3, sub.LatestInvoice.AttemptCount)

	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardExpired))
	srv.Advance(40 * day)
	got = in.types(t)
	require.Equal(t, "customer.subscription.deleted", got[len(got)-1])
	sub = subscription(t, srv, id)
	require.EqualValues(t, "canceled", sub.Status)
	require.EqualValues(t, "payment_failed", sub.CancellationDetails.Reason)
	require.EqualValues(t, 4, sub.LatestInvoice.AttemptCount)
	srv.Advance(60 * day)
	require.Empty(t, in.types(t), "what has ended renews no more")
}

func TestSubscriptionByDebit(t *testing.T) {
	t.Parallel()
	started := []string{
		"customer.created", "payment_method.attached", "checkout.session.completed", "customer.updated", "customer.subscription.created",
		"payment_intent.created", "charge.pending", "payment_intent.processing", "invoice.created", "invoice.finalized",
	}
	t.Run("settles", func(t *testing.T) {
		t.Parallel()
		srv, in, session, id := club(t, checkouttest.BankDebit)
		require.Equal(t, started, in.types(t))
		require.EqualValues(t, "incomplete", subscription(t, srv, id).Status)
		srv.Advance(4 * 24 * time.Hour)
		require.EqualValues(t, "incomplete", subscription(t, srv, id).Status, "while the debit is on its way")
		require.NoError(t, srv.Settle(session))
		require.Equal(t, []string{
			"charge.succeeded", "payment_intent.succeeded", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid", "customer.subscription.updated",
			"checkout.session.async_payment_succeeded",
		}, in.types(t))
		require.EqualValues(t, "active", subscription(t, srv, id).Status)
		srv.Advance(31 * 24 * time.Hour)
		require.Contains(t, in.types(t), "invoice.paid")
	})
	t.Run("bounces", func(t *testing.T) {
		t.Parallel()
		srv, in, session, id := club(t, checkouttest.BankDebit)
		in.types(t)
		require.NoError(t, srv.Bounce(session))
		require.Equal(t, []string{"charge.failed", "payment_intent.payment_failed", "invoice.payment_failed", "checkout.session.async_payment_failed"}, in.types(t))
		srv.Advance(23*time.Hour - time.Second)
		require.EqualValues(t, "incomplete", subscription(t, srv, id).Status)
		srv.Advance(time.Second)
		require.Equal(t, []string{"invoice.voided", "payment_intent.canceled", "customer.subscription.updated"}, in.types(t))
		sub := subscription(t, srv, id)
		require.EqualValues(t, "incomplete_expired", sub.Status)
		require.EqualValues(t, "void", sub.LatestInvoice.Status)
		srv.Advance(60 * 24 * time.Hour)
		require.Empty(t, in.types(t))
	})
	t.Run("is canceled on the way", func(t *testing.T) {
		t.Parallel()
		srv, in, session, id := club(t, checkouttest.BankDebit)
		_, err := srv.Client().V1Subscriptions.Cancel(context.Background(), id, nil)
		require.NoError(t, err)
		require.NoError(t, srv.Settle(session))
		require.EqualValues(t, "canceled", subscription(t, srv, id).Status)
		in.types(t)
		srv.Advance(60 * 24 * time.Hour)
		require.Empty(t, in.types(t))
	})
}

// A subscription can begin before its first debit arrives. One that bounces leaves the subscription as it is.
func TestDebitActivates(t *testing.T) {
	t.Parallel()
	for _, arrives := range []bool{true, false} {
		srv := newServer(t, checkouttest.Config{DebitActivates: true})
		in := newInbox(srv)
		session := create(t, srv, monthly()).ID
		require.NoError(t, srv.Pay(session, checkouttest.BankDebit))
		sess := retrieve(t, srv, session)
		require.EqualValues(t, "unpaid", sess.PaymentStatus)
		id := sess.Subscription.ID
		require.EqualValues(t, "active", subscription(t, srv, id).Status)
		require.EqualValues(t, "open", subscription(t, srv, id).LatestInvoice.Status)
		in.types(t)
		if arrives {
			require.NoError(t, srv.Settle(session))
			require.Equal(t, []string{
				"charge.succeeded", "payment_intent.succeeded", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid",
				"checkout.session.async_payment_succeeded",
			}, in.types(t))
		} else {
			require.NoError(t, srv.Bounce(session))
			require.Equal(t, []string{
				"charge.failed", "payment_intent.payment_failed", "invoice.payment_failed", "invoice.voided", "payment_intent.canceled",
				"checkout.session.async_payment_failed",
			}, in.types(t))
		}
		require.EqualValues(t, "active", subscription(t, srv, id).Status)
		srv.Advance(32 * 24 * time.Hour)
		require.Contains(t, in.types(t), "invoice.paid", "it renews")
	}
}

func TestSubscriptionsOverTheAPI(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	srv, in, _, id := club(t, checkouttest.CardOK)
	api := srv.Client()
	in.types(t)
	sub, err := api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true)})
	require.NoError(t, err)
	require.Equal(t, sub.Items.Data[0].CurrentPeriodEnd, sub.CancelAt)
	sub, err = api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(false)})
	require.NoError(t, err)
	require.Zero(t, sub.CancelAt)
	srv.Advance(28 * 24 * time.Hour)
	_, err = api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{CancelAtPeriodEnd: stripe.Bool(true), Metadata: map[string]string{"a": "b"}})
	require.NoError(t, err)
	srv.Flush()
	in.types(t)
	require.Equal(t, []string{id}, ids(t, srv, "/v1/subscriptions"))
	require.Equal(t, []string{id}, ids(t, srv, "/v1/subscriptions?price="+sub.Items.Data[0].Price.ID))
	require.Empty(t, ids(t, srv, "/v1/subscriptions?price=price_1"))
	require.Empty(t, ids(t, srv, "/v1/subscriptions?status=ended"))
	require.Len(t, ids(t, srv, "/v1/checkout/sessions?subscription="+id), 1)
	srv.Advance(31 * 24 * time.Hour)
	got := in.types(t)
	require.Equal(t, "customer.subscription.deleted", got[len(got)-1])
	sub = subscription(t, srv, id)
	require.EqualValues(t, "cancellation_requested", sub.CancellationDetails.Reason)
	require.Empty(t, ids(t, srv, "/v1/subscriptions"))
	for _, status := range []string{"all", "canceled", "ended"} {
		require.Equal(t, []string{id}, ids(t, srv, "/v1/subscriptions?status="+status))
	}
	_, err = api.V1Subscriptions.Cancel(ctx, id, nil)
	require.ErrorContains(t, err, "No such subscription")

	for path, param := range map[string]string{"/v1/subscriptions?status=odd": "status", "/v1/subscriptions?test_clock=c": "test_clock"} {
		resp, body := request(t, srv, "GET", path, nil)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Equal(t, param, str(body["error"].(map[string]any)["param"]))
	}
	_, _, second, other := club(t, checkouttest.CardOK)
	require.NotEqual(t, second, other)
	mixed := monthly()
	mixed.LineItems[0].PriceData.Recurring = &stripe.CheckoutSessionCreateLineItemPriceDataRecurringParams{Interval: stripe.String("year")}
	_, err = api.V1CheckoutSessions.Create(ctx, mixed)
	require.ErrorContains(t, err, "same billing interval")

	check := func(path string, typ reflect.Type, without ...string) map[string]any {
		_, body := request(t, srv, "GET", path, nil)
		for _, key := range jsonKeys(typ, without...) {
			require.Contains(t, body, key, path)
		}
		return body
	}
	raw := check("/v1/subscriptions/"+id, reflect.TypeFor[stripe.Subscription]())
	item := raw["items"].(map[string]any)["data"].([]any)[0]
	for _, key := range jsonKeys(reflect.TypeFor[stripe.SubscriptionItem](), "deleted") {
		require.Contains(t, item, key)
	}
	raw = check("/v1/invoices/"+str(raw["latest_invoice"]), reflect.TypeFor[stripe.Invoice](), "deleted", "confirmation_secret", "payments", "threshold_reason")
	line := raw["lines"].(map[string]any)["data"].([]any)[0]
	for _, key := range jsonKeys(reflect.TypeFor[stripe.InvoiceLineItem](), "subscription") {
		require.Contains(t, line, key)
	}
}

// billing returns a server with a customer who has a card.
func billing(t *testing.T, card string) (srv *checkouttest.Server, post func(want int, path string, pairs ...string) map[string]any, customer, method string) {
	t.Helper()
	srv = newServer(t, checkouttest.Config{})
	post = func(want int, path string, pairs ...string) map[string]any {
		t.Helper()
		resp, body := request(t, srv, "POST", path, form(pairs...))
		require.Equal(t, want, resp.StatusCode, body)
		return body
	}
	made := post(200, "/v1/customers", "email", "ada@example.org", "payment_method", card, "invoice_settings[default_payment_method]", card)
	method = made["invoice_settings"].(map[string]any)["default_payment_method"].(string)
	require.NotEqual(t, card, method, "a copy that is the customer's own")
	_, pm := request(t, srv, "GET", "/v1/payment_methods/"+method, nil)
	require.Equal(t, made["id"], pm["customer"])
	return srv, post, made["id"].(string), method
}

// A subscription without a session is paid, renewed and canceled like the subscription of a session.
func TestSubscriptionWithoutASession(t *testing.T) {
	t.Parallel()
	srv, post, customer, _ := billing(t, "pm_card_visa")
	price := srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 1500, Interval: "month"})
	sub := post(200, "/v1/subscriptions", "customer", customer, "items[0][price]", price, "items[0][quantity]", "2", "metadata[k]", "v")
	require.Equal(t, "active", sub["status"])
	require.Equal(t, map[string]any{"k": "v"}, sub["metadata"])
	require.EqualValues(t, 3000, balance(t, srv, ""))
	srv.Advance(32 * 24 * time.Hour)
	require.EqualValues(t, 6000, balance(t, srv, ""), "it was renewed")
	resp, gone := request(t, srv, "DELETE", "/v1/customers/"+customer, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, map[string]any{"id": customer, "object": "customer", "deleted": true}, gone)
	_, sub = request(t, srv, "GET", "/v1/subscriptions/"+sub["id"].(string), nil)
	require.Equal(t, "canceled", sub["status"])
	_, again := request(t, srv, "GET", "/v1/customers/"+customer, nil)
	require.Equal(t, gone, again)
	_, list := request(t, srv, "GET", "/v1/customers", nil)
	require.Empty(t, list["data"])
	post(400, "/v1/subscriptions", "customer", customer, "items[0][price]", price)
	post(404, "/v1/customers/"+customer, "name", "Ada")
	resp, _ = request(t, srv, "DELETE", "/v1/customers/"+customer, nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	events := srv.Events()
	require.Equal(t, "customer.deleted", events[len(events)-1].Type)

	srv, post, customer, _ = billing(t, "pm_card_chargeCustomerFail")
	price = srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 1500, Interval: "month"})
	sub = post(200, "/v1/subscriptions", "customer", customer, "items[0][price]", price)
	require.Equal(t, "incomplete", sub["status"])
	require.Zero(t, balance(t, srv, ""))
}
