package checkouttest

import (
	"errors"
	"net/http"
	"slices"
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

// means is what a payment is made with.
type means struct {
	method PaymentMethod // empty: none was given
	buyer  Buyer
	ending *ending // of a bank debit; nil: none by itself
	// disputed is one that its owner disputes at once, or asks about.
	disputed, inquiry bool
}

// charged pays an amount, and returns why that was refused.
func (s *Server) charged(sess *session, total int64, with means) *PaymentError {
	sess.method, sess.buyer = with.method, with.buyer.orDefaults(sess)
	if total == 0 {
		return nil
	}
	s.newIntent(sess, total)
	if refused := refusals[with.method]; refused != nil {
		s.chargeFails(sess, refused)
		return refused
	}
	s.charge(sess, "succeeded")
	s.intentSucceeds(sess)
	return nil
}

// followUp has happen what comes of a payment by itself: a dispute, or how a bank debit ends.
func (s *Server) followUp(sess *session, with means) {
	if with.disputed {
		_, _ = s.dispute(s.latestCharge(sess), with.inquiry) // a payment that was just made can be
	}
	if with.ending == nil {
		return
	}
	end := func() { _ = s.debitEnds(sess, !with.ending.bounces) } // it may have ended otherwise meanwhile
	if with.ending.after == 0 {
		end()
	} else {
		s.schedule(s.Now().Add(with.ending.after), end)
	}
}

// payError is what the API answers to a payment that was not made.
func (s *Server) payError(sess *session, err error) *apiError {
	if refused := (*PaymentError)(nil); errors.As(err, &refused) {
		return &apiError{
			status: http.StatusPaymentRequired, typ: "card_error", code: refused.Code, declineCode: refused.DeclineCode,
			message: refused.Message, intent: s.objects[sess.pi],
		}
	}
	if errors.Is(err, ErrMethodNotOffered) {
		return invalid("", "payment_method", "The payment method is not one of those that can be used here.")
	}
	if sess.id() != "" {
		return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", message: "This Checkout Session is no longer open."}
	}
	return unexpectedState("You cannot confirm this PaymentIntent because it has already succeeded or is processing.")
}
