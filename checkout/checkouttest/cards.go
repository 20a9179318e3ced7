package checkouttest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// A PaymentMethod is what a customer pays with: one of Stripe's test cards, BankDebit or BankTransfer. A test card is its number, with or
// without spaces, or its name in the API: pm_card_… or tok_…. https://docs.stripe.com/testing
type PaymentMethod string

// Payment methods that tests often need. All test cards of https://docs.stripe.com/testing can be used.
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
	// CardDisputed is paid. Its owner disputes the payment at once, as fraudulent.
	CardDisputed PaymentMethod = "4000000000000259"
	// CardRenewalFails can be saved, also with a trial or in setup mode. Each charge is declined.
	CardRenewalFails PaymentMethod = "4000000000000341"
	// CardRefundPending is paid. Its refunds are pending for a day, and then succeed: https://docs.stripe.com/testing#refunds
	CardRefundPending PaymentMethod = "4000000000007726"
	// CardRefundFails is paid. Its refunds succeed at once, and fail after a day.
	CardRefundFails PaymentMethod = "4000000000005126"
	// BankDebit is a delayed method. A session paid with it is complete and unpaid until Settle or Bounce.
	BankDebit PaymentMethod = "bank_debit"
	// BankTransfer is a delayed method of sessions with the type customer_balance. A session paid with it is complete and unpaid until the
	// customer has transferred the whole amount: by Transfer, by Settle, which transfers what is missing, or by the API's fund_cash_balance.
	BankTransfer PaymentMethod = "bank_transfer"
)

// A testCard is a card of Stripe's test mode, and how it behaves.
type testCard struct {
	Number PaymentMethod
	// names are the card's names in the API, after pm_card_ and tok_, separated by spaces.
	names string
	// Effect is what the hosted page says of the card. The page offers only cards with an effect, and takes all.
	Effect string

	brand, country, funding string // empty: visa, US, credit
	network                 string // that shares the card with its brand; empty: none

	asks       bool // it asks to authenticate a payment that the customer makes
	asksAlways bool // it asks in renewals, too
	// refusal is the error with which the bank declines the charges of the card. A card that asks to authenticate is declined
	// after the challenge. Nil: the card is paid.
	refusal *PaymentError
	savable bool   // the card can be saved, although its charges are declined
	risk    string // risk_level; empty: normal
	blocked bool   // Stripe's own rules decline the card, and the bank is not asked

	addressCheck, postalCheck, cvcCheck string // results of the checks; empty: pass

	disputes       []disputeTerms // with which the owner disputes a payment at once
	fraudWarning   bool           // the card network warns of fraud, at once
	refundsPending bool
	refundsFail    bool
	available      bool // the money is available at once
}

// disputeTerms say how a payment is disputed.
type disputeTerms struct {
	reason  string
	inquiry bool // the bank only asks about the payment at first
}

// The errors of declined cards have the codes of https://docs.stripe.com/testing#declined-payments and the messages that
// Stripe's answers have.
var (
	declined          = refusedWith("card_declined", "generic_decline", "Your card was declined.").advising("try_again_later")
	insufficientFunds = refusedWith("card_declined", "insufficient_funds", "Your card has insufficient funds.")
	incorrectCVC      = refusedWith("incorrect_cvc", "", "Your card's security code is incorrect.")
)

