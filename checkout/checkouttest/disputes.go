package checkouttest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// disputeOf returns the latest dispute of a charge, or nil.
func (s *Server) disputeOf(ch object) object { return s.objects[ch.str("dispute")] }

// disputesOf returns all disputes of a charge. A card that is disputed several times makes more than one.
func (s *Server) disputesOf(ch object) []object {
	var found []object
	for _, d := range s.byKind["dispute"] {
		if d["charge"] == ch["id"] {
			found = append(found, d)
		}
	}
	return found
}

const (
	// evidenceFor is the time that a shop has to answer a dispute. Card networks differ; Stripe shows the day in
	// evidence_details[due_by].
	evidenceFor = 7 * 24 * time.Hour
	// disputeFee is the fee of a dispute, in minor units of its currency. The shop gets the fee back if it wins. Stripe's
	// own fee depends on the account's country: https://docs.stripe.com/disputes/how-disputes-work
	disputeFee = 1500
)

// evidenceFields are the fields of a shop's evidence. Each holds text or the ID of a file.
// https://docs.stripe.com/api/disputes/evidence_object
var evidenceFields = []string{
	"access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure", "cancellation_rebuttal",
	"customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
	"duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt",
	"refund_policy", "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "service_documentation",
	"shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
	"uncategorized_file", "uncategorized_text",
}

// Dispute lets the customer dispute a session's payment as fraudulent; of a subscription, the latest payment. The bank takes back all
// that is not refunded. Dispute returns the dispute's ID, and waits for the deliveries, like Pay. A payment can be disputed only once. Errors:
// ErrNoSession, ErrNotPaid, ErrOverRefund (nothing is left to dispute), ErrDisputed.
func (s *Server) Dispute(sessionID string) (disputeID string, _ error) {
	return s.disputeSession(sessionID, false)
}

// Inquire lets the customer's bank ask about a session's payment, which takes no money. The inquiry is a dispute whose
// status begins with "warning_". Inquire returns its ID, and waits for the deliveries, like Pay. Errors: those of Dispute.
func (s *Server) Inquire(sessionID string) (disputeID string, _ error) {
	return s.disputeSession(sessionID, true)
}

func (s *Server) disputeSession(sessionID string, inquiry bool) (disputeID string, _ error) {
	err := s.changeSession(sessionID, func(sess *session) error {
		d, err := s.dispute(s.latestCharge(sess), disputeTerms{reason: "fraudulent", inquiry: inquiry})
		disputeID = d.str("id")
		return err
	})
	return disputeID, err
}

// WinDispute decides a dispute for the shop, with or without evidence, and gives the money back. It closes an inquiry.
// Errors: ErrNoDispute, ErrNotPending.
func (s *Server) WinDispute(disputeID string) error { return s.decideDispute(disputeID, "won") }

// LoseDispute decides a dispute for the customer. An inquiry becomes a dispute first. Errors: ErrNoDispute, ErrNotPending.
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

// isInquiry reports whether the bank only asks about the payment, and has not taken the money.
func isInquiry(d object) bool { return strings.HasPrefix(d.str("status"), "warning_") }

// dispute lets the bank take back all that is left of a payment. An inquiry only asks first:
// https://docs.stripe.com/disputes/how-disputes-work#inquiries
func (s *Server) dispute(ch object, terms disputeTerms) (object, error) {
	if ch.str("dispute") != "" {
		return nil, ErrDisputed
	}
	left, err := s.refundable(ch)
	if err != nil {
		return nil, err
	}
	return s.newDispute(ch, terms, left), nil
}

// disputeAs opens several disputes of a payment that was just captured. They share its amount.
func (s *Server) disputeAs(ch object, all []disputeTerms) {
	left := ch["amount_captured"].(int64)
	for i, terms := range all {
		amount := left / int64(len(all)-i)
		left -= amount
		s.newDispute(ch, terms, amount)
	}
}

// newDispute opens a dispute of a payment for an amount.
func (s *Server) newDispute(ch object, terms disputeTerms, amount int64) object {
	evidence := object{"enhanced_evidence": object{}}
	for _, name := range evidenceFields {
		evidence[name] = nil
	}
	billing := ch["billing_details"].(object)
	evidence["customer_email_address"], evidence["customer_name"] = billing["email"], billing["name"]
	details := ch["payment_method_details"].(object)
	method := object{"type": details["type"]}
	if details["type"] == "card" {
		method["card"] = object{"brand": details["card"].(object)["brand"], "case_type": "chargeback", "network_reason_code": "10.4"}
	}
	d := object{
		"id": s.newID("du_1", 23), "object": "dispute", "amount": amount, "balance_transactions": []object{}, "charge": ch["id"],
		"created": s.Now().Unix(), "currency": ch["currency"], "enhanced_eligibility_types": []string{}, "evidence": evidence,
		"evidence_details": object{
			"due_by": s.Now().Add(evidenceFor).Unix(), "enhanced_eligibility": object{}, "has_evidence": false, "past_due": false, "submission_count": int64(0),
		},
		"is_charge_refundable": false, "livemode": false, "metadata": object{}, "payment_intent": ch["payment_intent"],
		"payment_method_details": method, "reason": terms.reason, "status": "needs_response",
	}
	if terms.inquiry {
		d["status"], d["is_charge_refundable"] = "warning_needs_response", true
		if card, ok := method["card"].(object); ok {
			d["payment_method_details"] = method.with(object{"card": card.with(object{"case_type": "inquiry"})})
		}
	}
	s.keep(s.ownerOf(ch), d)
	was := maps.Clone(ch)
	ch["dispute"], ch["disputed"] = d["id"], true
	s.emitChange("charge.dispute.created", d, nil, nil)
	if !terms.inquiry {
		s.moveDisputedMoney(d, "charge.dispute.funds_withdrawn", "dispute", -amount, disputeFee)
	}
	s.emitChange("charge.updated", ch, was, nil)
	s.settleWarnings(ch)
	return d
}

