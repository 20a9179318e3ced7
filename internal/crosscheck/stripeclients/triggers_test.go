package stripeclients

import (
	"bytes"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A trigger is a `stripe trigger` that succeeds.
type trigger struct {
	event  string
	events []string       // all events of the trigger, in their sequence
	object map[string]any // a part of the event's object; nil for a trigger that makes no event of its name
}

// succeeding returns the triggers of Checkout, payments, refunds, disputes, subscriptions and invoices, and of what these need.
func succeeding() []trigger {
	catalogue := []string{"product.created", "price.created"}
	intent := []string{"payment_intent.created"}
	after := func(base []string, more ...string) []string { return slices.Concat(base, more) }
	paid := after(intent, "charge.succeeded", "payment_intent.succeeded")
	disputed := after(paid, "charge.dispute.created", "charge.updated") // an inquiry: no money moves
	invoiced := []string{"customer.created", "payment_method.attached", "invoiceitem.created", "invoice.created", "invoice.finalized"}
	billed := []string{"customer.created", "invoiceitem.created"}
	drafted := after(billed, "invoice.created")
	credited := after(drafted, "invoice.finalized", "credit_note.created", "invoice.updated")
	subscribed := after(slices.Concat([]string{"customer.created", "payment_method.attached"}, catalogue, paid), "customer.updated",
		"invoice.created", "invoice.finalized", "customer.subscription.created", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid")
	trialing := after(after([]string{"customer.created"}, catalogue...), "customer.updated", "invoice.created", "invoice.finalized",
		"customer.subscription.created", "invoice.paid", "invoice.payment_succeeded")
	funded := []string{"customer.created", "customer_cash_balance_transaction.created", "cash_balance.funds_available"}
	sourced := after([]string{"customer.created", "customer.source.created"}, catalogue...)
	scheduled := after(sourced, "customer.updated", "invoice.created", "customer.subscription.created", "subscription_schedule.created")
	debited := after(after(catalogue, intent...), "charge.pending", "payment_intent.processing", "checkout.session.completed")
	return []trigger{
		{"checkout.session.completed", after(catalogue, "charge.succeeded", "payment_intent.succeeded", "payment_intent.created", "checkout.session.completed"), map[string]any{"status": "complete", "payment_status": "paid", "amount_total": 3000.0}},
		{"checkout.session.expired", after(catalogue, "checkout.session.expired"), map[string]any{"status": "expired", "payment_status": "unpaid"}},
		{
			"checkout.session.async_payment_succeeded", after(debited, "charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"),
			map[string]any{"status": "complete", "payment_status": "paid", "currency": "eur"},
		},
		{
			"checkout.session.async_payment_failed", after(debited, "charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"),
			map[string]any{"status": "complete", "payment_status": "unpaid"},
		},
		{"payment_intent.created", intent, map[string]any{"status": "requires_payment_method", "amount": 2000.0}},
		{"payment_intent.succeeded", paid, map[string]any{"status": "succeeded", "amount_received": 2000.0}},
		{"payment_intent.payment_failed", after(intent, "charge.failed", "payment_intent.payment_failed"), map[string]any{"status": "requires_payment_method"}},
		{"payment_intent.canceled", after(intent, "payment_intent.canceled"), map[string]any{"status": "canceled", "cancellation_reason": "requested_by_customer"}},
		{"payment_intent.requires_action", after(intent, "payment_intent.requires_action"), map[string]any{"status": "requires_action"}},
		{"payment_intent.processing", after(intent, "charge.pending", "payment_intent.processing"), map[string]any{"status": "processing"}},
		{"payment_intent.amount_capturable_updated", after(intent, "charge.succeeded", "payment_intent.amount_capturable_updated"), map[string]any{"status": "requires_capture"}},
		{"charge.succeeded", paid, map[string]any{"status": "succeeded", "paid": true}},
		{"charge.failed", after(intent, "charge.failed", "payment_intent.payment_failed"), map[string]any{"status": "failed", "paid": false}},
		{"charge.captured", after(intent, "charge.succeeded", "payment_intent.amount_capturable_updated", "charge.captured", "payment_intent.succeeded"), map[string]any{"captured": true}},
		{"charge.refunded", after(paid, "refund.created", "charge.refunded"), map[string]any{"refunded": true, "amount_refunded": 100.0}},
		{"charge.refund.updated", after(paid, "refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"), map[string]any{"object": "refund", "metadata": map[string]any{"order_id": "6735"}}},
		{"charge.dispute.created", disputed, map[string]any{"status": "warning_needs_response", "amount": 100.0}},
		{"charge.dispute.updated", after(disputed, "charge.dispute.updated"), map[string]any{"metadata": map[string]any{"foo": "bar"}}},
		{"charge.dispute.closed", after(disputed, "charge.dispute.closed"), map[string]any{"status": "warning_closed"}},
		{"product.created", catalogue[:1], map[string]any{"object": "product"}},
		{"price.created", catalogue, map[string]any{"object": "price"}},
		{"customer.created", []string{"customer.created"}, map[string]any{"object": "customer"}},
		{"customer.deleted", []string{"customer.created", "customer.deleted"}, map[string]any{"object": "customer", "description": "(created by Stripe CLI)"}},
		{"customer.subscription.created", subscribed, map[string]any{"status": "active", "currency": "usd"}},
		{"invoice.paid", after(slices.Concat(invoiced, paid), "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"), map[string]any{"status": "paid", "amount_paid": 2000.0}},
		{"invoice.payment_succeeded", after(slices.Concat(invoiced, paid), "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"), map[string]any{"status": "paid"}},
		{
			"invoice.payment_failed", after(slices.Concat(invoiced, intent), "charge.failed", "payment_intent.payment_failed", "invoice.payment_failed"),
			map[string]any{"status": "open", "amount_paid": 0.0, "attempted": true},
		},
		{"billing_portal.session.created", []string{"customer.created", "billing_portal.session.created"}, map[string]any{"object": "billing_portal.session"}},
		{"coupon.created", []string{"coupon.created"}, map[string]any{"valid": true}},
		{"coupon.updated", []string{"coupon.created", "coupon.updated"}, map[string]any{"metadata": map[string]any{"foo": "bar"}}},
		{"coupon.deleted", []string{"coupon.created", "coupon.deleted"}, map[string]any{"valid": false}},
		{"promotion_code.created", []string{"coupon.created", "promotion_code.created"}, map[string]any{"active": true}},
		{"promotion_code.updated", []string{"coupon.created", "promotion_code.created", "promotion_code.updated"}, map[string]any{"metadata": map[string]any{"foo": "bar"}}},
		{"customer.updated", []string{"customer.created", "customer.updated"}, map[string]any{"object": "customer"}},
		{"customer.subscription.updated", after(subscribed, "customer.subscription.updated"), map[string]any{"status": "active", "metadata": map[string]any{"foo": "bar"}}},
		{"customer.subscription.deleted", after(subscribed, "customer.subscription.deleted"), map[string]any{"status": "canceled"}},
		{"customer.subscription.paused", after(trialing, "customer.subscription.paused", "customer.subscription.updated"), map[string]any{"status": "paused"}},
		{"customer.subscription.trial_will_end", after(trialing, "customer.subscription.trial_will_end"), map[string]any{"status": "trialing"}},
		{"subscription.payment_succeeded", after(slices.Concat([]string{"customer.created", "payment_method.attached", "customer.updated"}, catalogue, paid), "customer.updated",
			"invoice.created", "invoice.finalized", "customer.subscription.created", "invoice.paid", "invoice.payment_succeeded", "invoice_payment.paid"), nil},
		{"subscription.payment_failed", after(slices.Concat([]string{"customer.created", "payment_method.attached", "customer.updated"}, catalogue, intent), "charge.failed",
			"payment_intent.payment_failed", "customer.updated", "invoice.created", "invoice.finalized", "customer.subscription.created", "invoice.payment_failed"), nil},
		{"invoiceitem.created", billed, map[string]any{"amount": 2000.0}},
		{"invoiceitem.deleted", after(billed, "invoiceitem.deleted"), map[string]any{"object": "invoiceitem"}},
		{"invoice.created", drafted, map[string]any{"status": "draft", "amount_due": 2000.0}},
		{"invoice.updated", after(drafted, "invoice.updated"), map[string]any{"status": "draft", "metadata": map[string]any{"foo": "bar"}}},
		{"invoice.deleted", after(drafted, "invoice.deleted"), map[string]any{"status": "draft"}},
		{"invoice.finalized", after(drafted, "invoice.finalized"), map[string]any{"status": "open"}},
		{"invoice.sent", after(drafted, "invoice.finalized", "invoice.sent"), map[string]any{"status": "open", "collection_method": "send_invoice"}},
		{"invoice.voided", after(drafted, "invoice.finalized", "invoice.voided"), map[string]any{"status": "void"}},
		{"invoice.marked_uncollectible", after(drafted, "invoice.finalized", "invoice.marked_uncollectible"), map[string]any{"status": "uncollectible"}},
		{"invoice.payment_action_required", after(invoiced, "payment_intent.created", "payment_intent.requires_action", "invoice.payment_action_required", "invoice.payment_failed"), map[string]any{"status": "open"}},
		{"credit_note.created", credited, map[string]any{"status": "issued", "type": "pre_payment"}},
		{"credit_note.updated", after(credited, "credit_note.updated"), map[string]any{"metadata": map[string]any{"foo": "bar"}}},
		{"credit_note.voided", after(credited, "credit_note.voided", "invoice.updated"), map[string]any{"status": "void"}},
		{"payment_link.created", after(catalogue, "payment_link.created"), map[string]any{"active": true}},
		{"payment_link.updated", after(catalogue, "payment_link.created", "payment_link.updated"), map[string]any{"allow_promotion_codes": true}},
		{"payment_method.attached", []string{"customer.created", "payment_method.attached"}, map[string]any{"type": "card"}},
		{"payment_method.detached", []string{"customer.created", "payment_method.attached", "payment_method.detached"}, map[string]any{"customer": nil}},
		{"payment_method.updated", []string{"customer.created", "setup_intent.created", "payment_method.attached", "setup_intent.succeeded", "payment_method.updated"}, map[string]any{"metadata": map[string]any{"foo": "bar"}}},
		{"setup_intent.created", []string{"setup_intent.created"}, map[string]any{"status": "requires_payment_method"}},
		{"setup_intent.canceled", []string{"setup_intent.created", "setup_intent.canceled"}, map[string]any{"status": "canceled", "cancellation_reason": "requested_by_customer"}},
		{"setup_intent.requires_action", []string{"setup_intent.created", "setup_intent.requires_action"}, map[string]any{"status": "requires_action"}},
		{"setup_intent.setup_failed", []string{"setup_intent.created", "setup_intent.setup_failed"}, map[string]any{"status": "requires_payment_method"}},
		{"setup_intent.succeeded", []string{"setup_intent.created", "setup_intent.succeeded"}, map[string]any{"status": "succeeded"}},
		{"product.updated", []string{"product.created", "product.updated"}, map[string]any{"object": "product"}},
		{"product.deleted", []string{"product.created", "product.deleted"}, map[string]any{"object": "product"}},
		{"price.updated", after(catalogue, "price.updated"), map[string]any{"object": "price"}},
		{"tax_rate.created", []string{"tax_rate.created"}, map[string]any{"object": "tax_rate"}},
		{"tax_rate.updated", []string{"tax_rate.created", "tax_rate.updated"}, map[string]any{"object": "tax_rate"}},
		{"balance.available", paid, nil}, // the server has no event of the balance
		{"cash_balance.funds_available", funded, map[string]any{"available": map[string]any{"usd": 1000.0}}},
		{"customer_cash_balance_transaction.created", funded, map[string]any{"type": "funded", "net_amount": 1000.0}},
		{"payment_intent.partially_funded", []string{
			"customer.created", "payment_intent.created", "payment_intent.requires_action", "customer_cash_balance_transaction.created",
			"customer_cash_balance_transaction.created", "payment_intent.partially_funded",
		}, map[string]any{"status": "requires_action", "amount_received": 0.0}},
		{"subscription_schedule.created", scheduled, map[string]any{"status": "active"}},
		{"subscription_schedule.updated", after(scheduled, "subscription_schedule.updated"), map[string]any{"metadata": map[string]any{"foo": "bar"}}},
		{"subscription_schedule.canceled", after(scheduled, "invoiceitem.created", "invoice.created", "customer.subscription.updated", "customer.updated", "invoice.finalized",
			"invoice.paid", "invoice.payment_succeeded", "invoice.updated", "customer.subscription.deleted", "subscription_schedule.canceled"), map[string]any{"status": "canceled"}},
		{"subscription_schedule.released", after(scheduled, "customer.subscription.updated", "subscription_schedule.released"), map[string]any{"status": "released", "subscription": nil}},
		// The schedule has not started when the trigger cancels it. At Stripe, too, it is aborted only if its subscription was not paid:
		// https://docs.stripe.com/billing/subscriptions/webhooks
		{"subscription_schedule.aborted", after(sourced, "subscription_schedule.created", "subscription_schedule.canceled"), nil},
	}
}

// testClocks are the triggers with a test clock, and all events of each. Their clock starts on 1 January 2020. The test server has one
// clock, which never goes back, so that these triggers need a server of that time.
var testClocks = map[string]string{
	"test_helpers.test_clock.created":   `test_helpers.test_clock.created test_helpers.test_clock.ready`,
	"test_helpers.test_clock.ready":     `test_helpers.test_clock.created test_helpers.test_clock.ready test_helpers.test_clock.advancing test_helpers.test_clock.ready`,
	"test_helpers.test_clock.advancing": `test_helpers.test_clock.created test_helpers.test_clock.ready test_helpers.test_clock.advancing test_helpers.test_clock.ready`,
	"test_helpers.test_clock.deleted":   `test_helpers.test_clock.created test_helpers.test_clock.ready test_helpers.test_clock.deleted`,
	"subscription_schedule.completed": unpaidSchedule + ` subscription_schedule.expiring subscription_schedule.completed
		subscription_schedule.released invoice.created customer.subscription.updated test_helpers.test_clock.ready`,
	// The trigger stops 9 days before the end of the schedule, and the event comes 7 days before it, so that there is none:
	// https://docs.stripe.com/api/events/types#event_types-subscription_schedule.expiring
	"subscription_schedule.expiring": unpaidSchedule + ` test_helpers.test_clock.ready`,
}

// unpaidSchedule are the events of a schedule that starts, and whose customer has no payment method.
const unpaidSchedule = `test_helpers.test_clock.created test_helpers.test_clock.ready customer.created product.created price.created customer.updated
	invoice.created customer.subscription.created subscription_schedule.created test_helpers.test_clock.advancing invoice.finalized
	payment_intent.created invoice.payment_failed customer.subscription.updated invoice.payment_failed invoice.payment_failed invoice.payment_failed`

// refused are the other triggers, by what names the missing part in the server's refusal.
//
// Stripe, too, refuses those of customer.discount in this API version: coupon of customers went with 2025-03-31.basil.
// https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-singular-coupon-promotion-code
var refused = map[string]string{
	"/v1/accounts":                       `account.application.deauthorized account.updated transfer.created transfer.reversed transfer.updated`,
	"/v1/billing_portal/configurations":  `billing_portal.configuration.created billing_portal.configuration.updated`,
	"Received unknown parameter: coupon": `customer.discount.created customer.discount.deleted customer.discount.updated`,
	"/sources.":                          `customer.source.created customer.source.updated`,
	"/v1/identity/verification_sessions": `identity.verification_session.canceled identity.verification_session.created identity.verification_session.redacted`,
	"/v1/issuing/cardholders":            `issuing_authorization.request issuing_authorization.request.eu issuing_authorization.request.gb issuing_card.created issuing_card.created.eu issuing_card.created.gb issuing_cardholder.created issuing_cardholder.created.eu issuing_cardholder.created.gb issuing_transaction.created issuing_transaction.purchase_details_receipt_updated issuing_transaction.updated`,
	"/v1/payouts":                        `payout.created payout.updated`,
	"/v1/plans":                          `plan.created plan.deleted plan.updated`,
	"/v1/quotes":                         `quote.accepted quote.canceled quote.created quote.finalized`,
	"/v1/reporting/report_runs":          `reporting.report_run.succeeded`,
	"/v1/topups":                         `topup.created`,
	"/v1/billing/meters":                 `v1.billing.meter.error_report_triggered`,
	"/v2/billing/meter_event_session":    `v1.billing.meter.no_meter_found`,
}

// TestTrigger makes the CLI trigger events, and waits for each at the handler: `stripe trigger` reports success even if none
// arrives.
func TestTrigger(t *testing.T) {
	t.Parallel()
	for group := range slices.Chunk(succeeding(), 17) {
		t.Run("from "+group[0].event, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t, "--all-snapshot", "--forward-to")
			for _, trigger := range group {
				c.triggers(trigger)
			}
		})
	}
}

