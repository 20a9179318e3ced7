package checkouttest

import (
	"errors"
	"maps"
	"net/http"
)

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