// testCards is the one table of test cards: https://docs.stripe.com/testing, https://docs.stripe.com/radar/testing. Radar
// rules that a shop can switch are off, except the one that blocks the highest risk.
var testCards = []testCard{
	// By brand.
	{Number: CardOK, names: "visa us", Effect: "is paid"},
	{Number: "4000056655665556", names: "visa_debit", funding: "debit"},
	{Number: "5555555555554444", names: "mastercard", brand: "mastercard"},
	{Number: "2223003122003222", brand: "mastercard"},
	{Number: "5200828282828210", names: "mastercard_debit", brand: "mastercard", funding: "debit"},
	{Number: "5105105105105100", names: "mastercard_prepaid", brand: "mastercard", funding: "prepaid"},
	{Number: "378282246310005", names: "amex amex_threeDSecureNotSupported", brand: "amex"},
	{Number: "371449635398431", brand: "amex"},
	{Number: "6011111111111117", names: "discover", brand: "discover"},
	{Number: "6011000990139424", brand: "discover"},
	{Number: "6011981111111113", brand: "discover", funding: "debit"},
	{Number: "3056930009020004", names: "diners", brand: "diners"},
	{Number: "36227206271667", brand: "diners"},
	{Number: "6555900000604105", brand: "discover", country: "KR"},
	{Number: "3566002020360505", names: "jcb", brand: "jcb", country: "JP"},
	{Number: "3530111333300000", brand: "jcb", country: "JP"},
	{Number: "6200000000000005", names: "unionpay", brand: "unionpay", country: "CN"},
	{Number: "6200000000000047", brand: "unionpay", country: "CN", funding: "debit"},
	{Number: "6205500000000000004", brand: "unionpay", country: "CN"},
	{Number: "5062210000000009", brand: "unknown", country: "MX"},
	{Number: "4000002500001001", names: "visa_cartesBancaires", country: "FR", network: "cartes_bancaires"},
	{Number: "5555552500001001", names: "mastercard_cartesBancaires", brand: "mastercard", country: "FR", network: "cartes_bancaires"},
	{Number: "4000050360000001", names: "visa_debit_eftposAuCoBranded", country: "AU", funding: "debit", network: "eftpos_au"},
	{Number: "5555050360000080", names: "mastercard_debit_eftposAuCoBranded", brand: "mastercard", country: "AU", funding: "debit", network: "eftpos_au"},
	{Number: "4000051230000072", names: "debit_visaFsaProductCode debit_visaHsaProductCode", funding: "debit"},
	{Number: "5200828282828897", names: "mastercard_debit_mastercardFsaProductCode", brand: "mastercard", funding: "debit"},

	// By country.
	{Number: "4000000320000021", names: "ar", country: "AR"},
	{Number: "4000000760000002", names: "br", country: "BR"},
	{Number: "4000001240000000", names: "ca", country: "CA"},
	{Number: "4000001520000001", names: "cl", country: "CL"},
	{Number: "4000001700000003", names: "co", country: "CO"},
	{Number: "4000001880000005", names: "cr", country: "CR"},
	{Number: "4000002180000000", names: "ec", country: "EC"},
	{Number: "4000004840008001", names: "mx", country: "MX"},
	{Number: "4000005910000000", names: "pa", country: "PA"},
	{Number: "4000006000000066", names: "py", country: "PY"},
	{Number: "4000006040000068", names: "pe", country: "PE"},
	{Number: "4000008580000003", names: "uy", country: "UY"},
	{Number: "4000007840000001", names: "ae", country: "AE"},
	{Number: "5200007840000022", names: "ae_mastercard", brand: "mastercard", country: "AE"},
	{Number: "4000000400000008", names: "at", country: "AT"},
	{Number: "4000000560000004", names: "be", country: "BE"},
	{Number: "4000001000000000", names: "bg", country: "BG"},
	{Number: "4000001120000005", names: "by", country: "BY"},
	{Number: "4000001910000009", names: "hr", country: "HR"},
	{Number: "4000001960000008", names: "cy", country: "CY"},
	{Number: "4000002030000002", names: "cz", country: "CZ"},
	{Number: "4000002080000001", names: "dk", country: "DK"},
	{Number: "4000002330000009", names: "ee", country: "EE"},
	{Number: "4000002460000001", names: "fi", country: "FI"},
	{Number: "4000002500000003", names: "fr", country: "FR"},
	{Number: "4000002760000016", names: "de", country: "DE"},
	{Number: "4000002920000005", names: "gi", country: "GI"},
	{Number: "4000003000000030", names: "gr", country: "GR"},
	{Number: "4000003480000005", names: "hu", country: "HU"},
	{Number: "4000003720000005", names: "ie", country: "IE"},
	{Number: "4000003800000008", names: "it", country: "IT"},
	{Number: "4000004280000005", names: "lv", country: "LV"},
	{Number: "4000004380000004", names: "li", country: "LI"},
	{Number: "4000004400000000", names: "lt", country: "LT"},
	{Number: "4000004420000006", names: "lu", country: "LU"},
	{Number: "4000004700000007", names: "mt", country: "MT"},
	{Number: "4000005280000002", names: "nl", country: "NL"},
	{Number: "4000005780000007", names: "no", country: "NO"},
	{Number: "4000006160000005", names: "pl", country: "PL"},
	{Number: "4000006200000007", names: "pt", country: "PT"},
	{Number: "4000006420000001", names: "ro", country: "RO"},
	{Number: "4000006820000007", country: "SA"},
	{Number: "4000007050000006", names: "si", country: "SI"},
	{Number: "4000007030000001", names: "sk", country: "SK"},
	{Number: "4000007240000007", names: "es", country: "ES"},
	{Number: "4000007520000008", names: "se", country: "SE"},
	{Number: "4000007560000009", names: "ch", country: "CH"},
	{Number: "4000008260000000", names: "gb", country: "GB"},
	{Number: "4000058260000005", names: "gb_debit", country: "GB", funding: "debit"},
	{Number: "5555558265554449", names: "gb_mastercard", brand: "mastercard", country: "GB"},
	{Number: "4000000360000006", names: "au", country: "AU"},
	{Number: "4000001560000002", names: "cn", country: "CN"},
	{Number: "4000003440000004", names: "hk", country: "HK"},
	{Number: "4000003560000008", names: "in", country: "IN"},
	{Number: "4000003920000003", names: "jp", country: "JP"},
	{Number: "4000004580000002", names: "my", country: "MY"},
	{Number: "4000005540000008", names: "nz", country: "NZ"},
	{Number: "4000007020000003", names: "sg", country: "SG"},
	{Number: "4000001580000008", names: "tw", country: "TW"},
	{Number: "4000007640000003", names: "th_credit", country: "TH"},
	{Number: "4000057640000008", names: "th_debit", country: "TH", funding: "debit"},

	// Declined.
	{Number: CardDeclined, names: "chargeDeclined visa_chargeDeclined", Effect: "is declined", refusal: declined},
	{Number: CardInsufficientFunds, names: "chargeDeclinedInsufficientFunds visa_chargeDeclinedInsufficientFunds", Effect: "lacks funds", refusal: insufficientFunds},
	{
		Number: CardExpired, names: "chargeDeclinedExpiredCard visa_chargeDeclinedExpiredCard", Effect: "has expired",
		refusal: refusedWith("expired_card", "", "Your card has expired."),
	},
	{Number: "4000000000009987", names: "visa_chargeDeclinedLostCard", refusal: refusedWith("card_declined", "lost_card", "Your card was declined.")},
	{Number: "4000000000009979", names: "visa_chargeDeclinedStolenCard", refusal: refusedWith("card_declined", "stolen_card", "Your card was declined.")},
	{Number: "4000000000000127", names: "chargeDeclinedIncorrectCvc", refusal: incorrectCVC},
	{
		Number: "4000000000000119", names: "chargeDeclinedProcessingError",
		refusal: refusedWith("processing_error", "", "An error occurred while processing your card. Try again in a little bit."),
	},
	{
		Number: "4000000000006975", names: "visa_chargeDeclinedVelocityLimitExceeded",
		refusal: refusedWith("card_declined", "card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."),
	},
	{Number: CardRenewalFails, names: "chargeCustomerFail", refusal: declined, savable: true},

	// Fraud.
	{
		Number: "4100000000000019", names: "radarBlock chargeDeclinedFraudulent", risk: "highest", blocked: true,
		refusal: refusedWith("card_declined", "fraudulent", "Your card was declined."),
	},
	{Number: "4000000000004954", names: "riskLevelHighest", risk: "highest", blocked: true, refusal: refusedWith("card_declined", "generic_decline", "Your card was declined.")},
	{Number: "4000000000009235", names: "riskLevelElevated", risk: "elevated"},
	{Number: "4000008400000407", names: "highFraudDisputeScore"},
	{Number: "4000008400000159", names: "highEfwScore"},
	{Number: "4000008400001017", names: "radarDynamicRiskThreshold"},
	{Number: "4001858821843804", names: "freeTrialAbuseBlock"},
	{Number: "4000008405600003", names: "adaptive3dsChallenge"},
	{Number: "4000000000001208"}, // shows a captcha, as the next one does
	{Number: "4000000000003725"},
	{Number: "4000000000000101", names: "cvcCheckFail", cvcCheck: "fail", refusal: incorrectCVC, savable: true},
	{Number: "4000058400307872", names: "cvcCheckFailElevatedRisk", cvcCheck: "fail", risk: "elevated"},
	{Number: "4000000000000036", names: "avsZipFail", postalCheck: "fail"},
	{Number: "4000058400306072", names: "avsZipFailElevatedRisk", postalCheck: "fail", risk: "elevated"},
	{Number: "4000000000000028", names: "avsLine1Fail", addressCheck: "fail"},
	{Number: "4000000000000010", names: "avsFail", addressCheck: "fail", postalCheck: "fail"},
	{Number: "4000000000000044", names: "avsUnchecked", addressCheck: "unavailable", postalCheck: "unavailable"},

	// Disputes.
	{Number: CardDisputed, names: "createDispute", disputes: []disputeTerms{{reason: "fraudulent"}}},
	{Number: "4000000000002685", names: "createDisputeProductNotReceived", disputes: []disputeTerms{{reason: "product_not_received"}}},
	{Number: "4000000000001976", names: "createDisputeInquiry", disputes: []disputeTerms{{reason: "fraudulent", inquiry: true}}},
	{Number: "4000000404000079", names: "createMultipleDisputes", disputes: []disputeTerms{{reason: "fraudulent"}, {reason: "fraudulent"}}},
	{Number: "4000000404000038", names: "createCe3EligibleDispute", disputes: []disputeTerms{{reason: "fraudulent"}}},
	{Number: "4000008400000779", names: "createComplianceDispute", disputes: []disputeTerms{{reason: "noncompliant"}}},
	{Number: "5105008400000002", names: "createMastercardComplianceDispute", brand: "mastercard", disputes: []disputeTerms{{reason: "noncompliant"}}},
	{Number: "4000000001000043", names: "createAutoRepresentmentEligibleDispute", disputes: []disputeTerms{{reason: "fraudulent"}}},
	{Number: "4000000000005423", names: "createIssuerFraudRecord", fraudWarning: true},

	// Refunds and the balance.
	{Number: CardRefundPending, names: "pendingRefund", refundsPending: true},
	{Number: CardRefundFails, names: "refundFail", refundsFail: true},
	{Number: "4000000000000077", names: "bypassPending", available: true},
	{Number: "4000003720000278", names: "bypassPendingInternational", country: "IE", available: true},
	{Number: "4000000000000093", names: "domesticPricing"},

	// 3-D Secure.
	{Number: Card3DS, names: "threeDSecure2Required threeDSecureRequired", Effect: "asks to authenticate", country: "IE", asks: true},
	{Number: CardAlways3DS, names: "authenticationRequired", Effect: "asks each time", country: "DE", asks: true, asksAlways: true},
	{Number: "4000002500003155", names: "authenticationRequiredOnSetup", country: "FR", asks: true},
	{Number: "4000003800000446", names: "authenticationRequiredSetupForOffSession", country: "IT", asks: true},
	{
		Number: "4000008260003178", names: "authenticationRequiredChargeDeclinedInsufficientFunds", country: "GB", asks: true,
		refusal: insufficientFunds, savable: true,
	},
	{Number: "4000008400000027", asks: true},
	{Number: "4000008400001629", names: "threeDSecureRequiredChargeDeclined", asks: true, refusal: declined, savable: true},
	{Number: "4000008400001280", names: "threeDSecureRequiredProcessingError", refusal: declined},
	{Number: "4000000000003055", names: "threeDSecureOptional"},
	{Number: "4000000000003097", names: "threeDSecureOptionalProcessingError"},
	{Number: "4000000032200000"}, // authenticates without a challenge
	{Number: "4000582600000094"}, // challenges in mobile apps only, as the next ones do
	{Number: "4000582600000045"},
	{Number: "4000582600000102"},
	{Number: "4000582600000110"},

	// Payments with a PIN, at a reader: https://docs.stripe.com/testing#terminal. A PIN is a matter of the reader alone. On a page
	// and over the API these are cards that are paid. They have no names that the API takes.
	{Number: "4001007020000002", country: "SG"}, // offline PIN
	{Number: "4000008260000075", country: "GB"}, // offline PIN, after a contactless try
	{Number: "4001000360000005", country: "AU"}, // online PIN
	{Number: "4000002760000008", country: "DE"}, // online PIN, after a contactless try
}

