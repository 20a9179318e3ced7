package checkouttest

import (
	"slices"
)

// debits are the bank debits that BankDebit stands for.
var debits = []string{"us_bank_account", "sepa_debit", "bacs_debit", "acss_debit", "au_becs_debit"}

// methodType is the API's name for the method of the payment in progress.
func (sess *session) methodType(m PaymentMethod) string {
	if m != BankDebit {
		return "card"
	}
	types, _ := sess.object["payment_method_types"].([]string)
	i := slices.IndexFunc(types, func(t string) bool { return slices.Contains(debits, t) })
	return types[i] // checked before the payment began
}

// ensureIntent makes the session's payment intent, unless it has one or its mode has none.
// Since 2022-08-01 a session has none until a payment is tried: https://docs.stripe.com/changelog
func (s *Server) ensureIntent(sess *session) {
	total, _ := sess.object["amount_total"].(int64)
	if sess.pi != "" || total == 0 || sess.str("mode") == "setup" {
		return
	}
	s.newIntent(sess, total)
	if sess.str("mode") == "payment" { // a subscription's belongs to its invoice
		sess.object["payment_intent"] = sess.pi
	}
}

// newIntent makes the payment intent that a session's or an invoice's payment is made with, from now on.
func (s *Server) newIntent(sess *session, amount int64) {
	data := sess.sent.get("payment_intent_data")
	usage := data.get("setup_future_usage").value()
	if sess.str("mode") == "subscription" {
		usage = "off_session"
	}
	meta, _ := data.get("metadata").metadata() // checked when the session was created
	id := s.newID("pi_3", 23)
	o := object{
		"id": id, "object": "payment_intent", "created": s.Now().Unix(), "livemode": false,
		"amount": amount, "currency": sess.object["currency"], "status": "requires_payment_method", "metadata": meta,

		"amount_capturable": int64(0), "amount_details": object{"tip": object{}}, "amount_received": int64(0), "application": nil,
		"application_fee_amount": data.get("application_fee_amount").value(), "automatic_payment_methods": automaticMethods(data), "canceled_at": nil,
		"cancellation_reason": nil, "capture_method": data.get("capture_method").or("automatic_async"),
		"client_secret": s.newID(id+"_secret_", 25), "confirmation_method": data.get("confirmation_method").or("automatic"), "customer": sess.object["customer"],
		"description": data.get("description").value(), "excluded_payment_method_types": nil, "last_payment_error": nil, "latest_charge": nil,
		"next_action": nil, "on_behalf_of": data.get("on_behalf_of").value(), "payment_method": nil,
		"payment_method_configuration_details": nil, "payment_method_options": sess.object["payment_method_options"],
		"payment_method_types": sess.object["payment_method_types"], "processing": nil, "receipt_email": data.get("receipt_email").value(),
		"review": nil, "setup_future_usage": usage, "shipping": data.get("shipping").value(), "source": nil,
		"statement_descriptor": data.get("statement_descriptor").value(), "statement_descriptor_suffix": data.get("statement_descriptor_suffix").value(),
		"transfer_data": data.get("transfer_data").value(), "transfer_group": data.get("transfer_group").value(),
	}
	s.keep(sess, o)
	sess.pi = id
	s.emit(sess, "payment_intent.created", o, nil)
}

// automaticMethods is what a payment intent says of methods that were not listed. A session's says nothing.
func automaticMethods(data *param) any {
	auto := data.get("automatic_payment_methods")
	if auto == nil {
		return nil
	}
	return object{"allow_redirects": auto.get("allow_redirects").or("always"), "enabled": auto.get("enabled").bool()}
}

// ensureCustomer makes the customer that a session asks for, unless it has one. Its buyer is known.
func (s *Server) ensureCustomer(sess *session) {
	o := sess.object
	if o["customer"] != nil || o.str("mode") != "subscription" && o.str("customer_creation") != "always" {
		return
	}
	cus := s.newCustomer(s.Now().Unix())
	cus["email"], cus["name"], cus["address"] = sess.buyer.Email, sess.buyer.Name, sess.buyer.Address.shown()
	if sess.sent.get("phone_number_collection", "enabled").bool() {
		cus["phone"] = sess.buyer.Phone
	}
	s.keep(sess, cus)
	o["customer"] = cus["id"]
	if pi := s.objects[sess.pi]; pi != nil {
		pi["customer"] = cus["id"]
	}
	s.emit(sess, "customer.created", cus, nil)
}

// intent changes the session's payment intent, if its mode has one, and says so in an event.
func (s *Server) intent(sess *session, event string, set object) {
	pi := s.objects[sess.pi]
	if pi == nil {
		return
	}
	for k, v := range set {
		pi[k] = v
	}
	s.emit(sess, event, pi, nil)
}

