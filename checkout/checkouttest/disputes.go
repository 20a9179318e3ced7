package checkouttest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// disputeOf is the dispute of a charge, or nil.
func (s *Server) disputeOf(ch object) object { return s.objects[ch.str("dispute")] }

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
func (s *Server) Dispute(sessionID string) (disputeID string, _ error) {
	err := s.change(sessionID, func(sess *session) error {
		d, err := s.dispute(s.latestCharge(sess), false)
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

// updateDispute takes evidence and metadata. Evidence is sent to the bank at once, unless submit is false.
// https://docs.stripe.com/api/disputes/update
func (s *Server) updateDispute(c *call) (object, *apiError) {
	d, err := s.openDispute(c)
	if err != nil {
		return nil, err
	}
	p := c.params
	meta, err := p.get("metadata").mergedInto(d["metadata"])
	if err != nil {
		return nil, err
	}
	sent := p.get("evidence")
	evidence := maps.Clone(d["evidence"].(object))
	if sent != nil {
		for name, v := range sent.fields {
			if !slices.Contains(evidenceFields, name) {
				return nil, notDone(v)
			}
			evidence[name] = v.value()
		}
	}
	was := maps.Clone(d)
	submit := p.get("submit") == nil || p.get("submit").bool()
	d["metadata"] = meta
	if sent != nil {
		details := maps.Clone(d["evidence_details"].(object))
		details["has_evidence"] = true
		if submit {
			details["submission_count"] = details["submission_count"].(int64) + 1
			if d["status"] = "under_review"; isInquiry(was) {
				d["status"] = "warning_under_review"
			}
		}
		d["evidence"], d["evidence_details"] = evidence, details
	}
	if len(previous(was, d)) > 0 {
		s.report("charge.dispute.updated", d, was, c)
	}
	if sent != nil && submit {
		switch evidence["uncategorized_text"] { // as https://docs.stripe.com/testing#evidence has it
		case "winning_evidence":
			s.closeDispute(d, "won", nil)
		case "losing_evidence":
			s.closeDispute(d, "lost", nil)
		}
	}
	return d, nil
}

// giveUpDispute accepts that a dispute is lost: https://docs.stripe.com/api/disputes/close. An inquiry is closed.
func (s *Server) giveUpDispute(c *call) (object, *apiError) {
	d, err := s.openDispute(c)
	if err != nil {
		return nil, err
	}
	outcome := "lost"
	if isInquiry(d) {
		outcome = "warning_closed"
	}
	s.closeDispute(d, outcome, c)
	return d, nil
}

func (s *Server) openDispute(c *call) (object, *apiError) {
	d, err := s.named(c, "dispute")
	if err == nil && disputeOver(d) {
		err = &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", message: "This dispute is already closed"}
	}
	return d, err
}
