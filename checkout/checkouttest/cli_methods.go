package checkouttest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// testMethods are the payment methods of every sandbox, by what follows pm_card_ and tok_: https://docs.stripe.com/testing
var testMethods = map[string]PaymentMethod{
	"visa": CardOK, "bypassPending": CardOK,
	"chargeDeclined": CardDeclined, "visa_chargeDeclined": CardDeclined,
	"chargeDeclinedInsufficientFunds": CardInsufficientFunds, "visa_chargeDeclinedInsufficientFunds": CardInsufficientFunds,
	"chargeDeclinedExpiredCard": CardExpired, "visa_chargeDeclinedExpiredCard": CardExpired,
	"authenticationRequired": Card3DS, "threeDSecure2Required": Card3DS,
	"chargeCustomerFail": CardDeclined, // once it is attached
	"pendingRefund":      CardRefundPending, "refundFail": CardRefundFails,
	"createDispute": CardOK, "createDisputeInquiry": CardOK, "createDisputeProductNotReceived": CardOK,
}

// An ending is what becomes of a bank debit by itself.
type ending struct {
	bounces bool
	after   time.Duration
}

// endings are those of the test accounts, by the last four characters of their IBANs. Others wait for Settle or Bounce.
// https://docs.stripe.com/payments/sepa-debit/accept-a-payment#test-your-integration
var endings = map[string]ending{
	"3201": {}, "3204": {after: 3 * time.Minute},
	"3202": {bounces: true}, "3205": {bounces: true, after: 3 * time.Minute},
	"3456": {bounces: true}, // of the account that `stripe trigger checkout.session.async_payment_failed` debits
}

// means is what a payment is made with.
type means struct {
	method PaymentMethod // empty: none was given
	buyer  Buyer
	ending *ending // of a bank debit; nil: none by itself
	// disputed is one that its owner disputes at once, or asks about.
	disputed, inquiry bool
}

// createMethod makes a payment method of a test card's number or token, or of a bank account.
func (s *Server) createMethod(c *call) (object, *apiError) {
	p, typ := c.params, c.params.get("type").str()
	if err := p.only("allow_redisplay", "billing_details", "card", "expand", "metadata", "sepa_debit", "type"); err != nil {
		return nil, err
	}
	meta, err := p.get("metadata").metadata()
	if err != nil {
		return nil, err
	}
	b := p.get("billing_details")
	addr := b.get("address")
	billing := object{
		"address": object{
			"city": addr.get("city").value(), "country": addr.get("country").value(), "line1": addr.get("line1").value(),
			"line2": addr.get("line2").value(), "postal_code": addr.get("postal_code").value(), "state": addr.get("state").value(),
		},
		"email": b.get("email").value(), "name": b.get("name").value(), "phone": b.get("phone").value(), "tax_id": b.get("tax_id").value(),
	}
	var details object
	switch typ {
	case "":
		return nil, missing("type")
	case "card":
		method := PaymentMethod(p.get("card", "number").str())
		if token := p.get("card", "token"); token != nil {
			method = testMethods[strings.TrimPrefix(token.str(), "tok_")]
		}
		if !method.isCard() {
			return nil, invalid("", "card", "This test server takes the test cards and tokens of https://docs.stripe.com/testing only.")
		}
		details = cardDetails(method)
		details.set(p.get("card"), "exp_month", "exp_year")
	case "sepa_debit":
		iban := p.get("sepa_debit", "iban").str()
		if len(iban) < 15 {
			return nil, invalid("invalid_bank_account_iban", "sepa_debit[iban]", "The IBAN you provided is invalid.")
		}
		details = object{
			"bank_code": iban[4:9], "branch_code": "", "country": iban[:2], "fingerprint": "test" + iban[len(iban)-4:],
			"generated_from": object{"charge": nil, "setup_attempt": nil}, "last4": iban[len(iban)-4:],
		}
	default:
		return nil, invalid("", "type", "This test server makes payment methods of the types card and sepa_debit only.")
	}
	o := newMethod(s.newID("pm_1", 23), typ, details, billing, s.Now().Unix())
	o["allow_redisplay"], o["metadata"] = p.get("allow_redisplay").or("unspecified"), meta
	s.keep(&session{account: c.account}, o)
	return o, nil
}

