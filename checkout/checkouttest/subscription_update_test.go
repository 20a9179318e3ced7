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

// member returns a server with a subscription to a plan of 9.00 EUR a month that begins on 1 April, and a function that
// updates it. PLUS, YEAR, LIST and USD stand for other prices: 30.00 EUR a month, 90.00 EUR a year, a one-time price and a price in
// another currency.
func member(t *testing.T) (srv *checkouttest.Server, in *inbox, id string, update func(want int, pairs ...string) map[string]any) {
	t.Helper()
	srv = newServer(t, checkouttest.Config{Start: time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)})
	in = newInbox(srv)
	prices := map[string]string{
		"PLUS": srv.AddPrice(checkouttest.Price{Name: "Plus", Currency: "eur", UnitAmount: 3000, Interval: "month"}),
		"YEAR": srv.AddPrice(checkouttest.Price{Name: "Year", Currency: "eur", UnitAmount: 9000, Interval: "year"}),
		"LIST": srv.AddPrice(checkouttest.Price{Name: "Cup", Currency: "eur", UnitAmount: 500}),
		"USD":  srv.AddPrice(checkouttest.Price{Name: "Dollar", Currency: "usd", UnitAmount: 500, Interval: "month"}),
	}
	params := monthly()
	params.LineItems = params.LineItems[1:]
	session := create(t, srv, params).ID
	require.NoError(t, srv.Pay(session, checkouttest.CardOK))
	sub := retrieve(t, srv, session, "subscription").Subscription
	in.types(t)
	return srv, in, sub.ID, func(want int, pairs ...string) map[string]any {
		t.Helper()
		for i, v := range pairs {
			if prices[v] != "" {
				pairs[i] = prices[v]
			}
			if v == "ITEM" {
				pairs[i] = sub.Items.Data[0].ID
			}
		}
		resp, body := request(t, srv, "POST", "/v1/subscriptions/"+sub.ID, form(pairs...))
		require.Equal(t, want, resp.StatusCode, body)
		srv.Flush()
		return body
	}
}

// A change in the middle of a month of 30 days credits half of the old price and charges half of the new one.
func TestPlanChange(t *testing.T) {
	t.Parallel()
	srv, in, id, update := member(t)
	srv.Advance(15 * day)
	update(200, "items[0][id]", "ITEM", "items[0][price]", "PLUS")
	require.Equal(t, []string{"invoiceitem.created", "invoiceitem.created", "customer.subscription.updated"}, in.types(t))
	sub := subscription(t, srv, id)
	require.EqualValues(t, 3000, sub.Items.Data[0].Price.UnitAmount)
	require.EqualValues(t, 900, sub.LatestInvoice.Total, "nothing is billed now")
	srv.Advance(15*day + time.Hour)
	sub = subscription(t, srv, id)
	require.EqualValues(t, 3000-450+1500, sub.LatestInvoice.AmountPaid)
	require.Len(t, sub.LatestInvoice.Lines.Data, 3)
	details := sub.LatestInvoice.Lines.Data[1].Parent.SubscriptionItemDetails
	require.True(t, details.Proration)
	require.NotEmpty(t, details.InvoiceItem)
	srv.Advance(31 * day)
	require.EqualValues(t, 3000, subscription(t, srv, id).LatestInvoice.AmountPaid, "prorations are billed once")
	toldLast(t, srv)
}

