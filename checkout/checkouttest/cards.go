package checkouttest

import (
	"slices"
	"strings"
	"time"
)

// A PaymentMethod is what a customer pays with: the number of one of Stripe's test cards, or BankDebit.
// https://docs.stripe.com/testing
type PaymentMethod string

// The payment methods that the server knows.
const (
	CardOK                PaymentMethod = "4242424242424242"
	CardDeclined          PaymentMethod = "4000000000000002"
	CardInsufficientFunds PaymentMethod = "4000000000009995"
	CardExpired           PaymentMethod = "4000000000000069"
	// Card3DS asks the customer to authenticate. Pay and PayAs authenticate; on the hosted page the customer chooses.
	Card3DS PaymentMethod = "4000000000003220"
	// CardAlways3DS asks the customer to authenticate each payment, renewals included. Pay and PayAs authenticate; renewals fail
	// until Authenticate plays the customer.
	CardAlways3DS PaymentMethod = "4000002760003184"
	// CardRefundPending is paid. Its refunds are pending for a day, and then succeed: https://docs.stripe.com/testing#refunds
	CardRefundPending PaymentMethod = "4000000000007726"
	// CardRefundFails is paid. Its refunds succeed at once, and fail after a day.
	CardRefundFails PaymentMethod = "4000000000005126"
	// BankDebit is a delayed method. A session paid with it is complete and unpaid until Settle or Bounce.
	BankDebit PaymentMethod = "bank_debit"
)

// A testCard is a card of Stripe's test mode, and how it behaves.
type testCard struct {
	Number PaymentMethod
	// tokens name the card in the API, after pm_card_ and tok_.
	tokens []string
	// Effect is what the hosted page says of the card. The page offers only cards with an effect.
	Effect string

	refusal        *PaymentError // nil: the card is paid
	asks           bool          // it asks to authenticate a payment that the customer makes
	asksAlways     bool          // it asks in renewals, too
	refundsPending bool
	refundsFail    bool
	disputed       bool // pm_card_…: the owner disputes the payment at once
	inquiry        bool // the dispute begins as an inquiry
}

// testCards is the one table of test cards. Cards with several behaviours share a number: the first row of a number says
// how the number behaves, and the rows below it say what further tokens add.
var testCards = []testCard{
	{Number: CardOK, Effect: "is paid", tokens: []string{"visa", "bypassPending"}},
	{Number: CardOK, tokens: []string{"createDispute", "createDisputeProductNotReceived"}, disputed: true},
	{Number: CardOK, tokens: []string{"createDisputeInquiry"}, disputed: true, inquiry: true},
	{
		Number: CardDeclined, Effect: "is declined",
		tokens:  []string{"chargeDeclined", "visa_chargeDeclined", "chargeCustomerFail"}, // the last, once a customer has it
		refusal: &PaymentError{Code: "card_declined", DeclineCode: "generic_decline", Message: "Your card was declined."},
	},
	{
		Number: CardInsufficientFunds, Effect: "lacks funds",
		tokens:  []string{"chargeDeclinedInsufficientFunds", "visa_chargeDeclinedInsufficientFunds"},
		refusal: &PaymentError{Code: "card_declined", DeclineCode: "insufficient_funds", Message: "Your card has insufficient funds."},
	},
	{
		Number: CardExpired, Effect: "has expired",
		tokens:  []string{"chargeDeclinedExpiredCard", "visa_chargeDeclinedExpiredCard"},
		refusal: &PaymentError{Code: "expired_card", Message: "Your card has expired."},
	},
	{Number: Card3DS, Effect: "asks to authenticate", tokens: []string{"threeDSecure2Required"}, asks: true},
	{Number: CardAlways3DS, Effect: "asks each time", tokens: []string{"authenticationRequired"}, asks: true, asksAlways: true},
	{Number: CardRefundPending, tokens: []string{"pendingRefund"}, refundsPending: true},
	{Number: CardRefundFails, tokens: []string{"refundFail"}, refundsFail: true},
}

