package checkouttest

import (
	"slices"
)

// A PaymentMethod is what a customer pays with. Cards are Stripe's test cards, by their numbers.
// https://docs.stripe.com/testing
type PaymentMethod string

// The payment methods that the server knows.
const (
	CardOK                PaymentMethod = "4242424242424242"
	CardDeclined          PaymentMethod = "4000000000000002"
	CardInsufficientFunds PaymentMethod = "4000000000009995"
	CardExpired           PaymentMethod = "4000000000000069"
	// Card3DS asks the customer to authenticate. With Pay they do; the hosted page lets them fail, too.
	Card3DS PaymentMethod = "4000000000003220"
	// CardRefundPending is paid; its refunds are pending first, and succeed later: https://docs.stripe.com/testing#refunds
	CardRefundPending PaymentMethod = "4000000000007726"
	// CardRefundFails is paid; its refunds succeed first, and fail later.
	CardRefundFails PaymentMethod = "4000000000005126"
	// BankDebit is a delayed method: the session is complete and unpaid until Settle or Bounce.
	BankDebit PaymentMethod = "bank_debit"
)

var methods = []PaymentMethod{CardOK, CardDeclined, CardInsufficientFunds, CardExpired, Card3DS, CardRefundPending, CardRefundFails, BankDebit}