func (s *Server) latestCharge(sess *session) object {
	return s.objects[s.objects[sess.pi].str("latest_charge")]
}

// charge makes the charge of a payment attempt. One that fails says so in an event only when failCharge has filled it in.
func (s *Server) charge(sess *session, status string) object {
	pi := s.objects[sess.pi]
	if pi == nil {
		return nil
	}
	captured := status == "succeeded" && pi["capture_method"] != "manual"
	id := s.newID("ch_3", 23)
	o := object{
		"id": id, "object": "charge", "created": s.Now().Unix(), "livemode": false, "status": status, "paid": status == "succeeded",
		"captured": captured, "amount": pi["amount"], "amount_captured": int64(0), "amount_refunded": int64(0), "currency": pi["currency"],
		"payment_intent": pi["id"], "metadata": pi["metadata"],

		"application": nil, "application_fee": nil, "application_fee_amount": pi["application_fee_amount"], "balance_transaction": nil,
		"billing_details": object{
			"address": sess.buyer.Address.shown(), "email": sess.buyer.Email, "name": orNull(sess.buyer.Name), "phone": nil, "tax_id": nil,
		},
		"calculated_statement_descriptor": "TEST SHOP", "customer": pi["customer"], "description": pi["description"], "destination": nil,
		"dispute": nil, "disputed": false, "failure_balance_transaction": nil, "failure_code": nil, "failure_message": nil,
		"fraud_details": object{}, "on_behalf_of": pi["on_behalf_of"], "order": nil,
		"outcome": object{
			"advice_code": nil, "network_advice_code": nil, "network_decline_code": nil, "network_status": "approved_by_network", "reason": nil,
			"risk_level": "normal", "risk_score": 17, "seller_message": "Payment complete.", "type": "authorized",
		},
		"payment_method": s.newID("pm_1", 23), "payment_method_details": sess.methodDetails(pi["amount"]), "radar_options": object{},
		"receipt_email": pi["receipt_email"], "receipt_number": nil, "receipt_url": nil, "refunded": false, "review": nil,
		"shipping": pi["shipping"], "source": nil, "source_transfer": nil, "statement_descriptor": pi["statement_descriptor"],
		"statement_descriptor_suffix": pi["statement_descriptor_suffix"], "transfer_data": pi["transfer_data"], "transfer_group": pi["transfer_group"],
	}
	s.keep(sess, o)
	if captured {
		o["amount_captured"] = pi["amount"]
		s.settleCharge(sess, o)
	}
	pi["latest_charge"], pi["payment_method"] = id, o["payment_method"]
	if status != "failed" {
		s.emit(sess, "charge."+status, o, nil)
	}
	return o
}

// failCharge fills in why a charge failed, and says so in an event. A nil charge is that of a mode without one.
func (s *Server) failCharge(sess *session, ch object, e *PaymentError) {
	if ch == nil {
		return
	}
	reason := e.DeclineCode
	if reason == "" {
		reason = e.Code
	}
	ch["status"], ch["paid"], ch["failure_code"], ch["failure_message"] = "failed", false, e.Code, e.Message
	ch["outcome"] = object{
		"advice_code": nil, "network_advice_code": nil, "network_decline_code": nil, "network_status": "declined_by_network", "reason": reason,
		"risk_level": "normal", "risk_score": 17, "seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
	}
	s.emit(sess, "charge.failed", ch, nil)
}

func (sess *session) methodDetails(amount any) object {
	t := sess.methodType(sess.method)
	if t != "card" {
		return object{"type": t, t: debitDetails()}
	}
	number := string(sess.method)
	return object{"type": "card", "card": object{
		"amount_authorized": amount, "authorization_code": nil, "brand": "visa",
		"checks":  object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"},
		"country": "US", "exp_month": 12, "exp_year": 2034, "fingerprint": "test" + number[len(number)-4:], "funding": "credit",
		"installments": nil, "last4": number[len(number)-4:], "mandate": nil, "network": "visa", "network_token": object{"used": false},
		"network_transaction_id": nil, "three_d_secure": nil, "wallet": nil,
	}}
}

// paymentErrorObject is an error as last_payment_error shows it.
func paymentErrorObject(e *PaymentError, method PaymentMethod, ch object) object {
	o := object{
		"code": e.Code, "doc_url": "https://stripe.com/docs/error-codes/" + dashed(e.Code), "message": e.Message, "type": "card_error",
	}
	if e.DeclineCode != "" {
		o["decline_code"] = e.DeclineCode
	}
	if method == BankDebit || e == authenticationFailed {
		o["type"] = "invalid_request_error"
	}
	if ch != nil {
		o["charge"] = ch["id"]
		o["payment_method"] = methodOfCharge(ch)
	}
	return o
}