func TestPlanChangeBilledAtOnce(t *testing.T) {
	t.Parallel()
	srv, in, id, update := member(t)
	srv.Advance(15 * day)
	update(200, "items[0][id]", "ITEM", "items[0][quantity]", "3", "proration_behavior", "always_invoice")
	require.Equal(t, []string{
		"invoiceitem.created", "invoiceitem.created", "customer.subscription.updated", "invoice.created", "customer.subscription.updated", "invoice.finalized",
		"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid",
	}, in.types(t))
	inv := subscription(t, srv, id).LatestInvoice
	require.EqualValues(t, 1350-450, inv.AmountPaid)
	require.EqualValues(t, "subscription_update", inv.BillingReason)

	update(200, "items[0][id]", "ITEM", "items[0][quantity]", "1", "proration_behavior", "always_invoice")
	inv = subscription(t, srv, id).LatestInvoice
	require.EqualValues(t, -900, inv.Total)
	require.Zero(t, inv.AmountPaid)
	require.EqualValues(t, "paid", inv.Status)
	srv.Advance(15*day + time.Hour)
	inv = subscription(t, srv, id).LatestInvoice
	require.Zero(t, inv.AmountPaid, "the credit pays it")
	require.EqualValues(t, -900, inv.StartingBalance)
	srv.Advance(31 * day)
	require.EqualValues(t, 900, subscription(t, srv, id).LatestInvoice.AmountPaid)

	update(200, "items[0][id]", "ITEM", "items[0][quantity]", "2", "proration_behavior", "none")
	require.EqualValues(t, 900, subscription(t, srv, id).LatestInvoice.AmountPaid)
	require.NoError(t, srv.ReplaceMethod(id, checkouttest.CardDeclined))
	body := update(402, "items[0][id]", "ITEM", "items[0][quantity]", "9", "proration_behavior", "always_invoice", "payment_behavior", "error_if_incomplete")
	require.Equal(t, "card_declined", body["error"].(map[string]any)["code"])
	require.EqualValues(t, 2, subscription(t, srv, id).Items.Data[0].Quantity, "nothing has changed")
	update(200, "items[0][id]", "ITEM", "items[0][quantity]", "9", "proration_behavior", "always_invoice")
	require.EqualValues(t, "past_due", subscription(t, srv, id).Status)
	require.EqualValues(t, 9, subscription(t, srv, id).Items.Data[0].Quantity, "the new plan counts at once")
	toldLast(t, srv)
}

// A subscription that is to end at the very end of its period does not renew, whether the time was named or not, or first not.
func TestEndsAtTheEndOfItsPeriod(t *testing.T) {
	t.Parallel()
	for name, withPeriod := range map[string][]bool{"with its period": {true}, "at a time": {false}, "with its period, then at that time": {true, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, _, id, update := member(t)
			end := subscription(t, srv, id).Items.Data[0].CurrentPeriodEnd
			for _, with := range withPeriod {
				if with {
					update(200, "cancel_at_period_end", "true")
				} else {
					update(200, "cancel_at", fmt.Sprint(end))
				}
			}
			srv.Advance(32 * day)
			sub := subscription(t, srv, id)
			require.EqualValues(t, "canceled", sub.Status)
			require.Equal(t, end, sub.EndedAt)
			require.EqualValues(t, "subscription_create", sub.LatestInvoice.BillingReason, "there is no renewal")
		})
	}
}