// cardWhere returns the first test card that matches, or nil.
func cardWhere(matches func(c testCard) bool) *testCard {
	i := slices.IndexFunc(testCards, matches)
	if i < 0 {
		return nil
	}
	return &testCards[i]
}

func cardByNumber(number PaymentMethod) *testCard {
	return cardWhere(func(c testCard) bool { return c.Number == number })
}

// cardByLast4 finds a card by its last four digits. The digits of different numbers differ.
func cardByLast4(last4 string) *testCard {
	return cardWhere(func(c testCard) bool { return strings.HasSuffix(string(c.Number), last4) })
}

// cardByToken finds a card by what follows pm_card_ or tok_ in its name.
func cardByToken(token string) *testCard {
	return cardWhere(func(c testCard) bool { return slices.Contains(c.tokens, token) })
}

// cardsOnThePage returns the cards that the hosted page offers.
func cardsOnThePage() []testCard {
	var cards []testCard
	for _, card := range testCards {
		if card.Effect != "" {
			cards = append(cards, card)
		}
	}
	return cards
}

func (m PaymentMethod) isCard() bool { return cardByNumber(m) != nil }

func (m PaymentMethod) isKnown() bool { return m == BankDebit || m.isCard() }

// refusal returns the error with which a card is declined. It returns nil for a method that is paid.
func (m PaymentMethod) refusal() *PaymentError {
	card := cardByNumber(m)
	if card == nil {
		return nil
	}
	return card.refusal
}

// asks reports whether a method asks the customer to authenticate.
func (m PaymentMethod) asks() bool {
	card := cardByNumber(m)
	return card != nil && card.asks
}

// asksAlways reports whether a method asks the customer to authenticate renewals, too.
func (m PaymentMethod) asksAlways() bool { return m.asks() && cardByNumber(m).asksAlways }

// cardDetails shows a card as a payment method shows it.
func cardDetails(m PaymentMethod) object {
	last4 := string(m[len(m)-4:])
	return object{
		"brand": "visa", "checks": object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"}, "country": "US",
		"display_brand": "visa", "exp_month": int64(12), "exp_year": int64(2034), "fingerprint": "test" + last4, "funding": "credit",
		"generated_from": nil, "last4": last4, "networks": object{"available": []string{"visa"}, "preferred": nil},
		"regulated_status": "unregulated", "three_d_secure_usage": object{"supported": true}, "wallet": nil,
	}
}

var (
	authenticationFailed = &PaymentError{
		Code:    "payment_intent_authentication_failure",
		Message: "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
	}
	authenticationRequired = &PaymentError{
		Code: "authentication_required", DeclineCode: "authentication_required",
		Message: "Your card was declined. This transaction requires authentication.",
	}
	noMethod = &PaymentError{
		Code: "resource_missing", Message: "This customer has no attached payment source or default payment method.",
	}
	debitFailed = &PaymentError{Code: "insufficient_funds", Message: "The customer's account has insufficient funds to cover this payment."}
)

// debits are the bank debits that BankDebit stands for.
var debits = []string{"us_bank_account", "sepa_debit", "bacs_debit", "acss_debit", "au_becs_debit"}

// debitDetails shows the account that the hosted page debits.
func debitDetails() object { return object{"fingerprint": "test6789", "last4": "6789"} }

// A debitOutcome is how the debit of a test account ends without Settle or Bounce.
type debitOutcome struct {
	bounces bool
	after   time.Duration
}

// debitOutcomes are the test accounts that settle or bounce by themselves, by the last four characters of their IBANs.
// Debits of other accounts wait for Settle or Bounce.
// https://docs.stripe.com/payments/sepa-debit/accept-a-payment#test-your-integration
var debitOutcomes = map[string]debitOutcome{
	"3201": {}, "3204": {after: 3 * time.Minute},
	"3202": {bounces: true}, "3205": {bounces: true, after: 3 * time.Minute},
	"3456": {bounces: true}, // the account that `stripe trigger checkout.session.async_payment_failed` debits
}
