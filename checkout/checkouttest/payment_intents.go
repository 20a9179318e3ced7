package checkouttest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// ensureIntent makes the session's payment intent. It does nothing if the session has one, or needs none. Since API version
// 2022-08-01 a session has no payment intent until the customer tries to pay: https://docs.stripe.com/changelog
func (s *Server) ensureIntent(sess *session) {
	due := s.dueNow(sess)
	if sess.pi != "" || due == 0 || sess.str("mode") == "setup" {
		return
	}
	s.newIntent(sess, due)
	if sess.str("mode") == "payment" { // a subscription's payment intent belongs to its invoice
		sess.object["payment_intent"] = sess.pi
	}
}

// newIntent makes the payment intent for the next payment of a session or of its subscription's invoice.
func (s *Server) newIntent(sess *session, amount int64) {
	data := sess.sent.Get("payment_intent_data")
	usage, capture := value(data.Get("setup_future_usage")), valueOr(data.Get("capture_method"), "automatic_async")
	if sess.str("mode") == "subscription" {
		usage = "off_session"
	}
	if sess.str("mode") == "subscription" || sess.id() == "" && data == nil { // the payments of invoices are captured at once
		capture = "automatic"
	}
	meta, _ := metadataOf(data.Get("metadata")) // newSession has checked it
	id := s.newID("pi_3", 23)
	o := object{
		"id": id, "object": "payment_intent", "created": s.Now().Unix(), "livemode": false,
		"amount": amount, "currency": sess.object["currency"], "status": "requires_payment_method", "metadata": meta,

		"amount_capturable": int64(0), "amount_details": object{"tip": object{}}, "amount_received": int64(0), "application": nil,
		"application_fee_amount": value(data.Get("application_fee_amount")), "automatic_payment_methods": sess.automaticMethods(data), "canceled_at": nil,
		"cancellation_reason": nil, "capture_method": capture,
		"client_secret": s.newID(id+"_secret_", 25), "confirmation_method": valueOr(data.Get("confirmation_method"), "automatic"), "customer": sess.object["customer"],
		"description": value(data.Get("description")), "excluded_payment_method_types": nil, "last_payment_error": nil, "latest_charge": nil,
		"next_action": nil, "on_behalf_of": value(data.Get("on_behalf_of")), "payment_method": nil,
		"payment_method_configuration_details": nil, "payment_method_options": sess.intentOptions(),
		"payment_method_types": sess.object["payment_method_types"], "processing": nil, "receipt_email": value(data.Get("receipt_email")),
		"review": nil, "setup_future_usage": usage, "shipping": value(data.Get("shipping")), "source": nil,
		"statement_descriptor": value(data.Get("statement_descriptor")), "statement_descriptor_suffix": value(data.Get("statement_descriptor_suffix")),
		"transfer_data": value(data.Get("transfer_data")), "transfer_group": value(data.Get("transfer_group")),
	}
	s.keep(sess, o)
	sess.pi = id
	s.emit(sess, "payment_intent.created", o, nil)
}

// automaticMethods shows the automatic_payment_methods of an intent of the API, which are on unless the request names types. The
// intent of a session or an invoice has none. https://docs.stripe.com/api/payment_intents/create#create_payment_intent-automatic_payment_methods
func (sess *session) automaticMethods(data *formparams.Param) any {
	auto := data.Get("automatic_payment_methods")
	if sess.id() != "" || data == nil || auto == nil && data.Get("payment_method_types") != nil {
		return nil
	}
	return object{"allow_redirects": valueOr(auto.Get("allow_redirects"), "always"), "enabled": auto == nil || auto.Get("enabled").Bool()}
}

// changeIntent changes the session's payment intent and emits an event. It does nothing if the session has no payment
// intent.
func (s *Server) changeIntent(sess *session, event string, set object) {
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
	s.changeIntent(sess, "payment_intent.succeeded", object{
		"status": "succeeded", "next_action": nil, "last_payment_error": nil, "amount_received": s.objects[sess.pi]["amount"],
	})
}

// sumOf returns the amount and the currency that a request must name, the currency in lower case and among those that takes says.
func sumOf(p *formparams.Param, takes func(currency string) bool) (amount int64, currency string, err *apiError) {
	sum, currency := p.Get("amount"), strings.ToLower(p.Get("currency").String())
	switch {
	case sum == nil:
		return 0, "", missing("amount")
	case sum.Int() < 1:
		return 0, "", invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case currency == "":
		return 0, "", missing("currency")
	case !takes(currency):
		return 0, "", badCurrency("currency", currency)
	}
	return sum.Int(), currency, nil
}

