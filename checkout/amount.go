package checkout

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Errors of Amount, for errors.Is. No error text repeats its input.
var (
	// ErrUnknownCurrency says that a currency is not among those Stripe lists.
	ErrUnknownCurrency = errors.New("not a currency Stripe lists")
	// ErrAmountSyntax says that a text is not a plain decimal number.
	ErrAmountSyntax = errors.New("not a plain decimal number like 1234.50")
	// ErrAmountPrecision says that an amount can't be charged in its currency: it has too many decimals, or is not a
	// multiple of what Stripe asks for (100 in ISK and UGX, 10 in BHD, JOD, KWD, OMR and TND). Nothing is ever rounded.
	ErrAmountPrecision = errors.New("finer than the currency can be charged in")
	// ErrAmountOverflow says that an amount or a result has no room in 63 bits of minor units.
	ErrAmountOverflow = errors.New("amount out of range")
	// ErrCurrencyMismatch says that two amounts of different currencies were brought together.
	ErrCurrencyMismatch = errors.New("amounts of different currencies")
)

// Amount is an exact amount of money: a whole number of minor units as Stripe takes them (1999 is 19.99 USD, 500 is
// 500 JPY, 500 is 5 ISK) and a currency. It is comparable with ==, can be negative, and is never rounded.
//
// The zero Amount has no currency: it stands for "not set" and is accepted nowhere an amount is needed.
// Zero dollars are AmountOf(0, "usd").
//
// How each currency is counted: https://docs.stripe.com/currencies#minor-units.
type Amount struct {
	minor    int64
	currency string
}

// AmountOf returns minor units of a currency, whose code may be in either case. Its errors are ErrUnknownCurrency,
// ErrAmountPrecision and, for math.MinInt64, ErrAmountOverflow.
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

// ParseAmount reads a decimal number such as "19.99" as an amount of a currency, whose code may be in either case.
// The text is an optional minus sign, digits, and optionally a point and more digits: no plus sign, spaces, exponent
// or grouping. Further decimals are accepted only if they are zeros ("19.9900"), as a NUMERIC column writes them.
// Its errors are ErrUnknownCurrency, ErrAmountSyntax, ErrAmountPrecision and ErrAmountOverflow.
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

// MustAmount is ParseAmount for literals: it panics where ParseAmount returns an error.
func MustAmount(decimal, currency string) Amount {
	a, err := ParseAmount(decimal, currency)
	if err != nil {
		panic(err)
	}
	return a
}

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
	// Only digits are left, so that the one thing ParseInt can object to is the size.
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

// Minor returns the minor units, as Stripe takes them.
func (a Amount) Minor() int64 { return a.minor }

// Currency returns the lower-case ISO code, or "" of the zero Amount.
func (a Amount) Currency() string { return a.currency }

// IsZero reports whether the amount is nothing, in whatever currency or in none.
func (a Amount) IsZero() bool { return a.minor == 0 }

// Decimal returns the amount as ParseAmount reads it, with all decimals of its currency: "19.90", "500" (JPY, ISK),
// "5.120" (KWD). It has no grouping and no symbol. The zero Amount is "0".
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

// String returns the amount with its currency, "19.99 USD", for people and logs. The zero Amount is "0".
func (a Amount) String() string {
	if a.currency == "" {
		return a.Decimal()
	}
	return a.Decimal() + " " + strings.ToUpper(a.currency)
}

// MarshalText writes what String returns, and nothing for the zero Amount, so that an amount survives JSON.
func (a Amount) MarshalText() ([]byte, error) {
	if a.currency == "" {
		return nil, nil
	}
	return []byte(a.String()), nil
}

// UnmarshalText reads what MarshalText writes. Its errors are those of ParseAmount.
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

// magnitude is the absolute value; unlike an int64, a uint64 has room for that of math.MinInt64.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// Cmp compares a and b: negative if a is less, 0 if they are equal, positive if a is more. Its error is
// ErrCurrencyMismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	if a.currency != b.currency {
		return 0, fmt.Errorf("checkout: compare %s and %s: %w", a.currency, b.currency, ErrCurrencyMismatch)
	}
	return cmp.Compare(a.minor, b.minor), nil
}

// currencyCodes are the presentment currencies Stripe lists, lower case, plus its three-decimal ones. Codes that were
// replaced (hrk, lvl, mro, sll …) are left out: Stripe refuses new charges in them.
//
// Source: https://docs.stripe.com/currencies#presentment-currencies and
// https://docs.stripe.com/currencies#three-decimal.
const currencyCodes = " aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd" +
	" cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg" +
	" huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop" +
	" mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr" +
	" sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof" +
	" xpf yer zar zmw "

// currencyRule is how Stripe counts one currency.
type currencyRule struct {
	decimals int   // minor units are the amount times ten to this power
	step     int64 // minor units must be a multiple of this
	max      int64 // the most minor units one payment can have
}

// shown is how many decimals an amount is written with: ISK and UGX are counted in hundredths that can't be charged.
func (r currencyRule) shown() int {
	if r.step == 100 {
		return r.decimals - 2
	}
	return r.decimals
}

// currencyRuleOf returns the rule of a lower-case code, and whether Stripe lists it.
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
		// Twelve digits are documented for IDR. In the others eight digits are little money, and Stripe has raised its
		// limit for single currencies over time: between eight and twelve digits the answer is left to Stripe, because
		// refusing what it would take is the worse mistake.
		r.max = 999_999_999_999
	}
	return r, true
}
