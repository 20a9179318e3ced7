package checkouttest

import (
	"maps"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// charge makes the charge of an attempt to pay. It emits no event for a failed charge; failCharge does.
func (s *Server) charge(sess *session, status string) object {
	pi := s.objects[sess.pi]
	if pi == nil {
		return nil
	}
	captured := status == "succeeded" && pi["capture_method"] != "manual"
	card := sess.method.card()
	id := s.newID("ch_3", 23)
	o := object{
		"id": id, "object": "charge", "created": s.Now().Unix(), "livemode": false, "status": status, "paid": status == "succeeded",
		"captured": false, "amount": pi["amount"], "amount_captured": int64(0), "amount_refunded": int64(0), "currency": pi["currency"],
		"payment_intent": pi["id"], "metadata": pi["metadata"],

		"application": nil, "application_fee": nil, "application_fee_amount": pi["application_fee_amount"], "balance_transaction": nil,
		"billing_details": object{
			"address": sess.buyer.Address.shown(), "email": orNull(sess.buyer.Email), "name": orNull(sess.buyer.Name), "phone": nil, "tax_id": nil,
		},
		"calculated_statement_descriptor": statement(s.shopName), "customer": pi["customer"], "description": pi["description"], "destination": nil,
		"dispute": nil, "disputed": false, "failure_balance_transaction": nil, "failure_code": nil, "failure_message": nil,
		"fraud_details": object{}, "on_behalf_of": pi["on_behalf_of"], "order": nil,
		"outcome":        card.outcome(nil),
		"payment_method": s.chargedMethod(sess, pi), "payment_method_details": sess.methodDetails(pi["amount"], s.objects[sess.methodID]), "radar_options": object{},
		"receipt_email": pi["receipt_email"], "receipt_number": nil, "receipt_url": nil, "refunded": false, "review": nil,
		"shipping": pi["shipping"], "source": nil, "source_transfer": nil, "statement_descriptor": pi["statement_descriptor"],
		"statement_descriptor_suffix": pi["statement_descriptor_suffix"], "transfer_data": pi["transfer_data"], "transfer_group": pi["transfer_group"],
	}
	if details := o["payment_method_details"].(object); details["type"] == "card" && pi["capture_method"] == "manual" && status == "succeeded" {
		held := object{"capture_before": s.Now().Add(authorizedFor).Unix()}
		o["payment_method_details"] = details.with(object{"card": details["card"].(object).with(held)})
	}
	if local := pi["presentment_details"]; local != nil {
		o["presentment_details"] = local
	}
	if status == "succeeded" {
		s.giveReceipt(o)
	}
	s.keep(sess, o)
	if status == "pending" {
		// Only a charge that was created without capturing is captured later: https://docs.stripe.com/api/charges/object#charge_object-captured
		o["captured"], o["amount_captured"] = true, pi["amount"]
	}
	if captured {
		s.capture(sess, o, pi["capture_method"] == "automatic_async")
	}
	pi["latest_charge"], pi["payment_method"] = id, o["payment_method"]
	if status != "failed" {
		s.emit(sess, "charge."+status, o, nil)
	}
	return o
}

// chargedMethod returns the ID of the payment method of a new charge. That of a bank transfer was made when the payment began to wait.
func (s *Server) chargedMethod(sess *session, pi object) string {
	switch {
	case sess.methodID != "":
		s.use(s.objects[sess.methodID])
		return sess.methodID
	case sess.method == BankTransfer:
		return pi.str("payment_method")
	}
	return s.newID("pm_1", 23)
}

// statement writes a name as a bank's statement does: https://docs.stripe.com/get-started/account/statement-descriptors
func statement(name string) string {
	upper := []rune(strings.ToUpper(name))
	return string(upper[:min(len(upper), 22)])
}

// updateCharge changes the texts of a charge: https://docs.stripe.com/api/charges/update
func (s *Server) updateCharge(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "charge")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "description", "expand", "fraud_details", "metadata", "receipt_email", "shipping", "transfer_group"); err != nil {
		return nil, err
	}
	report := c.params.Get("fraud_details", "user_report")
	if err := oneOf(report, "fraudulent", "safe"); err != nil {
		return nil, err
	}
	return o, s.update(c, o, "charge.updated", func(o object, p *formparams.Param) *apiError {
		o.set(p, "description", "receipt_email", "transfer_group")
		o.setShipping(p)
		if report != nil {
			o["fraud_details"] = o["fraud_details"].(object).with(object{"user_report": report.String()})
		}
		return o.setMetadata(p)
	})
}

// setShipping copies the parameter `shipping` of a charge or a payment intent.
func (o object) setShipping(p *formparams.Param) {
	if sh := p.Get("shipping"); sh != nil {
		o["shipping"] = object{
			"address": addressOf(sh.Get("address")), "carrier": value(sh.Get("carrier")), "name": value(sh.Get("name")), "phone": value(sh.Get("phone")),
			"tracking_number": value(sh.Get("tracking_number")),
		}
	}
}

// failCharge fills in the reason why a charge failed, and emits an event. It does nothing for a nil charge, which is that
// of a payment without one.
func (s *Server) failCharge(sess *session, ch object, e *PaymentError) {
	if ch == nil {
		return
	}
	card := cardOf(ch)
	ch["status"], ch["paid"], ch["failure_code"], ch["failure_message"] = "failed", false, e.Code, e.Message
	ch["captured"], ch["amount_captured"] = false, int64(0) // as in recorded charges of cards that were declined
	ch["outcome"] = card.outcome(e)
	if card != nil && card.blocked {
		ch["fraud_details"] = object{"stripe_report": "fraudulent"}
	}
	s.emit(sess, "charge.failed", ch, nil)
}

