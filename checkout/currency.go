package checkout

import "strings"

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