// createIntent makes a payment intent without a session, as `stripe trigger` needs it. The intent is paid through a session
// without an ID, which the API never shows and which has no events.
func (s *Server) createIntent(c *call) (object, *apiError) {
	p := c.params
	amount, currency, err := sumOf(p, func(currency string) bool { return slices.Contains(currencies, currency) })
	if err != nil {
		return nil, err
	}
	if _, err := metadataOf(p.Get("metadata")); err != nil {
		return nil, err
	}
	if cus := p.Get("customer"); cus != nil {
		if _, err := s.objectInParam(c, "customer", cus); err != nil {
			return nil, err
		}
	}
	owner := &session{
		account: c.account, sent: &formparams.Param{Fields: map[string]*formparams.Param{"payment_intent_data": p}},
		object: object{
			"mode": "payment", "amount_total": amount, "currency": currency, "customer": value(p.Get("customer")),
		},
	}
	owner.setMethods(p, currency)
	with, err := s.ownTender(c, p.Get("payment_method"))
	if err != nil {
		return nil, err
	}
	if data := p.Get("payment_method_data"); data != nil {
		if err := only(data, "type"); err != nil {
			return nil, err
		}
		if data.Get("type").String() != customerBalance {
			return nil, unsupported(data)
		}
		if err := checkTransfer(p, currency); err != nil {
			return nil, err
		}
		with.method = BankTransfer
	}
	if p.Get("confirm").Bool() && with.method == "" {
		return nil, missing("payment_method")
	}
	if off := p.Get("off_session"); off.Bool() && !p.Get("confirm").Bool() {
		return nil, invalid("", off.Name, "`off_session` can only be used with `confirm=true`.")
	}
	s.ensureIntent(owner)
	pi := s.objects[owner.pi]
	switch {
	case p.Get("confirm").Bool():
		return s.payIntent(pi, with, p.Get("off_session").Bool())
	case with.method != "":
		pi["status"], pi["payment_method"] = "requires_confirmation", orNull(with.id)
	}
	return pi, nil
}

