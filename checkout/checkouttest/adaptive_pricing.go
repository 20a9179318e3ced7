package checkouttest

import (
	"math/big"
	"regexp"
	"slices"
)

// Adaptive pricing has customers of other countries pay in their own currency. As in a sandbox, the customer's country is a part of the
// e-mail address: ada+location_FR@example.com.
// https://docs.stripe.com/payments/currencies/localize-prices/adaptive-pricing

// location matches the country in an e-mail address.
var location = regexp.MustCompile(`\+location_([A-Z]{2})[@+]`)

// localCurrencies are the currencies of countries. Members of the euro have none here.
var localCurrencies = map[string]string{
	"AU": "aud", "BR": "brl", "CA": "cad", "CH": "chf", "CZ": "czk", "DK": "dkk", "GB": "gbp", "HU": "huf", "IN": "inr", "JP": "jpy", "MX": "mxn", "NO": "nok",
	"NZ": "nzd", "PL": "pln", "RO": "ron", "SE": "sek", "SG": "sgd", "US": "usd",
}

// exchangeRates are fixed: units of a currency for a dollar, without Stripe's fee.
var exchangeRates = map[string]string{
	"aud": "1.52", "brl": "5.4", "cad": "1.37", "chf": "0.88", "czk": "23", "dkk": "6.86", "eur": "0.92", "gbp": "0.79", "huf": "360", "inr": "83.5", "jpy": "150",
	"mxn": "17.5", "nok": "10.7", "nzd": "1.65", "pln": "3.95", "ron": "4.6", "sek": "10.5", "sgd": "1.34", "usd": "1",
}

// localCurrency returns the currency of a country, or "".
func localCurrency(country string) string {
	if slices.Contains(euCountries, country) && localCurrencies[country] == "" && country != "BG" {
		return "eur"
	}
	return localCurrencies[country]
}

// presentment returns what the customer of a session pays in a currency of their own, or nil: the session has no adaptive pricing, or the
// customer's currency is that of the session.
func (sess *session) presentment(email string) any {
	enabled, _ := sess.object["adaptive_pricing"].(object)
	match := location.FindStringSubmatch(email)
	if enabled["enabled"] != true || match == nil || sess.str("mode") != "payment" {
		return nil
	}
	from, to := sess.str("currency"), localCurrency(match[1])
	if to == "" || to == from || exchangeRates[from] == "" {
		return nil
	}
	rate := func(currency string) *big.Rat {
		r, _ := new(big.Rat).SetString(exchangeRates[currency])
		return r.Mul(r, big.NewRat(minorUnits(currency), 1))
	}
	amount := big.NewRat(sess.object["amount_total"].(int64), 1)
	amount.Mul(amount, rate(to)).Quo(amount, rate(from))
	return object{"presentment_amount": round(amount), "presentment_currency": to}
}
