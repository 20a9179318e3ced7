package checkouttest

import (
	"slices"
	"time"
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

func (m PaymentMethod) isCard() bool { return m != BankDebit && slices.Contains(methods, m) }

// testCard is one of the cards that the page lists.
type testCard struct {
	Method PaymentMethod
	Effect string
}

// Number is the card's number.
func (c testCard) Number() string { return string(c.Method) }

var testCards = []testCard{
	{CardOK, "is paid"},
	{CardDeclined, "is declined"},
	{CardInsufficientFunds, "lacks funds"},
	{CardExpired, "has expired"},
	{Card3DS, "asks to authenticate"},
}

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

// debits are the bank debits that BankDebit stands for.
var debits = []string{"us_bank_account", "sepa_debit", "bacs_debit", "acss_debit", "au_becs_debit"}

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

// debitDetails is the account that the page debits.
func debitDetails() object { return object{"fingerprint": "test6789", "last4": "6789"} }
