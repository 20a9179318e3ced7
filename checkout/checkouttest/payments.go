package checkouttest

import (
	"errors"
	"net/http"
)

// Pay pays a session as its customer would, with the session's e-mail address or else buyer@example.com. A session that asks
// for no payment method ignores method: there is nothing to pay now, and payment_method_collection is not "always". Pay returns
// when the receivers have answered the deliveries that are due. Do not call it from a webhook receiver.
// Errors: *PaymentError for a refusal, ErrNoSession, ErrExpired, ErrComplete, ErrMethodNotOffered.
func (s *Server) Pay(sessionID string, method PaymentMethod) error {
	return s.PayAs(sessionID, method, Buyer{})
}

// PayAs is Pay by a customer who gives details of their own. Errors: those of Pay, ErrQuantity, ErrPromotionCode
// and ErrAnswer.
func (s *Server) PayAs(sessionID string, method PaymentMethod, buyer Buyer) error {
	return s.changeSession(sessionID, func(sess *session) error {
		var err error
		s.onPage(func() {
			var challenge bool
			challenge, err = s.pay(sess, method, buyer)
			if challenge {
				err = s.authenticate3DS(sess, true)
			}
		})
		return err
	})
}

// Settle lets the bank debit of a completed session succeed: https://docs.stripe.com/payments/bank-debits. Of a bank transfer it
// transfers what is missing. Like Pay, it waits for the deliveries. Errors: ErrNoSession, ErrNotPending.
func (s *Server) Settle(sessionID string) error {
	return s.changeSession(sessionID, func(sess *session) error {
		if pi := s.objects[sess.str("payment_intent")]; remainingOf(pi) > 0 {
			s.fund(s.objects[pi.str("customer")], pi.str("currency"), remainingOf(pi), referenceOf(pi), nil)
			return nil
		}
		return s.debitSettles(sess)
	})
}

// Bounce lets the bank debit of a completed session fail. Like Pay, it waits for the deliveries.
// Errors: ErrNoSession, ErrNotPending.
func (s *Server) Bounce(sessionID string) error {
	return s.changeSession(sessionID, s.debitBounces)
}

// offersMethod reports whether a session takes a payment method.
func (sess *session) offersMethod(method PaymentMethod) bool {
	switch {
	case method == BankDebit:
		return sess.offersDebit()
	case method == BankTransfer:
		return sess.offers(customerBalance)
	case method.isCard():
		return sess.offers("card")
	default:
		return false
	}
}

// asksForMethod reports whether the customer has to give a payment method: there is something to pay now, or the method is
// saved for later. https://docs.stripe.com/payments/checkout/free-trials
func (sess *session) asksForMethod() bool {
	return sess.object["amount_total"] != int64(0) || sess.str("mode") == "subscription" && sess.str("payment_method_collection") == "always"
}

// pay tries to pay a session. It reports whether the customer has to authenticate first.
func (s *Server) pay(sess *session, method PaymentMethod, buyer Buyer) (challenge bool, err error) {
	s.inOrder(sess, func() { challenge, err = s.tryToPay(sess, method, buyer) })
	return challenge, err
}

func (s *Server) tryToPay(sess *session, method PaymentMethod, buyer Buyer) (challenge bool, _ error) {
	switch sess.str("status") {
	case "expired":
		return false, ErrExpired
	case "complete":
		return false, ErrComplete
	}
	method = method.normal()
	if !sess.offersMethod(method) {
		return false, ErrMethodNotOffered
	}
	if err := s.changeBasket(sess, buyer); err != nil {
		return false, err
	}
	sess.method, sess.buyer = method, buyer.orDefaults(sess)
	if sess.id() != "" {
		s.taxAutomatically(sess, sess.buyer)
	}
	if !sess.asksForMethod() {
		sess.method = ""
		s.complete(sess, "no_payment_required")
		return false, nil
	}
	s.ensureIntent(sess)
	if local := sess.presentment(sess.buyer.Email); local != nil && sess.id() != "" {
		sess.object["presentment_details"], s.objects[sess.pi]["presentment_details"] = local, local
	}
	refusal := method.refusal()
	if sess.pi == "" { // there is nothing to pay yet, and the method is saved
		refusal = method.saveRefusal()
	}
	switch {
	case method.asks():
		s.changeIntent(sess, "payment_intent.requires_action", object{
			"payment_method": orNull(sess.methodID), "status": "requires_action", "next_action": object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect"}},
		})
		return true, nil
	case refusal != nil:
		s.chargeFails(sess, refusal)
		return false, refusal
	case method == BankTransfer:
		s.payByTransfer(sess)
	case method == BankDebit && sess.pi == "": // there is nothing to pay yet
		s.complete(sess, "no_payment_required")
	case method == BankDebit:
		s.ensureCustomer(sess)
		s.charge(sess, "pending")
		s.changeIntent(sess, "payment_intent.processing", object{"status": "processing"})
		s.complete(sess, "unpaid")
	default:
		s.cardSucceeds(sess)
	}
	return false, nil
}

