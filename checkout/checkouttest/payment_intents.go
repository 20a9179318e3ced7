package checkouttest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

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

func (s *Server) intentSucceeds(sess *session) {
	s.intent(sess, "payment_intent.succeeded", object{
		"status": "succeeded", "next_action": nil, "last_payment_error": nil, "amount_received": s.objects[sess.pi]["amount"],
	})
}

// Payment intents without a session, as far as `stripe trigger` makes them. Each is paid through a session that has no ID,
// is never shown and has no events.

func (s *Server) createIntent(c *call) (object, *apiError) {
	p := c.params
	amount, currency := p.get("amount"), strings.ToLower(p.get("currency").str())
	switch {
	case amount == nil:
		return nil, missing("amount")
	case amount.int() < 1:
		return nil, invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case currency == "":
		return nil, missing("currency")
	case !slices.Contains(currencies, currency):
		return nil, badCurrency("currency", currency)
	}
	if _, err := p.get("metadata").metadata(); err != nil {
		return nil, err
	}
	if cus := p.get("customer"); cus != nil {
		if _, err := s.given(c, "customer", cus); err != nil {
			return nil, err
		}
	}
	owner := &session{
		account: c.account, sent: &param{fields: map[string]*param{"payment_intent_data": p}},
		object: object{
			"mode": "payment", "amount_total": amount.int(), "currency": currency, "customer": p.get("customer").value(),
			"payment_method_types": methodTypes(p, currency), "payment_method_options": p.get("payment_method_options").or(object{}),
		},
	}
	with, err := s.means(c, p.get("payment_method").str())
	if err != nil {
		return nil, err
	}
	if p.get("confirm").bool() && with.method == "" {
		return nil, missing("payment_method")
	}
	s.ensureIntent(owner)
	pi := s.objects[owner.pi]
	switch {
	case p.get("confirm").bool():
		return s.payIntent(pi, with)
	case with.method != "":
		pi["status"], pi["payment_method"] = "requires_confirmation", p.get("payment_method").str()
	}
	return pi, nil
}

func (s *Server) confirmIntent(c *call) (object, *apiError) {
	pi, err := s.named(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	id := c.params.get("payment_method").str()
	if id == "" {
		id = pi.str("payment_method")
	}
	with, err := s.means(c, id)
	if err != nil {
		return nil, err
	}
	if s.ownerOf(pi).id() != "" {
		return nil, unexpectedState("This PaymentIntent belongs to a Checkout Session, and can only be confirmed on its page.")
	}
	return s.payIntent(pi, with)
}

// payIntent confirms a payment intent. One whose customer has to authenticate waits in requires_action.
func (s *Server) payIntent(pi object, with means) (object, *apiError) {
	if with.method == "" {
		return nil, missing("payment_method")
	}
	owner := s.ownerOf(pi)
	if _, err := s.pay(owner, with.method, with.buyer); err != nil {
		return nil, s.payError(owner, err)
	}
	s.followUp(owner, with)
	return pi, nil
}

// captureIntent takes the money that was authorized: https://docs.stripe.com/api/payment_intents/capture. What is not taken is released.
func (s *Server) captureIntent(c *call) (object, *apiError) {
	pi, err := s.named(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	if pi["status"] != "requires_capture" {
		return nil, unexpectedState("This PaymentIntent could not be captured because it has a status of " + pi.str("status") + ". Only a PaymentIntent with one of the following statuses may be captured: requires_capture.")
	}
	amount := pi["amount_capturable"].(int64)
	if p := c.params.get("amount_to_capture"); p != nil {
		if p.int() < 1 || p.int() > amount {
			return nil, invalid("amount_too_large", p.name, "Amount to capture must be between 1 and the amount that is capturable.")
		}
		amount = p.int()
	}
	owner := s.ownerOf(pi)
	ch := s.objects[pi.str("latest_charge")]
	ch["captured"], ch["amount_captured"] = true, amount
	s.settleCharge(owner, ch)
	s.report("charge.captured", ch, nil, c)
	s.intent(owner, "payment_intent.succeeded", object{"status": "succeeded", "amount_capturable": int64(0), "amount_received": amount})
	if owner.str("status") == "complete" {
		owner.object["payment_status"] = "paid" // the funds are available now
	}
	return pi, nil
}

// cancelIntent is refused while a Checkout Session could still be paid with it: https://docs.stripe.com/api/payment_intents/cancel
func (s *Server) cancelIntent(c *call) (object, *apiError) {
	pi, err := s.named(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	reason := c.params.get("cancellation_reason")
	if err := oneOf(reason, "abandoned", "duplicate", "fraudulent", "requested_by_customer"); err != nil {
		return nil, err
	}
	owner := s.ownerOf(pi)
	switch status := pi.str("status"); {
	case owner.str("status") == "open":
		return nil, unexpectedState("You cannot cancel the PaymentIntent of a Checkout Session. Expire the Checkout Session instead.")
	case status == "succeeded", status == "canceled", status == "processing":
		return nil, unexpectedState("You cannot cancel this PaymentIntent because it has a status of " + status + ".")
	}
	if pi["status"] == "requires_capture" {
		s.releaseHold(pi, "charge.refunded")
	}
	s.cancelPayment(owner, pi, reason.value(), c)
	return pi, nil
}

// authorizedFor is how long money stays authorized before it is captured, for most cards.
// https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
const authorizedFor = 7 * 24 * time.Hour

// lapseLater has an authorization end by itself, unless it is captured or canceled before.
func (s *Server) lapseLater(owner *session, pi object) {
	s.schedule(s.Now().Add(authorizedFor), func() {
		if pi["status"] == "requires_capture" {
			s.releaseHold(pi, "charge.expired")
			s.cancelPayment(owner, pi, "automatic", nil)
		}
	})
}

// releaseHold gives back what was authorized. Stripe shows it as refunded, though nothing was ever taken.
func (s *Server) releaseHold(pi object, event string) {
	ch := s.objects[pi.str("latest_charge")]
	was := maps.Clone(ch)
	ch["refunded"], ch["amount_refunded"] = true, ch["amount"]
	s.report(event, ch, was, nil)
}

func (s *Server) cancelPayment(owner *session, pi object, reason any, c *call) {
	pi["status"], pi["canceled_at"], pi["cancellation_reason"], pi["next_action"] = "canceled", s.Now().Unix(), reason, nil
	pi["amount_capturable"] = int64(0)
	s.emit(owner, "payment_intent.canceled", pi, c)
}

func unexpectedState(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "payment_intent_unexpected_state", message: message}
}