// refusals are the errors of the cards that are declined.
var refusals = map[PaymentMethod]*PaymentError{
	CardDeclined:          {Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined."},
	CardInsufficientFunds: {Code: "card_declined", DeclineCode: "insufficient_funds", Message: "Your card has insufficient funds."},
	CardExpired:           {Code: "expired_card", Message: "Your card has expired."},
}

var (
	authenticationFailed = &PaymentError{
		Code:    "payment_intent_authentication_failure",
		Message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
	}
	debitFailed = &PaymentError{Code: "insufficient_funds", Message: "The customer's account has insufficient funds to cover this payment."}
)

// Pay pays a session as its customer would: with the e-mail address of the session, or else buyer@example.com. It returns
// when every delivery due now has been answered, and must not be called from a webhook receiver. Errors: *PaymentError for a
// refusal, ErrNoSession, ErrExpired, ErrComplete, ErrMethodNotOffered.
func (s *Server) Pay(sessionID string, method PaymentMethod) error {
	return s.PayAs(sessionID, method, Buyer{})
}

// PayAs is Pay by a customer who gives details of their own. Errors, besides: ErrQuantity.
func (s *Server) PayAs(sessionID string, method PaymentMethod, buyer Buyer) error {
	return s.change(sessionID, func(sess *session) error {
		challenge, err := s.pay(sess, method, buyer)
		if challenge {
			err = s.authenticated(sess, true)
		}
		return err
	})
}

// Settle lets the bank debit of a completed session succeed: https://docs.stripe.com/payments/bank-debits. Like Pay, it
// waits for the deliveries. Errors: ErrNoSession, ErrNotPending.
func (s *Server) Settle(sessionID string) error {
	return s.change(sessionID, func(sess *session) error { return s.debitEnds(sess, true) })
}

// Bounce lets the bank debit of a completed session fail. Like Pay, it waits for the deliveries. Errors: ErrNoSession,
// ErrNotPending.
func (s *Server) Bounce(sessionID string) error {
	return s.change(sessionID, func(sess *session) error { return s.debitEnds(sess, false) })
}

func (s *Server) change(sessionID string, do func(sess *session) error) error {
	err := s.locked(sessionID, do)
	s.Flush()
	return err
}

// changeObject is change for an object of a kind. unknown is the error if there is none with this ID.
func (s *Server) changeObject(kind, id string, unknown error, do func(o object) error) error {
	s.mu.Lock()
	o, err := s.objects[id], unknown
	if o.str("object") == kind {
		err = do(o)
	}
	s.mu.Unlock()
	s.Flush()
	return err
}

func (s *Server) locked(sessionID string, do func(sess *session) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sess := s.sessions[sessionID]
	if sess == nil {
		return ErrNoSession
	}
	s.refresh(sess)
	return do(sess)
}

// refresh expires a session whose time is up, should the clock have gone past it on its own.
func (s *Server) refresh(sess *session) {
	if sess.object["expires_at"].(int64) <= s.Now().Unix() {
		s.expireIfOpen(sess, nil)
	}
}

func (s *Server) expireIfOpen(sess *session, c *call) bool {
	if sess.str("status") != "open" {
		return false
	}
	sess.object["status"], sess.object["url"], sess.method = "expired", nil, ""
	if pi := s.objects[sess.pi]; pi != nil {
		s.cancelPayment(sess, pi, "automatic", c)
	}
	s.offerRecovery(sess)
	s.emit(sess, "checkout.session.expired", sess.object, c)
	return true
}

// pay tries one payment. It reports whether the customer has to authenticate first.
func (s *Server) pay(sess *session, method PaymentMethod, buyer Buyer) (challenge bool, _ error) {
	switch status := sess.str("status"); {
	case status == "expired":
		return false, ErrExpired
	case status == "complete":
		return false, ErrComplete
	case !slices.Contains(methods, method), method == BankDebit && !sess.offersDebit(), method != BankDebit && !sess.offers("card"):
		return false, ErrMethodNotOffered
	}
	if err := s.adjust(sess, buyer.Quantities); err != nil {
		return false, err
	}
	sess.method, sess.buyer = method, buyer.orDefaults(sess)
	if sess.str("mode") == "payment" && sess.object["amount_total"] == int64(0) {
		s.complete(sess, "no_payment_required")
		return false, nil
	}
	s.ensureIntent(sess)
	switch refused := refusals[method]; {
	case refused != nil:
		s.chargeFails(sess, refused)
		return false, refused
	case method == Card3DS:
		s.intent(sess, "payment_intent.requires_action", object{
			"status": "requires_action", "next_action": object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect"}},
		})
		return true, nil
	case method == BankDebit && sess.str("mode") == "setup":
		s.complete(sess, "no_payment_required")
	case method == BankDebit:
		s.ensureCustomer(sess)
		s.charge(sess, "pending")
		s.intent(sess, "payment_intent.processing", object{"status": "processing"})
		s.complete(sess, "unpaid")
	default:
		s.cardSucceeds(sess)
	}
	return false, nil
}

// authenticated ends the 3-D Secure challenge of a session.
func (s *Server) authenticated(sess *session, passed bool) error {
	switch {
	case sess.str("status") == "expired":
		return ErrExpired
	case sess.str("status") == "complete":
		return ErrComplete
	case sess.method != Card3DS:
		return ErrNotPending
	case !passed:
		s.refuse(sess, authenticationFailed, nil)
		return authenticationFailed
	}
	s.cardSucceeds(sess)
	return nil
}

func (s *Server) cardSucceeds(sess *session) {
	total, _ := sess.object["amount_total"].(int64)
	s.ensureCustomer(sess)
	switch {
	case sess.str("mode") == "setup", total == 0:
		s.complete(sess, "no_payment_required")
	case sess.sent.get("payment_intent_data", "capture_method").str() == "manual":
		// The money is only authorized, so the session stays unpaid: https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
		s.charge(sess, "succeeded")
		s.intent(sess, "payment_intent.amount_capturable_updated", object{
			"status": "requires_capture", "next_action": nil, "last_payment_error": nil, "amount_capturable": total,
		})
		s.lapseLater(sess, s.objects[sess.pi])
		s.complete(sess, "unpaid")
	default:
		s.charge(sess, "succeeded")
		s.intentSucceeds(sess)
		s.complete(sess, "paid")
	}
}

func (s *Server) intentSucceeds(sess *session) {
	s.intent(sess, "payment_intent.succeeded", object{
		"status": "succeeded", "next_action": nil, "last_payment_error": nil, "amount_received": s.objects[sess.pi]["amount"],
	})
}

// chargeFails records an attempt that was declined. The session stays open.
func (s *Server) chargeFails(sess *session, e *PaymentError) {
	ch := s.charge(sess, "failed")
	s.failCharge(sess, ch, e)
	s.refuse(sess, e, ch)
}

// refuse takes the payment intent back to where another method can be tried.
func (s *Server) refuse(sess *session, e *PaymentError, ch object) {
	method := sess.method
	sess.method = ""
	s.intent(sess, "payment_intent.payment_failed", object{
		"status": "requires_payment_method", "next_action": nil, "payment_method": nil, "last_payment_error": paymentErrorObject(e, method, ch),
	})
}

// complete ends the session: its customer is done.
func (s *Server) complete(sess *session, paymentStatus string) {
	o := sess.object
	o["status"], o["payment_status"], o["url"] = "complete", paymentStatus, nil
	s.ensureCustomer(sess)
	switch o.str("mode") {
	case "setup":
		s.setUpMethod(sess)
	case "subscription":
		s.subscribe(sess, paymentStatus != "unpaid")
	}
	if sess.id() != "" {
		s.answerAll(sess)
	}
	if sess.method != BankDebit || paymentStatus != "unpaid" {
		sess.method = "" // nothing is in progress any more
	}
	s.emit(sess, "checkout.session.completed", o, nil)
}

// debitEnds settles or bounces the bank debit of a completed session.
func (s *Server) debitEnds(sess *session, settled bool) error {
	if sess.str("status") != "complete" || sess.method != BankDebit {
		return ErrNotPending
	}
	if !settled {
		if ch := s.latestCharge(sess); ch != nil {
			s.failCharge(sess, ch, debitFailed)
			s.refuse(sess, debitFailed, ch)
		}
		if sess.plan != nil {
			s.debitOfInvoice(sess, false)
		}
		sess.method = ""
		s.emit(sess, "checkout.session.async_payment_failed", sess.object, nil)
		return nil
	}
	if ch := s.latestCharge(sess); ch != nil {
		ch["status"], ch["paid"], ch["captured"], ch["amount_captured"] = "succeeded", true, true, ch["amount"]
		s.settleCharge(sess, ch)
		s.emit(sess, "charge.succeeded", ch, nil)
		s.intentSucceeds(sess)
	}
	if sess.plan != nil {
		s.debitOfInvoice(sess, true)
	}
	sess.method = ""
	sess.object["payment_status"] = "paid"
	s.emit(sess, "checkout.session.async_payment_succeeded", sess.object, nil)
	return nil
}

func (sess *session) offersDebit() bool {
	types, _ := sess.object["payment_method_types"].([]string)
	return slices.ContainsFunc(types, func(t string) bool { return slices.Contains(debits, t) })
}