// updateIntent changes a payment intent. Stripe makes no event of it. The amount can change until the intent is paid, unless a Checkout
// Session sets it. https://docs.stripe.com/api/payment_intents/update
func (s *Server) updateIntent(c *call) (object, *apiError) {
	pi, err := s.objectInPath(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	p := c.params
	if err := only(p, "amount", "description", "expand", "metadata", "payment_method", "receipt_email", "setup_future_usage", "shipping",
		"statement_descriptor", "statement_descriptor_suffix", "transfer_group"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("setup_future_usage"), "off_session", "on_session"); err != nil {
		return nil, err
	}
	owner, amount := s.ownerOf(pi), p.Get("amount")
	if amount != nil && instructionsOf(pi) != nil {
		return nil, unsupported(amount) // Stripe gives back to the cash balance what was paid
	}
	open := pi["status"] == "requires_payment_method" || pi["status"] == "requires_confirmation" || pi["status"] == "requires_action"
	switch {
	case (amount != nil || p.Get("payment_method") != nil) && !open:
		return nil, unexpectedState("This PaymentIntent's amount or payment method could not be updated because it has a status of " + pi.str("status") + ".")
	case (amount != nil || p.Get("payment_method") != nil) && owner.id() != "":
		return nil, unexpectedState("This PaymentIntent belongs to a Checkout Session, which sets its amount and its payment method.")
	case amount != nil && amount.Int() < 1:
		return nil, invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	}
	with, err := s.ownTender(c, p.Get("payment_method"))
	if err != nil {
		return nil, err
	}
	changed := maps.Clone(pi)
	if err := changed.setMetadata(p); err != nil {
		return nil, err
	}
	changed.set(p, "amount", "description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
	changed.setShipping(p)
	if with.method != "" {
		changed["payment_method"] = with.id
	}
	if with.method != "" && pi["status"] == "requires_payment_method" {
		changed["status"] = "requires_confirmation"
	}
	maps.Copy(pi, changed)
	if amount != nil {
		owner.object["amount_total"] = amount.Int()
	}
	return pi, nil
}

func (s *Server) confirmIntent(c *call) (object, *apiError) {
	pi, err := s.objectInPath(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	if s.ownerOf(pi).id() != "" {
		return nil, unexpectedState("This PaymentIntent belongs to a Checkout Session, and can only be confirmed on its page.")
	}
	with, err := s.tenderOf(c, pi.str("payment_method"))
	if p := c.params.Get("payment_method"); p != nil {
		with, err = s.ownTender(c, p)
	}
	if err != nil {
		return nil, err
	}
	return s.payIntent(pi, with, c.params.Get("off_session").Bool())
}

// payIntent confirms a payment intent. The intent waits in requires_action if its customer has to authenticate. A customer who is
// away cannot: the card is declined then, unless it was saved before and asks only once.
// https://docs.stripe.com/api/payment_intents/create#create_payment_intent-off_session
func (s *Server) payIntent(pi object, with tender, offSession bool) (object, *apiError) {
	if with.method == "" {
		return nil, missing("payment_method")
	}
	owner := s.ownerOf(pi)
	owner.methodID = with.id
	pay := func() error {
		_, err := s.pay(owner, with.method, with.asBuyer())
		return err
	}
	if offSession && with.method.asks() && owner.offersMethod(with.method) && owner.str("status") != "complete" {
		pay = func() error { return s.payOffSession(owner, with) }
	}
	if err := pay(); err != nil {
		return nil, s.payError(owner, err)
	}
	s.followUp(owner, with)
	return pi, nil
}

// payOffSession pays with a card that asks to authenticate while its customer is away.
func (s *Server) payOffSession(owner *session, with tender) error {
	owner.take(with)
	if s.objects[with.id]["customer"] == nil || with.method.asksAlways() {
		s.chargeFails(owner, authenticationRequired)
		return authenticationRequired
	}
	return s.authenticate3DS(owner, true)
}

// captureIntent takes the money that was authorized, and releases the rest:
// https://docs.stripe.com/api/payment_intents/capture
func (s *Server) captureIntent(c *call) (object, *apiError) {
	pi, err := s.objectInPath(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	if pi["status"] != "requires_capture" {
		return nil, unexpectedState("This PaymentIntent could not be captured because it has a status of " + pi.str("status") + ". Only a PaymentIntent with one of the following statuses may be captured: requires_capture.")
	}
	amount := pi["amount_capturable"].(int64)
	if p := c.params.Get("amount_to_capture"); p != nil {
		if p.Int() < 1 || p.Int() > amount {
			return nil, invalid("amount_too_large", p.Name, "Amount to capture must be between 1 and the amount that is capturable.")
		}
		amount = p.Int()
	}
	owner := s.ownerOf(pi)
	ch := s.objects[pi.str("latest_charge")]
	ch["captured"], ch["amount_captured"] = true, amount
	s.bookCharge(owner, ch)
	s.emitChange("charge.captured", ch, nil, c)
	s.changeIntent(owner, "payment_intent.succeeded", object{"status": "succeeded", "amount_capturable": int64(0), "amount_received": amount})
	if owner.str("status") == "complete" {
		owner.object["payment_status"] = "paid" // the funds are available now
	}
	s.followCapture(owner)
	return pi, nil
}

// cancelIntent cancels a payment intent: https://docs.stripe.com/api/payment_intents/cancel. It refuses while a Checkout
// Session could still be paid with the intent.
func (s *Server) cancelIntent(c *call) (object, *apiError) {
	pi, err := s.objectInPath(c, "payment_intent")
	if err != nil {
		return nil, err
	}
	reason := c.params.Get("cancellation_reason")
	if err := oneOf(reason, "abandoned", "duplicate", "fraudulent", "requested_by_customer"); err != nil {
		return nil, err
	}
	owner := s.ownerOf(pi)
	status := pi.str("status")
	switch {
	case owner.str("status") == "open":
		return nil, unexpectedState("You cannot cancel the PaymentIntent of a Checkout Session. Expire the Checkout Session instead.")
	case status == "succeeded", status == "canceled", status == "processing":
		return nil, unexpectedState("You cannot cancel this PaymentIntent because it has a status of " + status + ".")
	}
	if pi["status"] == "requires_capture" {
		s.releaseHold(pi, "charge.refunded")
	}
	s.unapplyCash(pi, c)
	s.cancelPayment(owner, pi, value(reason), c)
	return pi, nil
}

// authorizedFor is the time for which most cards stay authorized before the capture.
// https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
const authorizedFor = 7 * 24 * time.Hour

// lapseLater ends an authorization after authorizedFor, unless it is captured or canceled before.
func (s *Server) lapseLater(owner *session, pi object) {
	s.schedule(s.Now().Add(authorizedFor), func() {
		if pi["status"] == "requires_capture" {
			s.releaseHold(pi, "charge.expired")
			s.cancelPayment(owner, pi, "automatic", nil)
		}
	})
}

// releaseHold releases an authorization. Stripe shows the charge as refunded, though no money was taken.
func (s *Server) releaseHold(pi object, event string) {
	ch := s.objects[pi.str("latest_charge")]
	was := maps.Clone(ch)
	ch["refunded"], ch["amount_refunded"] = true, ch["amount"]
	s.emitChange(event, ch, was, nil)
}

func (s *Server) cancelPayment(owner *session, pi object, reason any, c *call) {
	pi["status"], pi["canceled_at"], pi["cancellation_reason"], pi["next_action"] = "canceled", s.Now().Unix(), reason, nil
	pi["amount_capturable"] = int64(0)
	s.emit(owner, "payment_intent.canceled", pi, c)
}

func unexpectedState(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "payment_intent_unexpected_state", message: message}
}