func (s *Server) latestCharge(sess *session) object {
	return s.objects[s.objects[sess.pi].str("latest_charge")]
}

// chargeBy returns the charge that was made with a payment method, or nil.
func (s *Server) chargeBy(method string) object {
	made := s.naming["charge/"+method]
	if len(made) == 0 {
		return nil
	}
	return made[len(made)-1]
}

// chargeFails records an attempt to pay that was declined. The session stays open.
func (s *Server) chargeFails(sess *session, e *PaymentError) {
	ch := s.charge(sess, "failed")
	s.failCharge(sess, ch, e)
	s.refuse(sess, e, ch)
}

// refuse takes the payment intent back to the state in which the customer can try another method.
func (s *Server) refuse(sess *session, e *PaymentError, ch object) {
	method := sess.method
	sess.method = ""
	s.changeIntent(sess, "payment_intent.payment_failed", object{
		"status": "requires_payment_method", "next_action": nil, "payment_method": nil, "last_payment_error": s.paymentErrorObject(e, method, ch),
	})
}

// paymentErrorObject shows an error as last_payment_error does.
func (s *Server) paymentErrorObject(e *PaymentError, method PaymentMethod, ch object) object {
	o := object{
		"code": e.Code, "doc_url": "https://stripe.com/docs/error-codes/" + dashed(e.Code), "message": e.Message, "type": "card_error",
	}
	if e.DeclineCode != "" {
		o["decline_code"] = e.DeclineCode
	}
	if e.AdviceCode != "" {
		o["advice_code"] = e.AdviceCode
	}
	if method == BankDebit || e == authenticationFailed {
		o["type"] = "invalid_request_error"
	}
	if ch != nil {
		o["charge"] = ch["id"]
		o["payment_method"] = maps.Clone(s.lookUp(ch.str("payment_method"))) // as it is now
	}
	return o
}

// methodDetails shows the method of the payment in progress as a charge does. stored is the payment method's object, or nil.
func (sess *session) methodDetails(amount any, stored object) object {
	t := sess.methodType(sess.method)
	switch t {
	case "card":
	case customerBalance:
		return object{"type": t, t: object{}}
	default:
		return object{"type": t, t: debitDetails()}
	}
	card := sess.method.card().shown(sess.buyer.Address.shown())
	if of, ok := stored["card"].(object); ok {
		card["exp_month"], card["exp_year"] = of["exp_month"], of["exp_year"]
	}
	return object{"type": "card", "card": card.with(object{
		"amount_authorized": amount, "authorization_code": nil, "extended_authorization": object{"status": "disabled"},
		"incremental_authorization": object{"status": "unavailable"}, "installments": nil, "mandate": nil, "multicapture": object{"status": "unavailable"},
		"network": card["brand"], "network_token": object{"used": false}, "network_transaction_id": nil,
		"overcapture":      object{"maximum_amount_capturable": amount, "status": "unavailable"},
		"regulated_status": "unregulated", "three_d_secure": nil,
	})}
}

// methodType returns the API's name for the type of a payment method.
func (sess *session) methodType(m PaymentMethod) string {
	switch m {
	case BankDebit:
	case BankTransfer:
		return customerBalance
	default:
		return "card"
	}
	types, _ := sess.object["payment_method_types"].([]string)
	i := slices.IndexFunc(types, func(t string) bool { return slices.Contains(debits, t) })
	if i < 0 { // ReplaceMethod gave a subscription a debit that its session did not offer
		return debitType(sess.str("currency"))
	}
	return types[i]
}

// cardOf returns the test card that a charge was paid with, or nil if it was not paid by card.
func cardOf(ch object) *testCard {
	card, isCard := ch["payment_method_details"].(object)["card"].(object)
	if !isCard {
		return nil
	}
	return cardByFingerprint(card.str("fingerprint"))
}

// riskScores are the scores that stand for the levels of risk: https://docs.stripe.com/radar/risk-evaluation
var riskScores = map[string]int64{"normal": 17, "elevated": 66, "highest": 92}

// outcome shows what the bank, or Stripe, said of a charge: https://docs.stripe.com/api/charges/object#charge_object-outcome.
// A nil refusal stands for a charge that is paid, and a nil card for a bank debit.
func (c *testCard) outcome(refusal *PaymentError) object {
	risk := "normal"
	if c != nil && c.risk != "" {
		risk = c.risk
	}
	o := object{
		"advice_code": nil, "network_advice_code": nil, "network_decline_code": nil, "network_status": "approved_by_network", "reason": nil,
		"risk_level": risk, "risk_score": riskScores[risk], "seller_message": "Payment complete.", "type": "authorized",
	}
	switch {
	case refusal == nil:
		return o
	case c != nil && c.blocked:
		return o.with(object{
			"network_status": "not_sent_to_network", "reason": "highest_risk_level", "rule": "block_if_high_risk",
			"seller_message": "Stripe blocked this payment as too risky.", "type": "blocked",
		})
	}
	reason := refusal.DeclineCode
	if reason == "" {
		reason = refusal.Code
	}
	return o.with(object{
		"advice_code": orNull(refusal.AdviceCode), "network_status": "declined_by_network", "reason": reason,
		"seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
	})
}