// Prorations are billed before the plan, the latest first. An invoice shows ten lines, and the others are listed.
func TestManyPlanChanges(t *testing.T) {
	t.Parallel()
	srv, in, id, update := member(t)
	for _, quantity := range []string{"2", "3", "4", "5", "6"} {
		srv.Advance(day)
		update(200, "items[0][id]", "ITEM", "items[0][quantity]", quantity)
	}
	in.types(t)
	srv.Advance(26 * day)
	shown := subscription(t, srv, id).LatestInvoice
	require.Len(t, shown.Lines.Data, 10)
	require.True(t, shown.Lines.HasMore)
	var lines []*stripe.InvoiceLineItem
	for line, err := range srv.Client().V1Invoices.ListLines(t.Context(), &stripe.InvoiceListLinesParams{Invoice: &shown.ID}) {
		require.NoError(t, err)
		lines = append(lines, line)
	}
	require.Len(t, lines, 11)
	require.Equal(t, shown.Lines.Data[9].ID, lines[9].ID)
	require.EqualValues(t, 6*900*25/30, lines[0].Amount)
	require.EqualValues(t, 6*900, lines[10].Amount)
	require.Equal(t, lines[0].Period.End, lines[10].Period.Start)
	resp, _ := request(t, srv, "GET", "/v1/invoices/in_1/lines", nil)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// A plan with another interval begins a new billing cycle, which is paid at once.
func TestPlanChangeToAnotherInterval(t *testing.T) {
	t.Parallel()
	srv, in, id, update := member(t)
	srv.Advance(15 * day)
	update(200, "items[0][id]", "ITEM", "items[0][price]", "YEAR")
	sub := subscription(t, srv, id)
	require.Equal(t, srv.Now().Unix(), sub.BillingCycleAnchor)
	require.Equal(t, srv.Now().AddDate(1, 0, 0).Unix(), sub.Items.Data[0].CurrentPeriodEnd)
	require.EqualValues(t, 9000-450, sub.LatestInvoice.AmountPaid)
	in.types(t)
	srv.Advance(364 * day)
	require.Empty(t, in.types(t), "the end of the old period does not count")
	srv.Advance(3 * day)
	require.EqualValues(t, 9000, subscription(t, srv, id).LatestInvoice.AmountPaid)
	toldLast(t, srv)
}

func TestItemsAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	srv, _, id, update := member(t)
	update(200, "items[0][price]", "PLUS", "proration_behavior", "none")
	require.Len(t, subscription(t, srv, id).Items.Data, 2)
	update(200, "items[0][id]", "ITEM", "items[0][deleted]", "true", "proration_behavior", "none")
	items := subscription(t, srv, id).Items
	require.Len(t, items.Data, 1)
	require.EqualValues(t, 3000, items.Data[0].Price.UnitAmount)
	srv.Advance(31 * day)
	require.EqualValues(t, 3000, subscription(t, srv, id).LatestInvoice.AmountPaid)
	for _, pairs := range [][]string{
		{"items[0][id]", "ITEM", "items[0][quantity]", "2"}, // it is gone
		{"items[0][id]", items.Data[0].ID, "items[0][deleted]", "true"},
		{"items[0][id]", items.Data[0].ID, "items[0][quantity]", "0"},
		{"items[0][quantity]", "2"},
		{"items[0][price]", "YEAR"},
		{"items[0][price]", "LIST"},
		{"items[0][price]", "USD"},
		{"items[0][price]", "price_1"},
		{"proration_behavior", "maybe"},
		{"payment_behavior", "pending_if_incomplete"},
		{"default_payment_method", "pm_1"},
		{"pause_collection[behavior]", "stop"},
		{"cancel_at", "1"},
		{"cancel_at", "1900000000", "cancel_at_period_end", "true"},
		{"cancellation_details[feedback]", "meh"},
		{"trial_end", "now"},
	} {
		update(http.StatusBadRequest, pairs...)
	}
	require.Len(t, subscription(t, srv, id).Items.Data, 1)
	toldLast(t, srv)
}

// A subscription ends at the time that it was given, unless the end is withdrawn or moved.
func TestCancelAt(t *testing.T) {
	t.Parallel()
	srv, in, id, update := member(t)
	ctx, api := context.Background(), srv.Client()
	end := srv.Now().Add(10 * day).Unix()
	set := func(cancelAt int64) *stripe.Subscription {
		sub, err := api.V1Subscriptions.Update(ctx, id, &stripe.SubscriptionUpdateParams{CancelAt: &cancelAt})
		require.NoError(t, err)
		return sub
	}
	sub := set(end)
	require.Equal(t, end, sub.CancelAt)
	require.Equal(t, srv.Now().Unix(), sub.CanceledAt)
	require.EqualValues(t, "cancellation_requested", sub.CancellationDetails.Reason)
	require.Nil(t, update(200, "cancel_at", "")["cancel_at"])
	srv.Advance(11 * day)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
	set(srv.Now().Add(2 * day).Unix())
	set(srv.Now().Add(4 * day).Unix())
	srv.Advance(3 * day)
	require.EqualValues(t, "active", subscription(t, srv, id).Status)
	in.types(t)
	srv.Advance(day)
	require.Equal(t, []string{"customer.subscription.deleted"}, in.types(t))
	sub = subscription(t, srv, id)
	require.Equal(t, srv.Now().Unix(), sub.EndedAt)
	require.Equal(t, srv.Now().Add(-4*day).Unix(), sub.CanceledAt)
}

// A card that the subscription is given over the API pays its renewals.
func TestDefaultMethodOfTheSubscription(t *testing.T) {
	t.Parallel()
	srv, _, id, update := member(t)
	customer := subscription(t, srv, id).Customer.ID
	for _, card := range []string{"pm_card_chargeCustomerFail", "pm_card_visa"} {
		pm, err := srv.Client().V1PaymentMethods.Attach(context.Background(), card, &stripe.PaymentMethodAttachParams{Customer: &customer})
		require.NoError(t, err)
		update(200, "default_payment_method", pm.ID)
		srv.Advance(31 * day)
	}
	sub := subscription(t, srv, id)
	require.EqualValues(t, "active", sub.Status)
	require.EqualValues(t, 3*900, balance(t, srv, ""))
}
