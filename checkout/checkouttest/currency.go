package checkouttest

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// currencies are the currencies that a session can have: https://docs.stripe.com/currencies
var currencies = strings.Fields(`aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr
isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn
nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top
try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw`)

func badCurrency(param, currency string) *apiError {
	return invalid("", param, "Invalid currency: %s. Stripe currently supports these currencies: %s", currency, strings.Join(currencies, ", "))
}

// Currencies without minor units, and with three decimals: https://docs.stripe.com/currencies
var (
	zeroDecimal  = strings.Fields("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
	threeDecimal = strings.Fields("bhd jod kwd omr tnd")
	symbols      = map[string]string{"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
)

// minorUnits returns how many minor units make one unit of a currency.
func minorUnits(currency string) int64 {
	switch {
	case slices.Contains(zeroDecimal, currency):
		return 1
	case slices.Contains(threeDecimal, currency):
		return 1000
	default:
		return 100
	}
}

// money writes an amount of minor units for people.
func money(amount int64, currency string) string {
	unit := minorUnits(currency)
	decimals := len(fmt.Sprint(unit)) - 1
	whole := fmt.Sprint(amount / unit)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if decimals > 0 {
		whole += fmt.Sprintf(".%0*d", decimals, amount%unit)
	}
	if symbol := symbols[currency]; symbol != "" {
		return symbol + whole
	}
	return whole + " " + strings.ToUpper(currency)
}

// round returns the nearest whole amount. It rounds halves up.
func round(r *big.Rat) int64 {
	n := new(big.Int).Mul(r.Num(), big.NewInt(2))
	n.Add(n, r.Denom())
	return n.Div(n, new(big.Int).Mul(r.Denom(), big.NewInt(2))).Int64()
}

// floor rounds down to a whole number.
func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

// minimums are the smallest amounts that can be charged, in minor units. In other currencies Stripe asks for the worth of
// 0.50 USD. https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
var minimums = map[string]int64{
	"aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500,
	"inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}