// authenticate3DS ends the 3-D Secure challenge of a session.
func (s *Server) authenticate3DS(sess *session, passed bool) error {
	switch sess.str("status") {
	case "expired":
		return ErrExpired
	case "complete":
		return ErrComplete
	}
	if !sess.method.asks() {
		return ErrNotPending
	}
	if !passed {
		s.refuse(sess, authenticationFailed, nil)
		return authenticationFailed
	}
	if refusal := sess.method.refusal(); refusal != nil && sess.pi != "" {
		s.chargeFails(sess, refusal)
		return refusal
	}
	s.inOrder(sess, func() { s.cardSucceeds(sess) })
	return nil
}

func (s *Server) cardSucceeds(sess *session) {
	due := s.dueNow(sess)
	s.ensureCustomer(sess)
	switch {
	case sess.str("mode") == "setup", due == 0:
		s.complete(sess, "no_payment_required")
	case sess.sent.Get("payment_intent_data", "capture_method").String() == "manual":
		// The card is only authorized, so the session stays unpaid: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
		s.charge(sess, "succeeded")
		s.changeIntent(sess, "payment_intent.amount_capturable_updated", object{
			"status": "requires_capture", "next_action": nil, "last_payment_error": nil, "amount_capturable": due,
		})
		s.lapseLater(sess, s.objects[sess.pi])
		s.complete(sess, "unpaid")
	default:
		s.charge(sess, "succeeded")
		s.intentSucceeds(sess)
		s.complete(sess, "paid")
		s.followCapture(sess)
	}
}

// followCapture starts what follows by itself when a payment by a test card is captured: disputes, and a warning of fraud.
func (s *Server) followCapture(sess *session) {
	ch := s.latestCharge(sess)
	card := cardOf(ch)
	if card == nil {
		return
	}
	s.disputeAs(ch, card.disputes)
	if card.fraudWarning {
		s.warnOfFraud(ch)
	}
}

// complete ends a session: the customer has finished the checkout.
func (s *Server) complete(sess *session, paymentStatus string) {
	o := sess.object
	o["status"], o["payment_status"], o["url"] = "complete", paymentStatus, nil
	s.ensureCustomer(sess)
	switch o.str("mode") {
	case "payment":
		s.redeem(sess.reduction)
		if paymentStatus != "unpaid" {
			s.invoicePaid(sess)
		}
		if pi := s.objects[sess.pi]; pi["setup_future_usage"] != nil {
			s.keepCharged(sess)
		}
	case "setup":
		s.saveMethod(sess)
	case "subscription":
		s.subscribe(sess, paymentStatus != "unpaid")
	}
	if sess.id() != "" {
		s.collectAnswers(sess)
	}
	if sess.method == BankDebit && paymentStatus == "unpaid" {
		sess.debit = sess.pi
	}
	sess.method = ""
	s.emit(sess, "checkout.session.completed", o, nil)
}

// debitSettles ends the bank debit of a completed session with success.
func (s *Server) debitSettles(sess *session) error {
	done, err := s.endDebit(sess)
	if err != nil {
		return err
	}
	defer done()
	if ch := s.latestCharge(sess); ch != nil {
		ch["status"], ch["paid"] = "succeeded", true
		s.giveReceipt(ch)
		s.bookCharge(sess, ch)
		s.emit(sess, "charge.succeeded", ch, nil)
		s.intentSucceeds(sess)
	}
	if sess.subscription != nil {
		s.firstDebitSettles(sess)
	}
	s.invoicePaid(sess)
	sess.object["payment_status"] = "paid"
	s.emit(sess, "checkout.session.async_payment_succeeded", sess.object, nil)
	return nil
}

