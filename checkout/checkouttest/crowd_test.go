package checkouttest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/internal/sampling"
)

// toldLast: whoever believes the last event of an object knows the object. An open session is an exception: Stripe tells
// of no change to it.
func toldLast(t *testing.T, srv *checkouttest.Server) {
	t.Helper()
	paths := map[string]string{
		"ch_": "charges", "pi_": "payment_intents", "re_": "refunds", "du_": "disputes", "cs_": "checkout/sessions", "sub_": "subscriptions",
		"in_": "invoices", "pm_": "payment_methods", "seti_": "setup_intents", "inpay_": "invoice_payments", "cus_": "customers", "promo_": "promotion_codes",
	}
	seen := map[string]bool{}
	for _, e := range slices.Backward(srv.Events()) {
		if seen[e.ObjectID] || e.Type == "invoiceitem.created" || e.Type == "payment_intent.created" || e.Type == "setup_intent.created" {
			continue // no event tells on which invoice an item is; new intents are told late, as they were first
		}
		seen[e.ObjectID] = true
		if e.Type == "coupon.deleted" || e.Type == "billing_portal.session.created" || e.Type == "customer.source.created" { // the API does not show it
			continue
		}
		prefix, _, _ := strings.Cut(e.ObjectID, "_")
		path := paths[prefix+"_"]
		if strings.HasPrefix(e.Type, "coupon.") {
			path = "coupons"
		} else if strings.HasPrefix(e.Type, "subscription_schedule.") {
			path = "subscription_schedules"
		}
		_, event := request(t, srv, "GET", "/v1/events/"+e.ID, nil)
		_, now := request(t, srv, "GET", "/v1/"+path+"/"+e.ObjectID, nil)
		told := event["data"].(map[string]any)["object"]
		require.Equal(t, now, told, "%s is the last of %s", e.Type, e.ObjectID)
	}
	require.NotEmpty(t, seen)
}

// TestEventsOfSubscriptions lets random things happen to a subscription, and holds the last events against the objects. The
// money that invoices say they got is the money that was charged, and a period is billed once.
func TestEventsOfSubscriptions(t *testing.T) {
	t.Parallel()
	rng := sampling.Rand(t)
	ends := []checkouttest.DunningEnd{checkouttest.DunningCancels, checkouttest.DunningMarksUnpaid, checkouttest.DunningLeavesPastDue}
	for n := range sampling.Size(8, 60) {
		srv := newServer(t, checkouttest.Config{Start: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC), DunningEnd: ends[rng.IntN(3)]})
		newInbox(srv)
		plus := srv.AddPrice(checkouttest.Price{Name: "Plus", Currency: "eur", UnitAmount: 3000, Interval: "month"})
		year := srv.AddPrice(checkouttest.Price{Name: "Year", Currency: "eur", UnitAmount: 9000, Interval: "year"})
		params, method := monthly(), checkouttest.CardOK
		if n%4 == 1 {
			method = checkouttest.BankDebit
		}
		if n%2 == 0 {
			params = withoutCard(int64(1+rng.IntN(20)), []string{"cancel", "create_invoice", "pause"}[rng.IntN(3)])
		}
		session := create(t, srv, params).ID
		require.NoError(t, srv.Pay(session, method))
		sub := retrieve(t, srv, session, "subscription").Subscription
		item := sub.Items.Data[0].ID
		var history []string
		update := func(pairs ...string) { // it may be refused
			resp, _ := request(t, srv, "POST", "/v1/subscriptions/"+sub.ID, form(pairs...))
			history = append(history, fmt.Sprint(resp.StatusCode, pairs))
		}
		for range 30 {
			switch rng.IntN(14) {
			case 0:
				card := []checkouttest.PaymentMethod{checkouttest.CardOK, checkouttest.CardDeclined}[rng.IntN(2)]
				history = append(history, "method "+string(card))
				require.NoError(t, srv.ReplaceMethod(sub.ID, card))
			case 1:
				_ = srv.Settle(session) // it may not be pending
			case 2:
				_ = srv.Bounce(session)
			case 3:
				update("items[0][id]", item, "items[0][quantity]", fmt.Sprint(1+rng.IntN(4)), "proration_behavior", []string{"always_invoice", "create_prorations", "none"}[rng.IntN(3)])
			case 4:
				update("items[0][id]", item, "items[0][price]", []string{plus, year}[rng.IntN(2)])
			case 5:
				update("pause_collection[behavior]", []string{"keep_as_draft", "mark_uncollectible", "void"}[rng.IntN(3)])
			case 6:
				update("pause_collection", "")
			case 7:
				update("cancel_at_period_end", fmt.Sprint(rng.IntN(4) == 0))
			case 8:
				update("trial_end", "now")
			case 9:
				resp, _ := request(t, srv, "POST", "/v1/subscriptions/"+sub.ID+"/resume", nil)
				history = append(history, fmt.Sprint(resp.StatusCode, " resume"))
			default:
				d := time.Duration(rng.IntN(30*24)) * time.Hour
				history = append(history, "advance "+d.String())
				srv.Advance(d)
			}
		}
		srv.Flush()
		toldLast(t, srv)
		invoicesAgree(t, srv, history)
	}
}

