package checkouttest_test

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// shirt are the parameters of a session that sells a T-shirt for 20.00 EUR, and those that a flow adds.
func shirt(more ...string) []string {
	return append([]string{
		"mode", "payment", "success_url", "https://shop.example/thanks", "line_items[0][quantity]", "1",
		"line_items[0][price_data][currency]", "eur", "line_items[0][price_data][unit_amount]", "2000",
		"line_items[0][price_data][product_data][name]", "T-shirt",
	}, more...)
}

// sessionMade is the step that begins the flows: the shop makes a session.
func sessionMade(params []string) flowStep {
	return flowStep{
		does: "The shop creates a session.", request: "POST /v1/checkout/sessions", params: params,
		answer:  "object=checkout.session status=open payment_status=unpaid amount_total=2000 payment_intent=null url=*",
		sources: []string{"session", "rec-session"},
	}
}

// paidSession are the first steps of a flow that begins with a payment by card.
func paidSession() []flowStep {
	return []flowStep{sessionMade(shirt()), {
		does: "The customer pays with 4242 4242 4242 4242.", act: pays(checkouttest.CardOK),
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=complete payment_status=paid payment_intent=*",
		events: []string{
			"charge.succeeded status=succeeded paid=true captured=true amount_captured=2000 balance_transaction=null",
			"payment_intent.succeeded status=succeeded amount_received=2000 capture_method=automatic_async",
			"payment_intent.created status=requires_payment_method",
			"checkout.session.completed status=complete payment_status=paid",
		},
		ordered: true,
		sources: []string{"testing", "fulfillment", "rec-charge", "listing-2025-10"},
	}, {
		does: "A few seconds pass: the capture is asynchronous.", act: passes(3 * time.Second),
		events:  []string{"charge.updated balance_transaction=* previous.balance_transaction=null"},
		sources: []string{"async-capture", "listing-2025-10"},
	}}
}

var disputed = flowStep{
	does: "The customer disputes the payment.",
	act: func(run *flowRun) {
		_, err := run.srv.Dispute(run.id("checkout.session"))
		require.NoError(run.t, err)
	},
	request: "GET /v1/disputes/{dispute}", answer: "object=dispute status=needs_response reason=fraudulent is_charge_refundable=false",
	events: []string{
		"charge.dispute.created status=needs_response reason=fraudulent is_charge_refundable=false",
		"charge.dispute.funds_withdrawn amount=2000",
	},
	sources: []string{"disputes", "rec-dispute"},
	differs: []difference{{"charge.updated is not expected", "The charge changes: disputed becomes true. No source says whether Stripe sends an event then."}},
}

