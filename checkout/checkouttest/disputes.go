package checkouttest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// evidenceFor is how long a shop has to answer a dispute. Networks differ; Stripe shows the day in evidence_details[due_by].
	evidenceFor = 7 * 24 * time.Hour
	// disputeFee is what a dispute costs besides, in minor units of its currency, until it is won. Stripe's own fee depends on
	// the account's country: https://docs.stripe.com/disputes/how-disputes-work
	disputeFee = 1500
)

// evidenceFields are what a shop can give as evidence, all text or the ID of a file.
// https://docs.stripe.com/api/disputes/evidence_object
var evidenceFields = []string{
	"access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure", "cancellation_rebuttal",
	"customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
	"duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt",
	"refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "service_documentation",
	"shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
	"uncategorized_file", "uncategorized_text",
}

// Dispute has the customer dispute a session's payment as fraudulent, as far as it is not refunded, and takes the money
// back. It returns the dispute's ID. Like Pay, it waits for the deliveries. A payment is disputed once at most.
// Errors: ErrNoSession, ErrNotPaid, ErrOverRefund (nothing is left to dispute), ErrDisputed.
func (s *Server) Dispute(sessionID string) (disputeID string, _ error) { return s.disputeSession(sessionID, false) }

// Inquire has the customer's bank ask about a session's payment, which takes no money: a dispute whose status begins with
// "warning_". It returns the dispute's ID. Errors: those of Dispute.
func (s *Server) Inquire(sessionID string) (disputeID string, _ error) { return s.disputeSession(sessionID, true) }

func (s *Server) disputeSession(sessionID string, inquiry bool) (disputeID string, _ error) {
	err := s.change(sessionID, func(sess *session) error {
		d, err := s.dispute(s.latestCharge(sess), inquiry)
		disputeID = d.str("id")
		return err
	})
	return disputeID, err
}

// WinDispute decides a dispute for the shop, with or without evidence, and gives the money back; an inquiry is closed. Errors: ErrNoDispute,
// ErrNotPending.
func (s *Server) WinDispute(disputeID string) error { return s.decideDispute(disputeID, "won") }

// LoseDispute decides a dispute for the customer. Errors: ErrNoDispute, ErrNotPending.
func (s *Server) LoseDispute(disputeID string) error { return s.decideDispute(disputeID, "lost") }

func (s *Server) decideDispute(id, outcome string) error {
	return s.changeObject("dispute", id, ErrNoDispute, func(d object) error {
		if disputeOver(d) {
			return ErrNotPending
		}
		s.closeDispute(d, outcome, nil)
		return nil
	})
}

func disputeOver(d object) bool {
	return d["status"] == "won" || d["status"] == "lost" || d["status"] == "warning_closed"
}

// isInquiry says whether the bank only asks, and has not taken the money.
func isInquiry(d object) bool { return strings.HasPrefix(d.str("status"), "warning_") }

// dispute has the bank take the money back or, for an inquiry, ask first: https://docs.stripe.com/disputes/how-disputes-work#inquiries
func (s *Server) dispute(ch object, inquiry bool) (object, error) {
	if ch.str("dispute") != "" {
		return nil, ErrDisputed
	}
	left, err := s.refundable(ch)
	if err != nil {
		return nil, err
	}
	evidence := object{"enhanced_evidence": object{}}
	for _, name := range evidenceFields {
		evidence[name] = nil
	}
	billing := ch["billing_details"].(object)
	evidence["customer_email_address"], evidence["customer_name"] = billing["email"], billing["name"]
	details := ch["payment_method_details"].(object)
	method := object{"type": details["type"]}
	if details["type"] == "card" {
		method["card"] = object{"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"}
	}
	d := object{
		"id": s.newID("du_1", 23), "object": "dispute", "amount": left, "balance_transactions": []object{}, "charge": ch["id"],
		"created": s.Now().Unix(), "currency": ch["currency"], "enhanced_eligibility_types": []string{}, "evidence": evidence,
		"evidence_details": object{
			"due_by": s.Now().Add(evidenceFor).Unix(), "enhanced_eligibility": object{}, "has_evidence": false, "past_due": false, "submission_count": int64(0),
		},
		"is_charge_refundable": false, "livemode": false, "metadata": object{}, "payment_intent": ch["payment_intent"],
		"payment_method_details": method, "reason": "fraudulent", "status": "needs_response",
	}
	if inquiry {
		d["status"], d["is_charge_refundable"] = "warning_needs_response", true
		if card, ok := method["card"].(object); ok {
			d["payment_method_details"] = method.with(object{"card": card.with(object{"case_type": "inquiry"})})
		}
	}
	s.keep(s.ownerOf(ch), d)
	was := maps.Clone(ch)
	ch["dispute"], ch["disputed"] = d["id"], true
	s.report("charge.dispute.created", d, nil, nil)
	if !inquiry {
		s.moveDisputed(d, "charge.dispute.funds_withdrawn", "dispute", -left, disputeFee)
	}
	s.report("charge.updated", ch, was, nil)
	return d, nil
}

// moveDisputed books the disputed money out of the balance or back into it, and says so.
func (s *Server) moveDisputed(d object, event, category string, amount, fee int64) {
	was := maps.Clone(d)
	txn := s.newBalanceTransaction(category, "adjustment", d, amount, fee)
	s.keep(s.ownerOf(d), txn)
	d["balance_transactions"] = append(slices.Clone(d["balance_transactions"].([]object)), txn)
	s.report(event, d, was, nil)
}

// closeDispute ends a dispute. The money comes back before it is closed: https://docs.stripe.com/disputes/how-disputes-work
func (s *Server) closeDispute(d object, outcome string, c *call) {
	switch {
	case isInquiry(d) && outcome == "won":
		outcome = "warning_closed"
	case isInquiry(d) && outcome == "lost": // it becomes a dispute first
		d["is_charge_refundable"] = false
		s.moveDisputed(d, "charge.dispute.funds_withdrawn", "dispute", -d["amount"].(int64), disputeFee)
	case outcome == "won":
		s.moveDisputed(d, "charge.dispute.funds_reinstated", "dispute_reversal", d["amount"].(int64), -disputeFee)
	}
	was := maps.Clone(d)
	d["status"] = outcome
	s.report("charge.dispute.closed", d, was, c)
}
