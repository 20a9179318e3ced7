package checkouttest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createTaxRate makes a tax rate that the lines of sessions can name: https://docs.stripe.com/api/tax_rates/create
func (s *Server) createTaxRate(c *call) (object, *apiError) {
	p := c.params
	for _, name := range []string{"display_name", "inclusive", "percentage"} {
		if p.Get(name) == nil {
			return nil, missing(name)
		}
	}
	percentage, _ := new(big.Rat).SetString(p.Get("percentage").String()) // formparams has checked it
	if percentage.Sign() < 0 || percentage.Cmp(big.NewRat(100, 1)) > 0 {
		return nil, invalid("", "percentage", "The percentage must be between 0 and 100.")
	}
	if err := oneOf(p.Get("tax_type"), taxTypes...); err != nil {
		return nil, err
	}
	o := s.newTaxRate(p.Get("display_name").String(), p.Get("percentage").String(), p.Get("inclusive").Bool())
	if err := s.setTaxRate(o, p); err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("tax_rate.created", o, nil, c)
	return o, nil
}

// taxTypes are the kinds of taxes that a rate can be of.
var taxTypes = []string{"amusement_tax", "communications_tax", "gst", "hst", "igst", "jct", "lease_tax", "pst", "qst", "retail_delivery_fee", "rst", "sales_tax", "service_tax", "vat"}

func (s *Server) newTaxRate(name, percentage string, inclusive bool) object {
	return object{
		"id": s.newID("txr_1", 23), "object": "tax_rate", "active": true, "country": nil, "created": s.Now().Unix(), "description": nil, "display_name": name,
		"effective_percentage": nil, "flat_amount": nil, "inclusive": inclusive, "jurisdiction": nil, "jurisdiction_level": nil, "livemode": false,
		"metadata": object{}, "percentage": json.Number(percentage), "rate_type": "percentage", "state": nil, "tax_type": nil,
	}
}

func (s *Server) setTaxRate(o object, p *formparams.Param) *apiError {
	if country := p.Get("country"); country != nil && !isCountry(country.String()) {
		return invalid("country_unsupported", "country", "Invalid country: %s.", country.String())
	}
	o.set(p, "active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")
	return o.setMetadata(p)
}

func (s *Server) updateTaxRate(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "tax_rate")
	if err != nil {
		return nil, err
	}
	return o, s.update(c, o, "tax_rate.updated", s.setTaxRate)
}

// setTaxes reads the tax rates of a session's lines.
func (s *Server) setTaxes(sess *session) *apiError {
	for i, item := range sess.sent.Get("line_items").List() {
		sent := item.Get("tax_rates")
		if sent == nil {
			continue
		}
		switch {
		case sess.sent.Get("automatic_tax", "enabled").Bool():
			return invalid("", sent.Name, "You cannot pass `tax_rates` when automatic tax is enabled.")
		case sess.sent.Get("mode").String() != "payment":
			return invalid("", sent.Name, "This test server does not implement the parameter %s in subscription mode: it taxes one-time payments only.", sent.Name)
		}
		var rates []object
		for _, named := range sent.List() {
			rate := s.find(sess.account, "tax_rate", named.String())
			switch {
			case rate == nil:
				return noSuch(http.StatusBadRequest, "tax rate", named.String(), named.Name)
			case rate["active"] != true:
				return invalid("", named.Name, "The tax rate %s is not active.", named.String())
			}
			rates = append(rates, rate)
		}
		sess.tax(i, rates)
	}
	return nil
}

// tax sets the tax rates of a line.
func (sess *session) tax(line int, rates []object) {
	for len(sess.taxRates) <= line {
		sess.taxRates = append(sess.taxRates, nil)
	}
	sess.taxRates[line] = rates
}