// newMethod is a payment method: https://docs.stripe.com/api/payment_methods/object
func newMethod(id, typ string, details, billing object, created int64) object {
	return object{
		"id": id, "object": "payment_method", "allow_redisplay": "unspecified", "billing_details": billing, "created": created,
		"customer": nil, "livemode": false, "metadata": object{}, "type": typ, typ: details,
	}
}

// chargeBy is the charge that was made with a payment method, or nil.
func (s *Server) chargeBy(method string) object {
	for _, ch := range slices.Backward(s.kinds["charge"]) {
		if ch["payment_method"] == method {
			return ch
		}
	}
	return nil
}

// methodOfCharge is what a charge was made with. It is made when it is asked for: few ask.
func methodOfCharge(ch object) object {
	typ, details := ch["payment_method_details"].(object).str("type"), debitDetails()
	if typ == "card" {
		details = cardDetails(cardOf(ch))
	}
	o := newMethod(ch.str("payment_method"), typ, details, ch["billing_details"].(object), ch["created"].(int64))
	o["customer"] = ch["customer"]
	return o
}

// retrieveMethod finds a payment method that was made by itself, or with a charge.
func (s *Server) retrieveMethod(c *call) (object, *apiError) {
	o, err := s.named(c, "payment_method")
	if err == nil {
		return o, nil
	}
	if ch := s.chargeBy(c.path("id")); ch != nil && s.accountOf(ch) == c.account {
		return methodOfCharge(ch), nil
	}
	return nil, err
}

func (m PaymentMethod) isCard() bool { return m != BankDebit && slices.Contains(methods, m) }

// debitDetails is the account that the page debits.
func debitDetails() object { return object{"fingerprint": "test6789", "last4": "6789"} }

// cardDetails is a card as a payment method shows it.
func cardDetails(m PaymentMethod) object {
	last4 := string(m[len(m)-4:])
	return object{
		"brand": "visa", "checks": object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"}, "country": "US",
		"display_brand": "visa", "exp_month": int64(12), "exp_year": int64(2034), "fingerprint": "test" + last4, "funding": "credit",
		"generated_from": nil, "last4": last4, "networks": object{"available": []string{"visa"}, "preferred": nil},
		"regulated_status": "unregulated", "three_d_secure_usage": object{"supported": true}, "wallet": nil,
	}
}

// means is what a payment_method names: one that was made, or one of every sandbox. Empty: none.
func (s *Server) means(c *call, id string) (means, *apiError) {
	if id == "" {
		return means{}, nil
	}
	if name, ok := strings.CutPrefix(id, "pm_card_"); ok && testMethods[name] != "" {
		return means{method: testMethods[name], disputed: strings.HasPrefix(name, "createDispute"), inquiry: name == "createDisputeInquiry"}, nil
	}
	pm := s.find(c.account, "payment_method", id)
	if pm == nil {
		return means{}, noSuch(http.StatusBadRequest, "PaymentMethod", id, "payment_method")
	}
	details := pm["billing_details"].(object)
	address := details["address"].(object)
	with := means{method: BankDebit, buyer: Buyer{
		Email: details.str("email"), Name: details.str("name"), Phone: details.str("phone"), Address: Address{
			Line1: address.str("line1"), Line2: address.str("line2"), City: address.str("city"), State: address.str("state"),
			PostalCode: address.str("postal_code"), Country: address.str("country"),
		},
	}}
	if card, ok := pm["card"].(object); ok {
		with.method = methods[slices.IndexFunc(methods, func(m PaymentMethod) bool { return strings.HasSuffix(string(m), card.str("last4")) })]
	} else if e, ok := endings[pm["sepa_debit"].(object).str("last4")]; ok {
		with.ending = &e
	}
	return with, nil
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

// Checkout's own page talks to /v1/payment_pages, which Stripe does not document; so does `stripe trigger`, which reads
// nothing of the answers. They are the session.

func (s *Server) confirmPage(c *call) (object, *apiError) {
	sess, err := s.session(c)
	if err != nil {
		return nil, err
	}
	if want := c.params.get("expected_amount"); want != nil && want.int() != sess.object["amount_total"] {
		return nil, &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "checkout_amount_mismatch", param: want.name, message: "The expected amount is not the total of the Checkout Session."}
	}
	with, err := s.means(c, c.params.get("payment_method").str())
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, missing("payment_method")
	}
	if _, err := s.pay(sess, with.method, with.buyer); err != nil {
		return nil, s.payError(sess, err)
	}
	s.followUp(sess, with)
	return sess.object, nil
}