// invoicesAgree holds the invoices of a server's only subscription against its money.
func invoicesAgree(t *testing.T, srv *checkouttest.Server, history []string) {
	t.Helper()
	var paid int64
	periods := map[string]bool{}
	list := &stripe.InvoiceListParams{}
	list.AddExpand("data.payments")
	for inv, err := range srv.Client().V1Invoices.List(context.Background(), list) {
		require.NoError(t, err)
		paid += inv.AmountPaid
		for _, line := range inv.Lines.Data {
			details := line.Parent.SubscriptionItemDetails
			if details == nil || details.Proration || inv.BillingReason == "subscription_update" {
				continue
			}
			period := fmt.Sprint(details.SubscriptionItem, line.Period.Start)
			require.False(t, periods[period], "billed twice: %s %v", period, history)
			periods[period] = true
		}
		if inv.AmountPaid > 0 {
			require.Len(t, inv.Payments.Data, 1, history)
			require.EqualValues(t, "paid", inv.Payments.Data[0].Status, history)
			require.Equal(t, inv.AmountPaid, inv.Payments.Data[0].AmountPaid, history)
		}
	}
	require.Equal(t, paid, balance(t, srv, ""), history)
}

// TestCrowd lets goroutines do at once what the model does one after the other. What must hold however they meet: a
// session ends once, no more is refunded than was paid, and the last events tell the truth.
func TestCrowd(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{})
	newInbox(srv)
	var sessions []string
	for range 6 {
		sessions = append(sessions, create(t, srv, tee()).ID)
	}
	seeds := sampling.Rand(t)
	var running sync.WaitGroup
	for range 6 {
		rng := rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64()))
		running.Go(func() {
			for range sampling.Size(40, 200) {
				id := sessions[rng.IntN(len(sessions))]
				switch rng.IntN(8) { // each may be refused: another goroutine was first
				case 0:
					_ = srv.Pay(id, checkouttest.CardOK)
				case 1:
					_ = srv.Pay(id, checkouttest.BankDebit)
				case 2:
					_ = srv.Settle(id)
				case 3:
					if re, err := srv.Refund(id, 1+rng.Int64N(price)); err == nil && rng.IntN(2) == 0 {
						_ = srv.FailRefund(re)
					}
				case 4:
					if d, err := srv.Dispute(id); err == nil {
						_ = srv.WinDispute(d)
					}
				case 5:
					_, _ = srv.Client().V1CheckoutSessions.Expire(context.Background(), id, nil)
				case 6:
					srv.Advance(time.Duration(rng.IntN(60)) * time.Minute)
				case 7:
					_ = srv.Bounce(id)
				}
			}
		})
	}
	running.Wait()
	srv.Flush()
	ends, refunded := map[string]int{}, map[string]int64{}
	for _, e := range srv.Events() {
		if e.Type == "checkout.session.completed" || e.Type == "checkout.session.expired" {
			ends[e.ObjectID]++
		}
	}
	for re, err := range srv.Client().V1Refunds.List(context.Background(), &stripe.RefundListParams{}) {
		require.NoError(t, err)
		if re.Status != "failed" {
			refunded[re.Charge.ID] += re.Amount
		}
	}
	for _, id := range sessions {
		require.LessOrEqual(t, ends[id], 1)
	}
	for ch, err := range srv.Client().V1Charges.List(context.Background(), &stripe.ChargeListParams{}) {
		require.NoError(t, err)
		require.Equal(t, ch.AmountRefunded, refunded[ch.ID])
		require.LessOrEqual(t, ch.AmountRefunded, ch.AmountCaptured)
	}
	toldLast(t, srv)
}