// badNumber is the number that Stripe documents for its error incorrect_number.
const badNumber = "4242424242424241"

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

// cardByFingerprint finds the card that an object of the API shows. Different cards share their last four digits, and have
// fingerprints of their own.
func cardByFingerprint(fingerprint string) *testCard {
	return cardWhere(func(c testCard) bool { return fingerprints[c.Number] == fingerprint })
}

// cardByName finds a card by its name in the API, without pm_card_ or tok_.
func cardByName(name string) *testCard {
	return cardWhere(func(c testCard) bool { return slices.Contains(strings.Fields(c.names), name) })
}

// fingerprints has the fingerprint of each card, by number: https://docs.stripe.com/api/cards/object#card_object-fingerprint
var fingerprints = func() map[PaymentMethod]string {
	all := map[PaymentMethod]string{}
	for _, c := range testCards {
		sum := sha256.Sum256([]byte(c.Number))
		all[c.Number] = hex.EncodeToString(sum[:8])
	}
	return all
}()

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

// card returns the test card that a method names, or nil.
func (m PaymentMethod) card() *testCard {
	text := string(m)
	for _, prefix := range []string{"pm_card_", "tok_"} {
		if name, ok := strings.CutPrefix(text, prefix); ok {
			return cardByName(name)
		}
	}
	return cardByNumber(PaymentMethod(strings.ReplaceAll(text, " ", "")))
}

