package checkouttest

import (
	"errors"
	"maps"
	"net/http"
	"time"
)

// refundTakes is how long a refund is pending, and how long it takes one of CardRefundFails to fail. Stripe gives no figure.
const refundTakes = 24 * time.Hour

// Refund refunds a session's payment as the dashboard would: amount minor units, or what is left of it when amount is 0. It
// returns the refund's ID. Refunds of bank debits and of CardRefundPending are pending until a day has passed, or until
// SettleRefund or FailRefund. Like Pay, it waits for the deliveries. Errors: ErrNoSession, ErrNotPaid, ErrOverRefund, ErrDisputed.
func (s *Server) Refund(sessionID string, amount int64) (refundID string, _ error) {
	err := s.change(sessionID, func(sess *session) error {
		re, err := s.refund(s.latestCharge(sess), refundTerms{amount: amount}, nil)
		refundID = re.str("id")
		return err
	})
	return refundID, err
}

// SettleRefund lets a pending refund succeed. Errors: ErrNoRefund, ErrNotPending.
func (s *Server) SettleRefund(refundID string) error {
	return s.changeObject("refund", refundID, ErrNoRefund, func(re object) error {
		if re["status"] != "pending" {
			return ErrNotPending
		}
		s.settleRefund(re)
		return nil
	})
}

// FailRefund lets a refund fail that is pending or has succeeded: the money comes back to the shop.
// https://docs.stripe.com/refunds#failed-refunds. Errors: ErrNoRefund, ErrNotPending.
func (s *Server) FailRefund(refundID string) error {
	return s.changeObject("refund", refundID, ErrNoRefund, func(re object) error {
		if re["status"] == "failed" || re["status"] == "canceled" {
			return ErrNotPending
		}
		s.failRefund(re)
		return nil
	})
}

// refundTerms are what a refund is asked for with. An amount of 0 is all that is left.
type refundTerms struct {
	amount   int64
	reason   any
	metadata object
}

// refund refunds a charge. Nothing has changed if it returns an error.
func (s *Server) refund(ch object, terms refundTerms, c *call) (object, error) {
	left, err := s.refundable(ch)
	if err != nil {
		return nil, err
	}
	if terms.amount == 0 {
		terms.amount = left
	}
	if terms.amount > left {
		return nil, ErrOverRefund
	}
	method := ch["payment_method_details"].(object)
	card := cardOf(ch)
	re := object{
		"id": s.newID("re_3", 23), "object": "refund", "amount": terms.amount, "charge": ch["id"], "created": s.Now().Unix(),
		"currency": ch["currency"], "destination_details": refundDestination(method.str("type")), "metadata": terms.metadata,
		"payment_intent": ch["payment_intent"], "reason": terms.reason, "receipt_number": nil, "source_transfer_reversal": nil,
		"status": "succeeded", "transfer_reversal": nil, "balance_transaction": nil,
	}
	if terms.metadata == nil {
		re["metadata"] = object{}
	}
	owner := s.ownerOf(ch)
	txn := s.newBalanceTransaction("refund", "refund", re, -terms.amount, 0)
	re["balance_transaction"] = txn["id"]
	s.keep(owner, txn)
	s.keep(owner, re)
	later := func(status string, do func(re object)) {
		s.schedule(s.Now().Add(refundTakes), func() {
			if re["status"] == status {
				do(re)
			}
		})
	}
	switch {
	case method["type"] != "card" || card == CardRefundPending:
		re["status"], re["pending_reason"] = "pending", "processing"
		later("pending", s.settleRefund)
	case card == CardRefundFails:
		later("succeeded", s.failRefund)
	}
	s.report("refund.created", re, nil, c)
	was := maps.Clone(ch)
	refunded := ch["amount_refunded"].(int64) + terms.amount
	ch["amount_refunded"], ch["refunded"] = refunded, refunded == ch["amount_captured"]
	s.report("charge.refunded", ch, was, c)
	if d := s.disputeOf(ch); d != nil && isInquiry(d) && !disputeOver(d) && ch["refunded"] == true {
		s.closeDispute(d, "warning_closed", c) // what the bank asked about is settled
	}
	return re, nil
}

// refundable is how much of a charge can be refunded.
func (s *Server) refundable(ch object) (int64, error) {
	if ch["status"] != "succeeded" || ch["captured"] != true {
		return 0, ErrNotPaid
	}
	if d := s.disputeOf(ch); d != nil && d["status"] != "won" && d["status"] != "warning_closed" && d["is_charge_refundable"] != true {
		return 0, ErrDisputed
	}
	left := ch["amount_captured"].(int64) - ch["amount_refunded"].(int64)
	if left <= 0 {
		return 0, ErrOverRefund
	}
	return left, nil
}

func (s *Server) settleRefund(re object) {
	was := maps.Clone(re)
	re["status"] = "succeeded"
	delete(re, "pending_reason")
	s.reportRefund(re, was, nil)
}

func (s *Server) failRefund(re object) { s.undoRefund(re, "failed", "unknown", nil) }