// taxesOf returns the taxes of a line on an amount, and how much of them comes on top of it.
func (sess *session) taxesOf(line int, amount int64) (taxes []object, sum, onTop int64) {
	if line >= len(sess.taxRates) {
		return nil, 0, 0
	}
	hundred := big.NewRat(100, 1)
	within := new(big.Rat).Set(hundred) // the amount in hundredths of what is left without inclusive taxes
	for _, rate := range sess.taxRates[line] {
		if rate["inclusive"] == true {
			within.Add(within, percentageOf(rate))
		}
	}
	net := new(big.Rat).Quo(new(big.Rat).Mul(big.NewRat(amount, 1), hundred), within)
	for _, rate := range sess.taxRates[line] {
		tax := round(new(big.Rat).Quo(new(big.Rat).Mul(net, percentageOf(rate)), hundred))
		taxes = append(taxes, object{"amount": tax, "rate": rate, "taxability_reason": "standard_rated", "taxable_amount": round(net)})
		sum += tax
		if rate["inclusive"] == false {
			onTop += tax
		}
	}
	return taxes, sum, onTop
}

func percentageOf(rate object) *big.Rat {
	percentage, _ := new(big.Rat).SetString(fmt.Sprint(rate["percentage"]))
	return percentage
}

// standardRates are the percentages of automatic tax, by country and, in the United States, by state. They are fixed: those of the year
// 2025, without reduced rates and local taxes.
var standardRates = map[string]string{
	"AT": "20", "AU": "10", "BE": "21", "BG": "20", "CA": "5", "CH": "8.1", "CY": "19", "CZ": "21", "DE": "19", "DK": "25", "EE": "24", "ES": "21",
	"FI": "25.5", "FR": "20", "GB": "20", "GR": "24", "HR": "25", "HU": "27", "IE": "23", "IT": "22", "JP": "10", "LT": "21", "LU": "17", "LV": "21",
	"MT": "18", "NL": "21", "NO": "25", "NZ": "15", "PL": "23", "PT": "23", "RO": "21", "SE": "25", "SG": "9", "SI": "22", "SK": "23",
	"US-CA": "7.25", "US-FL": "6", "US-NY": "4", "US-TX": "6.25", "US-WA": "6.5",
}

// taxAutomatically taxes a session by where its customer is, if the shop is registered for taxes there. It reports whether the total has
// changed. https://docs.stripe.com/tax/checkout
func (s *Server) taxAutomatically(sess *session, buyer Buyer) bool {
	if tax := sess.object["automatic_tax"].(object); tax["enabled"] != true || sess.str("mode") != "payment" {
		return false
	}
	at := buyer.Address
	if sess.sent.Get("shipping_address_collection") != nil {
		at = buyer.ShipTo.Address
	}
	place := at.Country
	if place == "US" {
		place += "-" + at.State
	}
	percentage := standardRates[place]
	exempt := s.objects[sess.str("customer")]["tax_exempt"]
	if !slices.Contains(s.registrations, at.Country) || exempt != nil && exempt != "none" {
		percentage = ""
	}
	before := sess.object["amount_total"]
	for i, line := range sess.lines {
		var rates []object
		if percentage != "" {
			rates = []object{s.automaticRate(place, percentage, line["price"].(object)["tax_behavior"] == "inclusive")}
		}
		sess.tax(i, rates)
	}
	s.total(sess)
	return sess.object["amount_total"] != before
}

// automaticRate returns the tax rate of a place. The server makes each once.
func (s *Server) automaticRate(place, percentage string, inclusive bool) object {
	for _, rate := range s.byKind["tax_rate"] {
		if rate["jurisdiction"] == place && rate["inclusive"] == inclusive && rate["active"] == false {
			return rate
		}
	}
	name, typ := "VAT", "vat"
	if len(place) > 2 {
		name, typ = "Sales tax", "sales_tax"
	}
	rate := s.newTaxRate(name, percentage, inclusive)
	rate["active"], rate["country"], rate["jurisdiction"], rate["tax_type"] = false, place[:2], place, typ
	s.keep(&session{}, rate)
	return rate
}
