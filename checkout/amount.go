package checkout

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/gofulfil/fulfil/store"
)

// The errors of Amount, for [errors.Is]. No error text repeats the input.
var (
	// ErrUnknownCurrency says that Stripe does not list a currency.
	ErrUnknownCurrency = errors.New("not a currency Stripe lists")
	// ErrAmountSyntax says that a text is not a plain decimal number, such as "19.99".
	ErrAmountSyntax = errors.New("not a plain decimal number like 1234.50")
	// ErrAmountPrecision says that an amount can't be charged in its currency, because it has too many decimals, or because
	// Stripe takes only multiples of 100 minor units (ISK and UGX) or of 10 (BHD, JOD, KWD, OMR and TND). Amounts are never
	// rounded.
	ErrAmountPrecision = errors.New("finer than the currency can be charged in")
	// ErrAmountOverflow says that an amount or the result of a calculation does not fit into 63 bits of minor units.
	ErrAmountOverflow = errors.New("amount out of range")
	// ErrCurrencyMismatch says that a calculation or a comparison has amounts of different currencies.
	ErrCurrencyMismatch = errors.New("amounts of different currencies")
)

// Amount is an exact amount of money: a currency, and a whole number of the minor units that Stripe counts it in. 1999 is
// 19.99 USD, 500 is 500 JPY, and 500 is 5 ISK (https://docs.stripe.com/currencies#minor-units). Amounts can be compared with
// ==. They can be negative. They are never rounded.
//
// The zero Amount has no currency and means "not set". No field that requires an amount accepts it. Zero dollars are
// MustAmount("0", "usd").
type Amount struct {
	minor    int64
	currency string
}

// AmountOf returns an amount of minor units. The currency's code may be in upper or lower case. The errors are
// ErrUnknownCurrency, ErrAmountPrecision and, for math.MinInt64, ErrAmountOverflow.
func AmountOf(minor int64, currency string) (Amount, error) {
	code := strings.ToLower(currency)
	rule, ok := currencyRuleOf(code)
	switch {
	case !ok:
		return Amount{}, fmt.Errorf("checkout: amount: %w", ErrUnknownCurrency)
	case minor == math.MinInt64:
		return Amount{}, fmt.Errorf("checkout: amount in %s: %w", code, ErrAmountOverflow)
	case minor%rule.step != 0:
		return Amount{}, fmt.Errorf("checkout: amount in %s: %w", code, ErrAmountPrecision)
	}
	return Amount{minor: minor, currency: code}, nil
}

// Total returns what an order comes to: what its session came to, with taxes, shipping and discounts, once the customer has
// completed it, and until then the sum of its lines. It is the zero Amount if only Stripe knows the prices, and for an order in
// setup mode.
func Total(o *store.Order) Amount {
	minor := o.Amounts.Total
	if o.Amounts == (store.Amounts{}) {
		for _, l := range o.Lines {
			minor += l.UnitAmount * l.Quantity
		}
	}
	if a := o.OpenAttempt(); a != nil && a.Quote != nil && a.Quote.Answered {
		minor = a.Quote.Subtotal
	}
	total, err := AmountOf(minor, o.Currency)
	if err != nil || minor == 0 && o.Amounts == (store.Amounts{}) {
		return Amount{}
	}
	return total
}

// FormatAmount returns an amount of minor units as a text for people, such as "19.99 USD". It is for the amounts of a
// [store.Order], such as FormatAmount(o.Refunded(), o.Currency). It never fails: an amount that Stripe would not charge is shown as
// "1999 minor units XYZ".
func FormatAmount(minor int64, currency string) string {
	amount, err := AmountOf(minor, currency)
	if err != nil {
		return strings.TrimSpace(strconv.FormatInt(minor, 10) + " minor units " + strings.ToUpper(currency))
	}
	return amount.String()
}

// ParseAmount reads a decimal number such as "19.99". The currency's code may be in upper or lower case. The text is an optional
// minus sign, digits, and optionally a point and more digits. It has no plus sign, no spaces, no exponent and no grouping.
// More decimals than the currency has must be zeros ("19.9900"); NUMERIC columns of databases write such numbers. The errors
// are ErrUnknownCurrency, ErrAmountSyntax, ErrAmountPrecision and ErrAmountOverflow.
func ParseAmount(decimal, currency string) (Amount, error) {
	code := strings.ToLower(currency)
	rule, ok := currencyRuleOf(code)
	if !ok {
		return Amount{}, fmt.Errorf("checkout: parse amount: %w", ErrUnknownCurrency)
	}
	minor, err := parseMinor(decimal, rule)
	if err != nil {
		return Amount{}, fmt.Errorf("checkout: parse amount in %s: %w", code, err)
	}
	return Amount{minor: minor, currency: code}, nil
}

// MustAmount is ParseAmount for constants in a program. It panics where ParseAmount returns an error.
func MustAmount(decimal, currency string) Amount {
	a, err := ParseAmount(decimal, currency)
	if err != nil {
		panic(err)
	}
	return a
}