// normal returns the number of a test card, and any other method as it is.
func (m PaymentMethod) normal() PaymentMethod {
	if card := m.card(); card != nil {
		return card.Number
	}
	return m
}

func (m PaymentMethod) isCard() bool { return m.card() != nil }

func (m PaymentMethod) isKnown() bool { return m == BankDebit || m.isCard() }

// refusal returns the error with which charges of a card are declined. It returns nil for a method that is paid.
func (m PaymentMethod) refusal() *PaymentError {
	card := m.card()
	if card == nil {
		return nil
	}
	return card.refusal
}

// saveRefusal returns the error with which Stripe refuses to save a card. It returns nil for a method that can be saved.
// https://docs.stripe.com/testing#declined-payments
func (m PaymentMethod) saveRefusal() *PaymentError {
	card := m.card()
	if card == nil || card.savable {
		return nil
	}
	return card.refusal
}

// asks reports whether a method asks the customer to authenticate.
func (m PaymentMethod) asks() bool {
	card := m.card()
	return card != nil && card.asks
}

// asksAlways reports whether a method asks the customer to authenticate renewals, too.
func (m PaymentMethod) asksAlways() bool { return m.asks() && m.card().asksAlways }

// checks shows the results of a card's checks against a billing address. A field that the customer did not give is not
// checked.
func (c testCard) checks(address object) object {
	check := func(given bool, result string) any {
		switch {
		case !given:
			return nil
		case result == "":
			return "pass"
		default:
			return result
		}
	}
	return object{
		"address_line1_check":       check(address.str("line1") != "", c.addressCheck),
		"address_postal_code_check": check(address.str("postal_code") != "", c.postalCheck),
		"cvc_check":                 check(true, c.cvcCheck),
	}
}