// TestTriggersOfTestClocks runs the triggers that move a test clock. An event that the CLI forwards after its clock was moved is too old
// for a handler, so that these events are not forwarded.
func TestTriggersOfTestClocks(t *testing.T) {
	t.Parallel()
	for event, events := range testClocks {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			// Nobody pays the subscriptions of these triggers. The settings of the account say what becomes of them, as at Stripe.
			srv := checkouttest.NewServer(checkouttest.Config{
				Addr: "127.0.0.1:0", Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), DunningEnd: checkouttest.DunningLeavesPastDue,
			})
			t.Cleanup(srv.Close)
			require.Contains(t, (&cli{t: t, srv: srv}).run("trigger", event), "Trigger succeeded")
			var types []string
			for _, e := range srv.Events() {
				types = append(types, e.Type)
			}
			require.Equal(t, strings.Fields(events), types)
		})
	}
}

// triggers runs a trigger, and waits for its events.
func (c *cli) triggers(trigger trigger) {
	c.t.Helper()
	before := len(c.srv.Events())
	require.Contains(c.t, c.run("trigger", trigger.event), "Trigger succeeded", trigger.event)
	made := c.srv.Events()[before:]
	var types []string
	for _, e := range made {
		types = append(types, e.Type)
		c.arrives(e, 1)
		if e.Type == trigger.event && trigger.object != nil {
			require.Subset(c.t, c.event(e.ID).Data.Object, trigger.object)
		}
	}
	require.Equal(c.t, trigger.events, types, trigger.event)
}