// undoRefund ends a refund with the money back at the shop.
func (s *Server) undoRefund(re object, status, reason string, c *call) {
	was := maps.Clone(re)
	txn := s.newBalanceTransaction("refund_failure", "refund_failure", re, re["amount"].(int64), 0)
	s.keep(s.ownerOf(re), txn)
	re["status"], re["failure_reason"], re["failure_balance_transaction"] = status, reason, txn["id"]
	delete(re, "pending_reason")
	ch := s.objects[re.str("charge")]
	chargeWas := maps.Clone(ch)
	ch["amount_refunded"], ch["refunded"] = ch["amount_refunded"].(int64)-re["amount"].(int64), false
	s.reportRefund(re, was, c)
	if status == "failed" {
		s.report("refund.failed", re, was, c)
	}
	s.report("charge.updated", ch, chargeWas, c)
}

// reportRefund says that a refund has changed, under its new name and under its old one.
// https://docs.stripe.com/api/events/types#event_types-charge.refund.updated
func (s *Server) reportRefund(re, was object, c *call) {
	s.report("refund.updated", re, was, c)
	s.report("charge.refund.updated", re, was, c)
}

// refundDestination is where the money goes: https://docs.stripe.com/api/refunds/object#refund_object-destination_details
func refundDestination(methodType string) object {
	switch methodType {
	case "card":
		return object{"type": "card", "card": object{"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}}
	case "us_bank_account":
		return object{"type": "us_bank_transfer", "us_bank_transfer": object{"reference": nil, "reference_status": nil}}
	case "sepa_debit":
		return object{"type": "eu_bank_transfer", "eu_bank_transfer": object{"reference": nil, "reference_status": nil}}
	case "bacs_debit":
		return object{"type": "gb_bank_transfer", "gb_bank_transfer": object{"reference": nil, "reference_status": nil}}
	default:
		return object{"type": methodType, methodType: object{}}
	}
}

func (s *Server) createRefund(c *call) (object, *apiError) {
	p := c.params
	ch, err := s.refundedCharge(c)
	if err != nil {
		return nil, err
	}
	meta, err := p.get("metadata").metadata()
	if err != nil {
		return nil, err
	}
	amount := p.get("amount")
	if amount != nil && amount.int() < 1 {
		return nil, invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	}
	if err := oneOf(p.get("reason"), "duplicate", "fraudulent", "requested_by_customer"); err != nil {
		return nil, err
	}
	re, refused := s.refund(ch, refundTerms{amount: amount.int(), reason: p.get("reason").value(), metadata: meta}, c)
	if refused != nil {
		return nil, s.refundError(refused, ch, c, amount)
	}
	return re, nil
}

// refundedCharge is the charge that a refund is asked for: https://docs.stripe.com/api/refunds/create
func (s *Server) refundedCharge(c *call) (object, *apiError) {
	byCharge, byIntent := c.params.get("charge"), c.params.get("payment_intent")
	switch {
	case byCharge == nil && byIntent == nil:
		return nil, invalid("parameter_missing", "", "One of the following params should be provided for this request: payment_intent or charge.")
	case byIntent == nil:
		return s.given(c, "charge", byCharge)
	}
	pi, err := s.given(c, "payment_intent", byIntent)
	if err != nil {
		return nil, err
	}
	if byCharge != nil && pi["latest_charge"] != byCharge.str() {
		return nil, invalid("", "charge", "Charge %s does not belong to PaymentIntent %s.", byCharge.str(), pi.str("id"))
	}
	return s.objects[pi.str("latest_charge")], nil
}

// refundError is what Stripe answers to a refund that can't be. These are found by the call itself, so that an idempotency
// key remembers them.
func (s *Server) refundError(err error, ch object, c *call, amount *param) *apiError {
	e := &apiError{status: http.StatusBadRequest, typ: "invalid_request_error"}
	switch {
	case errors.Is(err, ErrDisputed):
		e.code, e.message = "charge_disputed", "Charge "+ch.str("id")+" has been charged back; cannot issue a refund."
	case errors.Is(err, ErrNotPaid):
		intent := c.params.get("payment_intent").str()
		if intent == "" {
			intent = ch.str("payment_intent")
		}
		e.message = "This PaymentIntent (" + intent + ") does not have a successful charge to refund."
	case ch["refunded"] == true || ch["amount_refunded"] == ch["amount_captured"]:
		e.code, e.message = "charge_already_refunded", "Charge "+ch.str("id")+" has already been refunded."
	default:
		currency := ch.str("currency")
		left := ch["amount_captured"].(int64) - ch["amount_refunded"].(int64)
		e.param = "amount"
		e.message = "Refund amount (" + money(amount.int(), currency) + ") is greater than unrefunded amount on charge (" + money(left, currency) + ")"
	}
	return e
}

// cancelRefund takes a pending refund back. Stripe does so only to those that wait for the customer (requires_action), which
// none does here; pending ones stand for them, as the dashboard cancels them. https://docs.stripe.com/api/refunds/cancel
func (s *Server) cancelRefund(c *call) (object, *apiError) {
	re, err := s.named(c, "refund")
	if err != nil {
		return nil, err
	}
	if re["status"] != "pending" {
		return nil, &apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error",
			message: "You cannot cancel this refund because it has a status of " + re.str("status") + ".",
		}
	}
	s.undoRefund(re, "canceled", "merchant_request", c)
	return re, nil
}

func (s *Server) updateRefund(c *call) (object, *apiError) {
	re, err := s.named(c, "refund")
	if err != nil {
		return nil, err
	}
	meta, err := c.params.get("metadata").mergedInto(re["metadata"])
	if err != nil {
		return nil, err
	}
	was := maps.Clone(re)
	re["metadata"] = meta
	if len(previous(was, re)) > 0 {
		s.reportRefund(re, was, c)
	}
	return re, nil
}