// tenFlows are the flows of docs/test-stripe-flows.md.
var tenFlows = []flow{
	{"A payment by card", paidSession()},

	{"A declined card, then a good one", []flowStep{sessionMade(shirt()), {
		does: "The customer tries 4000 0000 0000 0002.",
		act: func(run *flowRun) {
			require.Error(run.t, run.srv.Pay(run.id("checkout.session"), checkouttest.CardDeclined))
		},
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=open payment_status=unpaid",
		events: []string{
			"charge.failed status=failed paid=false captured=false amount_captured=0 failure_code=card_declined balance_transaction=null",
			"payment_intent.created status=requires_payment_method",
			"payment_intent.payment_failed status=requires_payment_method last_payment_error.code=card_declined last_payment_error.decline_code=generic_decline",
		},
		ordered: true,
		sources: []string{"testing", "decline-codes", "rec-failed", "listing-decline"},
		differs: []difference{{"the order of the events", "The listings of one project have payment_intent.created second. The server sends it first: one project is little to go by."}},
	}, {
		does: "The customer pays with 4242 4242 4242 4242.", act: pays(checkouttest.CardOK),
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=complete payment_status=paid",
		events: []string{
			"charge.succeeded status=succeeded", "payment_intent.succeeded status=succeeded last_payment_error=null",
			"checkout.session.completed status=complete payment_status=paid",
		},
		sources: []string{"intents", "fulfillment"},
	}}},

	{"3-D Secure", []flowStep{sessionMade(shirt()), {
		does: "The customer pays with 4000 0000 0000 3220, and the bank asks for more.",
		act: func(run *flowRun) {
			v := visitor{run.t, run.srv}
			got := v.submit(v.get(run.srv.URL()+"/c/pay/"+run.id("checkout.session")), card(checkouttest.Card3DS))
			require.Contains(run.t, got.location, "/authenticate")
		},
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=open payment_status=unpaid",
		events: []string{
			"payment_intent.requires_action status=requires_action next_action.type=redirect_to_url latest_charge=null last_payment_error=null amount_received=0",
			"payment_intent.created status=requires_payment_method",
		},
		ordered: true,
		sources: []string{"testing", "intents", "rec-sca", "listing-redirect"},
		differs: []difference{{"payment_intent.requires_action next_action.type = use_stripe_sdk",
			"The recorded intent was confirmed with a return_url. The intent of a session has none: the hosted page runs the challenge itself."},
			{"the order of the events", "Two listings of one project have payment_intent.created second. They do not name the payment method."}},
	}, {
		does: "The customer authenticates.",
		act: func(run *flowRun) {
			v := visitor{run.t, run.srv}
			page := v.get(run.srv.URL() + "/c/pay/" + run.id("checkout.session") + "/authenticate")
			require.Equal(run.t, http.StatusSeeOther, v.submit(page, map[string][]string{"result": {"complete"}}).status)
		},
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=complete payment_status=paid",
		events: []string{
			"payment_intent.succeeded status=succeeded next_action=null amount_received=2000", "charge.succeeded status=succeeded paid=true",
			"checkout.session.completed status=complete payment_status=paid",
		},
		ordered: true,
		sources: []string{"intents", "fulfillment", "listing-redirect"},
		differs: []difference{{"the order of the events",
			"The same listings have payment_intent.succeeded before charge.succeeded. The server has the order of 1.2."}},
	}}},

	{"A bank debit that succeeds", []flowStep{sessionMade(shirt("payment_method_types[0]", "sepa_debit")), debitGiven, {
		does: "Days later the bank pays.",
		act:  func(run *flowRun) { require.NoError(run.t, run.srv.Settle(run.id("checkout.session"))) }, request: "GET /v1/checkout/sessions/{checkout.session}",
		answer: "status=complete payment_status=paid",
		events: []string{
			"charge.succeeded status=succeeded paid=true captured=true", "payment_intent.succeeded status=succeeded amount_received=2000",
			"checkout.session.async_payment_succeeded status=complete payment_status=paid",
		},
		sources: []string{"fulfillment", "types"},
	}}},

	{"A bank debit that fails", []flowStep{sessionMade(shirt("payment_method_types[0]", "sepa_debit")), debitGiven, {
		does: "Days later the bank refuses.",
		act:  func(run *flowRun) { require.NoError(run.t, run.srv.Bounce(run.id("checkout.session"))) }, request: "GET /v1/checkout/sessions/{checkout.session}",
		answer: "status=complete payment_status=unpaid",
		events: []string{
			"charge.failed status=failed paid=false", "payment_intent.payment_failed status=requires_payment_method last_payment_error=*",
			"checkout.session.async_payment_failed payment_status=unpaid",
		},
		sources: []string{"fulfillment", "intents", "types"},
	}}},

	{"A session that expires, and its recovery", []flowStep{sessionMade(shirt("after_expiration[recovery][enabled]", "true")), {
		does: "The shop expires the session.", request: "POST /v1/checkout/sessions/{checkout.session}/expire",
		answer:  "status=expired payment_status=unpaid url=null after_expiration.recovery.enabled=true after_expiration.recovery.url=* after_expiration.recovery.expires_at=*",
		events:  []string{"checkout.session.expired status=expired after_expiration.recovery.url=*"},
		ordered: true,
		sources: []string{"expire", "abandoned", "listing-expired"},
	}, {
		does: "The customer opens the recovery URL, which makes a new session.",
		act: func(run *flowRun) {
			recovered, err := run.srv.Recover(run.id("checkout.session"))
			require.NoError(run.t, err)
			run.ids["{checkout.session}"] = recovered
		},
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=open payment_status=unpaid recovered_from=* url=*",
		sources: []string{"abandoned", "session"},
	}}},

	{"A manual capture, in part", []flowStep{sessionMade(shirt("payment_intent_data[capture_method]", "manual")), {
		does: "The customer pays with 4242 4242 4242 4242. The card is only authorized.", act: pays(checkouttest.CardOK),
		request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=complete",
		events: []string{
			"charge.succeeded status=succeeded paid=true captured=false amount_captured=0 amount_refunded=0 balance_transaction=null",
			"payment_intent.amount_capturable_updated status=requires_capture amount_capturable=2000 amount_received=0 capture_method=manual latest_charge=*",
			"payment_intent.created status=requires_payment_method",
			"checkout.session.completed status=complete",
		},
		sources: []string{"hold", "types", "rec-capture"},
	}, {
		does: "The shop captures 15.00 EUR. The rest is released.", request: "POST /v1/payment_intents/{payment_intent}/capture",
		params: []string{"amount_to_capture", "1500"},
		answer: "object=payment_intent status=succeeded amount=2000 amount_received=1500 amount_capturable=0",
		events: []string{
			"charge.captured amount=2000 captured=true amount_captured=1500", "payment_intent.succeeded status=succeeded amount_received=1500",
		},
		sources: []string{"hold", "capture", "types"},
	}}},

	{"A refund in part, then of the rest", append(paidSession(), flowStep{
		does: "The shop refunds 5.00 EUR.", request: "POST /v1/refunds", params: []string{"payment_intent", "{payment_intent}", "amount", "500"},
		answer: "object=refund status=succeeded amount=500 reason=null destination_details.card.reference_status=pending balance_transaction=*",
		events: []string{
			"refund.created status=succeeded amount=500", "charge.refunded amount_refunded=500 refunded=false previous.amount_refunded=0",
		},
		ordered: true,
		sources: []string{"refunds", "rec-refunds", "listing-refund"},
	}, flowStep{
		does: "The card network gives the refund its reference.", act: passes(time.Second),
		request: "GET /v1/refunds/{refund}", answer: "status=succeeded destination_details.card.reference_status=available",
		events: []string{
			"refund.updated status=succeeded destination_details.card.reference=*", "charge.refund.updated status=succeeded",
		},
		ordered: true,
		sources: []string{"refunds", "listing-refund"},
	}, flowStep{
		does: "The shop refunds all that is left.", request: "POST /v1/refunds", params: []string{"payment_intent", "{payment_intent}"},
		answer: "object=refund status=succeeded amount=1500",
		events: []string{
			"refund.created status=succeeded amount=1500",
			"charge.refunded amount_refunded=2000 refunded=true previous.amount_refunded=500 previous.refunded=false",
		},
		ordered: true,
		sources: []string{"refunds", "rec-refunded", "listing-refund"},
	}, flowStep{
		does: "The shop refunds once more.", request: "POST /v1/refunds", params: []string{"payment_intent", "{payment_intent}"},
		status: http.StatusBadRequest, answer: "error.type=invalid_request_error error.code=charge_already_refunded error.message=*",
		sources: []string{"error-codes"},
	})},

	{"A dispute won, and one lost", append(append(paidSession(), disputed, flowStep{
		does: "The shop sends evidence that wins.", request: "POST /v1/disputes/{dispute}",
		params: []string{"evidence[uncategorized_text]", "winning_evidence"}, answer: "object=dispute",
		events: []string{
			"charge.dispute.updated status=under_review", "charge.dispute.funds_reinstated", "charge.dispute.closed status=won",
		},
		sources: []string{"test-evidence", "disputes", "types"},
	}), append(paidSession(), disputed, flowStep{
		does: "The shop sends evidence that loses.", request: "POST /v1/disputes/{dispute}",
		params: []string{"evidence[uncategorized_text]", "losing_evidence"}, answer: "object=dispute",
		events:  []string{"charge.dispute.updated status=under_review", "charge.dispute.closed status=lost"},
		sources: []string{"test-evidence", "disputes", "types"},
	})...)},

	{"A subscription", subscriptionSteps},
}