// TestRefusedTriggers runs the triggers of what the server does not build. Its refusal says what that is.
func TestRefusedTriggers(t *testing.T) {
	t.Parallel()
	srv := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0"})
	t.Cleanup(srv.Close)
	for missing, events := range refused {
		t.Run(strings.ReplaceAll(missing, "/", "."), func(t *testing.T) {
			t.Parallel()
			c := &cli{t: t, srv: srv}
			for _, event := range strings.Fields(events) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				cmd := c.command(ctx, "trigger", event)
				var said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &said, &said
				require.Error(t, cmd.Run(), "%s: %s", event, &said)
				require.Contains(t, said.String(), missing, event)
			}
		})
	}
}

// Each trigger that the CLI has is in one of the tables.
func TestEveryTriggerIsTried(t *testing.T) {
	t.Parallel()
	srv := checkouttest.NewServer(checkouttest.Config{Addr: "127.0.0.1:0"})
	t.Cleanup(srv.Close)
	help := (&cli{t: t, srv: srv}).run("trigger", "--help")
	_, list, found := strings.Cut(help, "Supported events:\n")
	require.True(t, found, help)
	list, _, _ = strings.Cut(list, "\n\n")
	tried := []string{}
	for _, trigger := range succeeding() {
		tried = append(tried, trigger.event)
	}
	tried = slices.AppendSeq(tried, maps.Keys(testClocks))
	works := len(tried)
	for _, events := range refused {
		tried = append(tried, strings.Fields(events)...)
	}
	t.Logf("%d triggers succeed, %d are refused by name", works, len(tried)-works)
	slices.Sort(tried)
	require.Equal(t, regexp.MustCompile(`\S+`).FindAllString(list, -1), tried)
}
