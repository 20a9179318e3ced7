package checkouttest

import "time"

var debitFailed = refusedWith("insufficient_funds", "", "The customer's account has insufficient funds to cover this payment.")

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