// parseMinor returns the minor units of a decimal number.
func parseMinor(decimal string, rule currencyRule) (int64, error) {
	unsigned, negative := strings.CutPrefix(decimal, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if !onlyDigits(whole) || point && !onlyDigits(fraction) {
		return 0, ErrAmountSyntax
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > rule.decimals {
		return 0, ErrAmountPrecision
	}
	fraction += strings.Repeat("0", rule.decimals-len(fraction))
	// The text consists of digits, so the only possible error of ParseInt is the size.
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return 0, ErrAmountOverflow
	}
	if minor%rule.step != 0 {
		return 0, ErrAmountPrecision
	}
	if negative {
		minor = -minor
	}
	return minor, nil
}

func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Minor returns the number of minor units that Stripe takes.
func (a Amount) Minor() int64 { return a.minor }

// Currency returns the lower-case ISO code. The zero Amount has "".
func (a Amount) Currency() string { return a.currency }

// IsZero reports whether the number of minor units is zero, in any currency or in none.
func (a Amount) IsZero() bool { return a.minor == 0 }

// Decimal returns the text that ParseAmount reads, with all decimals of the currency: "19.90", "500" (JPY, ISK), "5.120" (KWD).
// It has no grouping and no currency symbol. The zero Amount is "0".
func (a Amount) Decimal() string {
	rule, _ := currencyRuleOf(a.currency)
	digits := strconv.FormatInt(a.minor, 10)
	sign := ""
	if a.minor < 0 {
		sign, digits = "-", digits[1:]
	}
	if missing := rule.decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - rule.decimals
	if rule.shown() == 0 {
		return sign + digits[:point]
	}
	return sign + digits[:point] + "." + digits[point:]
}

// String returns the amount with its currency, such as "19.99 USD". The zero Amount is "0".
func (a Amount) String() string {
	if a.currency == "" {
		return a.Decimal()
	}
	return a.Decimal() + " " + strings.ToUpper(a.currency)
}

// MarshalText returns the same text as String, and an empty text for the zero Amount. Package encoding/json uses it.
func (a Amount) MarshalText() ([]byte, error) {
	if a.currency == "" {
		return nil, nil
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads the text of MarshalText. Its errors are those of ParseAmount.
func (a *Amount) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Amount{}
		return nil
	}
	decimal, currency, _ := strings.Cut(string(text), " ")
	parsed, err := ParseAmount(decimal, currency)
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// Add returns a + b. Its errors are ErrCurrencyMismatch and ErrAmountOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.currency != b.currency {
		return Amount{}, fmt.Errorf("checkout: add %s and %s: %w", a.currency, b.currency, ErrCurrencyMismatch)
	}
	sum := a.minor + b.minor
	// Two amounts of one sign whose sum has the other have overflowed.
	if (a.minor^sum)&(b.minor^sum) < 0 || sum == math.MinInt64 {
		return Amount{}, fmt.Errorf("checkout: add: %w", ErrAmountOverflow)
	}
	return Amount{minor: sum, currency: a.currency}, nil
}

// Sub returns a - b, which may be negative. Its errors are ErrCurrencyMismatch and ErrAmountOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	return a.Add(Amount{minor: -b.minor, currency: b.currency})
}

// Mul returns the amount times a quantity. Its error is ErrAmountOverflow.
func (a Amount) Mul(quantity int64) (Amount, error) {
	hi, lo := bits.Mul64(magnitude(a.minor), magnitude(quantity))
	if hi != 0 || lo > math.MaxInt64 {
		return Amount{}, fmt.Errorf("checkout: multiply: %w", ErrAmountOverflow)
	}
	product := int64(lo)
	if (a.minor < 0) != (quantity < 0) {
		product = -product
	}
	return Amount{minor: product, currency: a.currency}, nil
}

// magnitude returns the absolute value. A uint64 has room for that of math.MinInt64, an int64 has not.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// Cmp returns a negative number if a is less than b, 0 if they are equal, and a positive number if a is more. Its error is
// ErrCurrencyMismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	if a.currency != b.currency {
		return 0, fmt.Errorf("checkout: compare %s and %s: %w", a.currency, b.currency, ErrCurrencyMismatch)
	}
	return cmp.Compare(a.minor, b.minor), nil
}

// currencyCodes are the presentment currencies and the three-decimal currencies that Stripe lists, in lower case. Replaced codes
// (hrk, lvl, mro, sll …) are left out, because Stripe refuses new charges in them.
//
// Sources: https://docs.stripe.com/currencies#presentment-currencies and https://docs.stripe.com/currencies#three-decimal.
const currencyCodes = " aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd" +
	" cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg" +
	" huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop" +
	" mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr" +
	" sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof" +
	" xpf yer zar zmw "

// currencyRule says how Stripe counts one currency.
type currencyRule struct {
	decimals int   // one unit of the currency has ten to this power minor units
	step     int64 // an amount is a multiple of this many minor units
	max      int64 // the largest payment in minor units
}

// shown returns how many decimals an amount is written with. Stripe counts ISK and UGX in hundredths, which can't be charged
// and are not written.
func (r currencyRule) shown() int {
	if r.step == 100 {
		return r.decimals - 2
	}
	return r.decimals
}

// currencyRuleOf returns the rule of a currency by its lower-case code, and reports whether Stripe lists the currency.
//
// Sources: https://docs.stripe.com/currencies#zero-decimal, #three-decimal, #special-cases and
// #minimum-and-maximum-charge-amounts.
func currencyRuleOf(code string) (currencyRule, bool) {
	if len(code) != 3 || !strings.Contains(currencyCodes, " "+code+" ") {
		return currencyRule{}, false
	}
	r := currencyRule{decimals: 2, step: 1, max: 99_999_999}
	switch code {
	case "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf":
		r.decimals = 0
	case "isk", "ugx":
		r.step = 100
	case "bhd", "jod", "kwd", "omr", "tnd":
		r.decimals, r.step = 3, 10
	}
	switch code {
	case "idr", "cop", "huf", "inr", "jpy", "lbp":
		// Stripe documents twelve digits for IDR, and eight for the others, in which eight digits are little money. Stripe has
		// raised the limits of some currencies over time. An amount between eight and twelve digits is sent to Stripe, because
		// refusing a payment that Stripe would take is the worse mistake.
		r.max = 999_999_999_999
	}
	return r, true
}
