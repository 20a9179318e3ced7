package checkouttest

import (
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// refundTakes is the time for which a refund is pending, and the time after which a refund of CardRefundFails fails. Stripe
// publishes no figure.
const refundTakes = 24 * time.Hour

// Refund refunds a session's payment, as the dashboard would; of a subscription, the latest payment. amount is in minor units; 0 refunds
// all that is left of the payment. Refund returns the refund's ID, and waits for the deliveries, like Pay. Refunds of bank debits and of
// CardRefundPending are pending for a day, or until SettleRefund or FailRefund. Errors: ErrNoSession, ErrNotPaid,
// ErrOverRefund, ErrDisputed.
func (s *Server) Refund(sessionID string, amount int64) (refundID string, _ error) {
	err := s.changeSession(sessionID, func(sess *session) error {
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

// FailRefund lets a refund fail that is pending or has succeeded. The money comes back to the shop:
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

// refundTerms say what to refund. Amount 0 stands for all that is left.
type refundTerms struct {
	amount   int64
	reason   any
	metadata object
}

// refund refunds a charge. If it returns an error, it has changed nothing.
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
	destination := method.str("type")
	if destination == customerBalance {
		destination = transferTypes[ch.str("currency")]
	}
	card := cardOf(ch)
	re := object{
		"id": s.newID("re_3", 23), "object": "refund", "amount": terms.amount, "charge": ch["id"], "created": s.Now().Unix(),
		"currency": ch["currency"], "destination_details": refundDestination(destination), "metadata": terms.metadata,
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
	case method["type"] != "card" || card.refundsPending:
		re["status"], re["pending_reason"] = "pending", "processing"
		later("pending", s.settleRefund)
	case card.refundsFail:
		later("succeeded", s.failRefund)
	}
	if method["type"] == "card" && re["status"] == "succeeded" {
		s.schedule(s.Now().Add(referenceAfter), func() {
			if re["status"] == "succeeded" {
				s.referTo(re)
			}
		})
	}
	s.emitChange("refund.created", re, nil, c)
	was := maps.Clone(ch)
	refunded := ch["amount_refunded"].(int64) + terms.amount
	ch["amount_refunded"], ch["refunded"] = refunded, refunded == ch["amount_captured"]
	s.emitChange("charge.refunded", ch, was, c)
	if d := s.disputeOf(ch); d != nil && isInquiry(d) && !disputeOver(d) && ch["refunded"] == true {
		s.closeDispute(d, "warning_closed", c) // the refund answers the bank's question
	}
	if ch["refunded"] == true {
		s.settleWarnings(ch)
	}
	return re, nil
}

// referenceAfter is the time after which the card network has given a refund its reference.
const referenceAfter = time.Second

// referTo gives a refund the reference by which the customer's bank finds it. The refund changes by it, but its status does
// not. https://docs.stripe.com/refunds#tracing-refunds
func (s *Server) referTo(re object) {
	was := maps.Clone(re)
	re["destination_details"] = object{"type": "card", "card": object{
		"reference": s.newID("", 23), "reference_status": "available", "reference_type": "acquirer_reference_number", "type": "refund",
	}}
	s.emitRefundUpdated(re, was, nil)
}

// refundable returns the amount of a charge that can still be refunded.
func (s *Server) refundable(ch object) (int64, error) {
	if ch["status"] != "succeeded" || ch["captured"] != true {
		return 0, ErrNotPaid
	}
	for _, d := range s.disputesOf(ch) {
		if d["status"] != "won" && d["status"] != "warning_closed" && d["is_charge_refundable"] != true {
			return 0, ErrDisputed
		}
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
	s.emitRefundUpdated(re, was, nil)
}

func (s *Server) failRefund(re object) {
	reason := "unknown"
	if card := cardOf(s.objects[re.str("charge")]); card != nil && card.refundsFail {
		reason = "expired_or_canceled_card"
	}
	s.undoRefund(re, "failed", reason, nil)
}

// undoRefund ends a refund and brings the money back to the shop.
func (s *Server) undoRefund(re object, status, reason string, c *call) {
	was := maps.Clone(re)
	txn := s.newBalanceTransaction("refund_failure", "refund_failure", re, re["amount"].(int64), 0)
	s.keep(s.ownerOf(re), txn)
	re["status"], re["failure_reason"], re["failure_balance_transaction"] = status, reason, txn["id"]
	delete(re, "pending_reason")
	ch := s.objects[re.str("charge")]
	chargeWas := maps.Clone(ch)
	ch["amount_refunded"], ch["refunded"] = ch["amount_refunded"].(int64)-re["amount"].(int64), false
	s.emitRefundUpdated(re, was, c)
	if status == "failed" {
		s.emitChange("refund.failed", re, was, c)
	}
	s.emitChange("charge.updated", ch, chargeWas, c)
}

// emitRefundUpdated emits the event of a changed refund, under its new name and under its old one.
// https://docs.stripe.com/api/events/types#event_types-charge.refund.updated
func (s *Server) emitRefundUpdated(re, was object, c *call) {
	s.emitChange("refund.updated", re, was, c)
	s.emitChange("charge.refund.updated", re, was, c)
}

// refundDestination shows where the money of a refund goes:
// https://docs.stripe.com/api/refunds/object#refund_object-destination_details
func refundDestination(methodType string) object {
	switch methodType {
	case "card":
		return object{"type": "card", "card": object{"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}}
	case "us_bank_account", "us_bank_transfer":
		return object{"type": "us_bank_transfer", "us_bank_transfer": object{"reference": nil, "reference_status": nil}}
	case "sepa_debit", "eu_bank_transfer":
		return object{"type": "eu_bank_transfer", "eu_bank_transfer": object{"reference": nil, "reference_status": nil}}
	case "bacs_debit", "gb_bank_transfer":
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
	meta, err := metadataOf(p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	amount := p.Get("amount")
	if amount != nil && amount.Int() < 1 {
		return nil, invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	}
	if err := oneOf(p.Get("reason"), "duplicate", "fraudulent", "requested_by_customer"); err != nil {
		return nil, err
	}
	re, refused := s.refund(ch, refundTerms{amount: amount.Int(), reason: value(p.Get("reason")), metadata: meta}, c)
	if refused != nil {
		return nil, s.refundError(refused, ch, c, amount)
	}
	return re, nil
}

// refundedCharge returns the charge that a request wants to refund: https://docs.stripe.com/api/refunds/create
func (s *Server) refundedCharge(c *call) (object, *apiError) {
	byCharge, byIntent := c.params.Get("charge"), c.params.Get("payment_intent")
	switch {
	case byCharge == nil && byIntent == nil:
		return nil, invalid("parameter_missing", "", "One of the following params should be provided for this request: payment_intent or charge.")
	case byIntent == nil:
		return s.objectInParam(c, "charge", byCharge)
	}
	pi, err := s.objectInParam(c, "payment_intent", byIntent)
	if err != nil {
		return nil, err
	}
	if byCharge != nil && pi["latest_charge"] != byCharge.String() {
		return nil, invalid("", "charge", "Charge %s does not belong to PaymentIntent %s.", byCharge.String(), pi.str("id"))
	}
	return s.objects[pi.str("latest_charge")], nil
}

// refundError returns Stripe's answer to a refund that is impossible. The call itself finds these errors, so idempotency
// keys remember them.
func (s *Server) refundError(err error, ch object, c *call, amount *formparams.Param) *apiError {
	e := &apiError{status: http.StatusBadRequest, typ: "invalid_request_error"}
	switch {
	case errors.Is(err, ErrDisputed):
		e.code, e.message = "charge_disputed", "Charge "+ch.str("id")+" has been charged back; cannot issue a refund."
	case errors.Is(err, ErrNotPaid):
		intent := c.params.Get("payment_intent").String()
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
		e.message = "Refund amount (" + money(amount.Int(), currency) + ") is greater than unrefunded amount on charge (" + money(left, currency) + ")"
	}
	return e
}

// cancelRefund takes a pending refund back. Stripe cancels over the API only refunds that wait for the customer
// (requires_action), which this server has none of. Pending refunds stand in for them, as the dashboard can cancel those.
// https://docs.stripe.com/api/refunds/cancel
func (s *Server) cancelRefund(c *call) (object, *apiError) {
	re, err := s.objectInPath(c, "refund")
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
	re, err := s.objectInPath(c, "refund")
	if err != nil {
		return nil, err
	}
	meta, err := mergeMetadata(re["metadata"], c.params.Get("metadata"))
	if err != nil {
		return nil, err
	}
	was := maps.Clone(re)
	re["metadata"] = meta
	if len(previous(was, re)) > 0 {
		s.emitRefundUpdated(re, was, c)
	}
	return re, nil
}