// moveDisputedMoney takes the disputed money out of the balance, or puts it back, and emits an event.
func (s *Server) moveDisputedMoney(d object, event, category string, amount, fee int64) {
	was := maps.Clone(d)
	txn := s.newBalanceTransaction(category, "adjustment", d, amount, fee)
	s.keep(s.ownerOf(d), txn)
	d["balance_transactions"] = append(slices.Clone(d["balance_transactions"].([]object)), txn)
	s.emitChange(event, d, was, nil)
}

// closeDispute ends a dispute. The money comes back before the dispute is closed:
// https://docs.stripe.com/disputes/how-disputes-work
func (s *Server) closeDispute(d object, outcome string, c *call) {
	switch {
	case isInquiry(d) && outcome == "won":
		outcome = "warning_closed"
	case isInquiry(d) && outcome == "lost": // the inquiry becomes a dispute first
		d["is_charge_refundable"] = false
		s.moveDisputedMoney(d, "charge.dispute.funds_withdrawn", "dispute", -d["amount"].(int64), disputeFee)
	case outcome == "won":
		s.moveDisputedMoney(d, "charge.dispute.funds_reinstated", "dispute_reversal", d["amount"].(int64), -disputeFee)
	}
	was := maps.Clone(d)
	d["status"] = outcome
	s.emitChange("charge.dispute.closed", d, was, c)
}

// escalate makes a dispute of an inquiry: the bank takes the money back.
func (s *Server) escalate(d object) {
	if !isInquiry(d) {
		return
	}
	d["is_charge_refundable"] = false
	s.moveDisputedMoney(d, "charge.dispute.funds_withdrawn", "dispute", -d["amount"].(int64), disputeFee)
	was := maps.Clone(d)
	d["status"] = "needs_response"
	s.emitChange("charge.dispute.updated", d, was, nil)
}

// updateDispute takes evidence and metadata. It sends evidence to the bank at once, unless submit is false.
// https://docs.stripe.com/api/disputes/update
func (s *Server) updateDispute(c *call) (object, *apiError) {
	d, err := s.openDispute(c)
	if err != nil {
		return nil, err
	}
	p := c.params
	meta, err := mergeMetadata(d["metadata"], p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	sent := p.Get("evidence")
	evidence := maps.Clone(d["evidence"].(object))
	if sent != nil {
		for name, v := range sent.Fields {
			if !slices.Contains(evidenceFields, name) {
				return nil, unsupported(v)
			}
			evidence[name] = value(v)
		}
	}
	was := maps.Clone(d)
	submit := p.Get("submit") == nil || p.Get("submit").Bool()
	d["metadata"] = meta
	if sent != nil {
		details := maps.Clone(d["evidence_details"].(object))
		details["has_evidence"] = true
		if submit {
			details["submission_count"] = details["submission_count"].(int64) + 1
			d["status"] = "under_review"
			if isInquiry(was) {
				d["status"] = "warning_under_review"
			}
		}
		d["evidence"], d["evidence_details"] = evidence, details
	}
	if len(previous(was, d)) > 0 {
		s.emitChange("charge.dispute.updated", d, was, c)
	}
	if sent != nil && submit {
		switch evidence["uncategorized_text"] { // https://docs.stripe.com/testing#evidence
		case "winning_evidence":
			s.closeDispute(d, "won", nil)
		case "losing_evidence":
			outcome := "lost"
			if isInquiry(d) {
				outcome = "warning_closed" // the inquiry ends without a dispute
			}
			s.closeDispute(d, outcome, nil)
		case "escalate_inquiry_evidence":
			s.escalate(d)
		}
	}
	return d, nil
}

// closeDisputeAsLost accepts that a dispute is lost: https://docs.stripe.com/api/disputes/close. It closes an inquiry.
func (s *Server) closeDisputeAsLost(c *call) (object, *apiError) {
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

// openDispute returns the dispute that the path names, unless it is closed.
func (s *Server) openDispute(c *call) (object, *apiError) {
	d, err := s.objectInPath(c, "dispute")
	if err == nil && disputeOver(d) {
		err = &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", message: "This dispute is already closed"}
	}
	return d, err
}