// unchecked shows the checks of a card that no bank has seen yet.
func unchecked(address object) object {
	check := func(field string) any {
		if address.str(field) == "" {
			return nil
		}
		return "unchecked"
	}
	return object{"address_line1_check": check("line1"), "address_postal_code_check": check("postal_code"), "cvc_check": "unchecked"}
}

// check has the bank check a payment method, if it is a card: that happens when the card is first used or saved.
// https://docs.stripe.com/api/payment_methods/object#payment_method_object-card-checks-cvc_check
func check(pm object) {
	if shown, ok := pm["card"].(object); ok {
		checks := cardByFingerprint(shown.str("fingerprint")).checks(pm["billing_details"].(object)["address"].(object))
		pm["card"] = shown.with(object{"checks": checks})
	}
}

// sandboxExpiry is the expiry date of the cards that every sandbox has, such as pm_card_visa: a year from now.
func (s *Server) sandboxExpiry() object {
	now := s.Now().UTC()
	return object{"exp_month": int64(now.Month()), "exp_year": int64(now.Year() + 1)}
}

func (c testCard) last4() string { return string(c.Number[len(c.Number)-4:]) }

// shown returns what payment methods and charges alike show of a card.
func (c testCard) shown(address object) object {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	return object{
		"brand": or(c.brand, "visa"), "checks": c.checks(address), "country": or(c.country, "US"), "exp_month": int64(12), "exp_year": int64(2034),
		"fingerprint": fingerprints[c.Number], "funding": or(c.funding, "credit"), "last4": c.last4(), "wallet": nil,
	}
}