var debitGiven = flowStep{
	does: "The customer gives a bank account.", act: pays(checkouttest.BankDebit),
	request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=complete payment_status=unpaid",
	events: []string{
		"charge.pending status=pending paid=false captured=true amount_captured=2000 amount_refunded=0 balance_transaction=null",
		"payment_intent.processing status=processing amount_received=0 capture_method=automatic latest_charge=* last_payment_error=null",
		"payment_intent.created status=requires_payment_method",
		"checkout.session.completed status=complete payment_status=unpaid",
	},
	sources: []string{"fulfillment", "types", "rec-sepa"},
	differs: []difference{
		{"payment_intent.processing capture_method = automatic_async", "The recorded intent was made with API version 2023-10-16, whose default is automatic."},
	},
}

const noCustomerUpdated = "A new card in the portal becomes the customer's default: the notes of one project name customer.updated and " +
	"payment_method.attached, and not the subscription's event. The server changes the subscription's own method, which comes first in renewals."

var subscriptionSteps = []flowStep{{
	does: "The shop creates a session.", request: "POST /v1/checkout/sessions",
	params: []string{
		"mode", "subscription", "success_url", "https://shop.example/thanks", "line_items[0][quantity]", "1",
		"line_items[0][price_data][currency]", "eur", "line_items[0][price_data][unit_amount]", "2000",
		"line_items[0][price_data][recurring][interval]", "month", "line_items[0][price_data][product_data][name]", "Tea club",
	},
	answer:  "object=checkout.session status=open payment_status=unpaid amount_total=2000 subscription=null invoice=null payment_intent=null url=*",
	sources: []string{"session", "rec-sub-session"},
}, {
	does: "The customer pays with 4242 4242 4242 4242.", act: pays(checkouttest.CardOK),
	request: "GET /v1/checkout/sessions/{checkout.session}", answer: "status=complete payment_status=paid subscription=* invoice=* payment_intent=null",
	events: []string{
		"charge.succeeded status=succeeded", "payment_method.attached", "checkout.session.completed status=complete payment_status=paid", "customer.updated",
		"customer.subscription.created", "payment_intent.succeeded status=succeeded", "payment_intent.created", "invoice.created",
		"invoice.finalized", "invoice.paid status=paid billing_reason=subscription_create amount_paid=2000", "invoice.payment_succeeded status=paid",
		"invoice_payment.paid status=paid",
	},
	ordered: true,
	sources: []string{"subscriptions", "fulfillment", "partial", "listing-2025-10"},
	differs: []difference{{"customer.created is not expected", "In the listing the customer existed before. This session makes a customer."}},
}, {
	does: "The month ends.", act: func(run *flowRun) { run.srv.Advance(31 * day) },
	request: "GET /v1/subscriptions/{subscription}", answer: "object=subscription status=active",
	events: []string{
		"customer.subscription.updated status=active previous.items.data.0.current_period_end=*", "invoice.created status=draft billing_reason=subscription_cycle",
		"invoice.upcoming",
	},
	sources: []string{"subscriptions"},
	differs: []difference{
		{"invoice.upcoming is missing", "Stripe sends it days before a renewal; a setting of the account says how many. The server does not have it."},
	},
}, {
	does: "An hour later Stripe collects the invoice.", act: passes(time.Hour + 3*time.Second),
	request: "GET /v1/invoices/{invoice}", answer: "object=invoice status=paid amount_paid=2000 attempt_count=1",
	events: []string{
		"invoice.finalized status=open", "invoice.updated", "payment_intent.created", "charge.succeeded status=succeeded", "payment_intent.succeeded status=succeeded",
		"invoice.paid status=paid amount_paid=2000", "invoice.payment_succeeded status=paid", "invoice_payment.paid status=paid",
	},
	sources: []string{"subscriptions", "partial"},
}, {
	does: "The customer gives a card that will be declined.", act: givesMethod(checkouttest.CardDeclined),
	request: "GET /v1/subscriptions/{subscription}", answer: "status=active default_payment_method=*",
	events:  []string{"payment_method.attached", "customer.updated", "customer.subscription.updated status=active default_payment_method=* previous.default_payment_method=*"},
	sources: []string{"portal", "types", "listing-portal"},
	differs: []difference{{"customer.updated is missing", noCustomerUpdated}},
}, {
	does: "The next renewal fails.", act: func(run *flowRun) { require.NoError(run.t, run.srv.Renew(run.id("subscription"))) },
	request: "GET /v1/subscriptions/{subscription}", answer: "status=past_due",
	events: []string{
		"customer.subscription.updated status=active", "invoice.created status=draft billing_reason=subscription_cycle", "invoice.finalized status=open", "payment_intent.created",
		"charge.failed status=failed failure_code=card_declined", "payment_intent.payment_failed status=requires_payment_method",
		"invoice.payment_failed status=open attempt_count=1 next_payment_attempt=*", "invoice.updated",
		"customer.subscription.updated status=past_due previous.status=active",
	},
	sources: []string{"subscriptions", "retries"},
}, {
	does: "The customer gives a good card.", act: givesMethod(checkouttest.CardOK),
	request: "GET /v1/subscriptions/{subscription}", answer: "status=past_due default_payment_method=*",
	events:  []string{"payment_method.attached", "customer.updated", "customer.subscription.updated status=past_due default_payment_method=* previous.default_payment_method=*"},
	sources: []string{"portal", "types", "listing-portal"},
	differs: []difference{{"customer.updated is missing", noCustomerUpdated}},
}, {
	does: "The next try succeeds.", act: passes(3*day + 3*time.Second),
	request: "GET /v1/subscriptions/{subscription}", answer: "status=active",
	events: []string{
		"charge.succeeded status=succeeded", "payment_intent.succeeded status=succeeded", "invoice.paid status=paid attempt_count=2",
		"invoice.payment_succeeded status=paid", "invoice.updated", "invoice_payment.paid status=paid",
		"customer.subscription.updated status=active previous.status=past_due",
	},
	sources: []string{"subscriptions", "retries", "partial"},
}, {
	does: "The shop cancels at the end of the period.", request: "POST /v1/subscriptions/{subscription}", params: []string{"cancel_at_period_end", "true"},
	answer:  "status=active cancel_at_period_end=true canceled_at=* cancel_at=* ended_at=null",
	events:  []string{"customer.subscription.updated status=active cancel_at_period_end=true previous.cancel_at_period_end=false"},
	ordered: true,
	sources: []string{"sub-update", "portal", "listing-2025-10"},
}, {
	does: "The period ends.", act: func(run *flowRun) { run.srv.Advance(31 * day) },
	request: "GET /v1/subscriptions/{subscription}", answer: "status=canceled ended_at=* latest_invoice=*",
	events:  []string{"customer.subscription.deleted status=canceled ended_at=* canceled_at=* latest_invoice=*"},
	ordered: true,
	sources: []string{"subscriptions", "rec-sub-deleted", "listing-2025-10"},
}}