// endDebit makes the bank debit that is on its way the payment in progress, and returns what ends that. Invoices of a subscription
// may have been charged since, by another payment.
func (s *Server) endDebit(sess *session) (done func(), err error) {
	if sess.debit == "" {
		return nil, ErrNotPending
	}
	latest := sess.pi
	sess.pi, sess.method, sess.debit = sess.debit, BankDebit, ""
	return func() { sess.pi, sess.method = latest, "" }, nil
}

// debitBounces ends the bank debit of a completed session with a failure.
func (s *Server) debitBounces(sess *session) error {
	done, err := s.endDebit(sess)
	if err != nil {
		return err
	}
	defer done()
	if ch := s.latestCharge(sess); ch != nil {
		s.failCharge(sess, ch, debitFailed)
		s.refuse(sess, debitFailed, ch)
	}
	if sess.subscription != nil {
		s.firstDebitBounces(sess)
	}
	s.emit(sess, "checkout.session.async_payment_failed", sess.object, nil)
	return nil
}

// A tender is a payment method that the API was given, with what follows from it.
type tender struct {
	id      string        // of the stored payment method; empty: there is none
	method  PaymentMethod // empty: the API was given none
	buyer   Buyer
	outcome *debitOutcome // of a bank debit; nil: it waits for Settle or Bounce
}

// chargeTender makes a payment intent and charges a tender for an amount. It returns the reason of a refusal, or nil.
func (s *Server) chargeTender(sess *session, total int64, with tender) *PaymentError {
	if total == 0 {
		sess.take(with)
		return nil
	}
	s.newIntent(sess, total)
	return s.chargeIntent(sess, with)
}

// chargeIntent charges a tender for the amount of the session's payment intent. It returns the reason of a refusal, or nil.
func (s *Server) chargeIntent(sess *session, with tender) *PaymentError {
	sess.take(with)
	if refusal := with.method.refusal(); refusal != nil {
		s.chargeFails(sess, refusal)
		return refusal
	}
	s.charge(sess, "succeeded")
	s.intentSucceeds(sess)
	s.followCapture(sess)
	return nil
}

// take makes a tender the payment in progress. The charge shows the billing details of the stored payment method as they are.
func (sess *session) take(with tender) {
	sess.methodID, sess.method, sess.buyer = with.id, with.method, with.asBuyer()
}

func (with tender) asBuyer() Buyer {
	buyer := with.buyer
	buyer.typed = true
	return buyer
}

// followUp starts the end of a bank debit that ends by itself.
func (s *Server) followUp(sess *session, with tender) {
	if with.outcome == nil {
		return
	}
	end := func() {
		if with.outcome.bounces {
			_ = s.debitBounces(sess) // an error means that the debit has ended already
		} else {
			_ = s.debitSettles(sess)
		}
	}
	if with.outcome.after == 0 {
		end()
	} else {
		s.schedule(s.Now().Add(with.outcome.after), end)
	}
}

// paramsOfRefusals are the parts of a card that the errors of banks name, as in recorded answers.
var paramsOfRefusals = map[string]string{"expired_card": "exp_month", "incorrect_cvc": "cvc"}

// cardError returns the API's answer to a card that is declined.
func cardError(refusal *PaymentError) *apiError {
	return &apiError{
		status: http.StatusPaymentRequired, typ: "card_error", code: refusal.Code, declineCode: refusal.DeclineCode, adviceCode: refusal.AdviceCode,
		message: refusal.Message, param: paramsOfRefusals[refusal.Code],
	}
}

// payError returns the API's answer to a payment that failed.
func (s *Server) payError(sess *session, err error) *apiError {
	var refusal *PaymentError
	if errors.As(err, &refusal) {
		err := cardError(refusal)
		err.intent = s.objects[sess.pi]
		return err
	}
	if errors.Is(err, ErrMethodNotOffered) {
		return invalid("", "payment_method", "The payment method is not one of those that can be used here.")
	}
	if sess.id() != "" {
		return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", message: "This Checkout Session is no longer open."}
	}
	return unexpectedState("You cannot confirm this PaymentIntent because it has already succeeded or is processing.")
}