// displayBrands are the names that a payment method has for brands under display_brand, where they differ.
// https://docs.stripe.com/api/payment_methods/object#payment_method_object-card-display_brand
var displayBrands = map[string]string{
	"amex": "american_express", "diners": "diners_club", "eftpos_au": "eftpos_australia", "unionpay": "union_pay", "unknown": "other",
}

// asMethod shows a card as a payment method shows it: https://docs.stripe.com/api/payment_methods/object#payment_method_object-card
func (c testCard) asMethod(address object) object {
	o := c.shown(address)
	networks, display := []string{o.str("brand")}, o.str("brand")
	if c.network != "" {
		networks, display = []string{c.network, o.str("brand")}, c.network
	}
	if name, differs := displayBrands[display]; differs {
		display = name
	}
	return o.with(object{
		"display_brand": display, "generated_from": nil, "networks": object{"available": networks, "preferred": nil}, "regulated_status": "unregulated",
		"three_d_secure_usage": object{"supported": c.brand != "amex"},
	})
}

func refusedWith(code, declineCode, message string) *PaymentError {
	return &PaymentError{Code: code, DeclineCode: declineCode, Message: message}
}

// advising returns the error with an advice code: https://docs.stripe.com/declines/codes#retrying-issuer-declines
func (e *PaymentError) advising(advice string) *PaymentError {
	e.AdviceCode = advice
	return e
}

var (
	authenticationFailed = refusedWith("payment_intent_authentication_failure", "",
		"We are unable to authenticate your payment method. Please choose a different payment method and try again.")
	authenticationRequired = refusedWith("authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication.")
	noMethod               = refusedWith("resource_missing", "", "This customer has no attached payment source or default payment method.")
)
