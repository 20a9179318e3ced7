package checkouttest

import (
	"crypto/rand"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

// currencies are those that a session can be in: https://docs.stripe.com/currencies
var currencies = strings.Fields(`aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr
isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn
nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top
try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw`)

// maxTotal keeps sums far from overflow; Stripe's own limits are lower and differ by currency.
const maxTotal = 999_999_999_999

// A Price is a price that sessions can name by its ID.
type Price struct {
	ID         string // default: made up
	Product    string // ID of its product; default: made up
	Name       string // of the product
	Currency   string // three lower-case letters
	UnitAmount int64  // minor units
	Interval   string // day, week, month or year: a recurring price; empty: a one-time price
}

// AddPrice adds a price and its product to the account, and returns the price's ID.
func (s *Server) AddPrice(p Price) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now().Unix()
	if p.Product == "" {
		p.Product = "prod_" + rand.Text()[:14]
	}
	platform := &session{}
	s.keep(platform, newProduct(p.Product, p.Name, nil, now))
	if p.ID == "" {
		p.ID = "price_" + rand.Text()[:24]
	}
	var recurring object
	if p.Interval != "" {
		recurring = newRecurring(p.Interval, 1)
	}
	s.keep(platform, newPrice(p.ID, p.Product, p.Currency, big.NewRat(p.UnitAmount, 1), recurring, true, now))
	return p.ID
}

// newLines builds the line items that a request asks for.
func (s *Server) newLines(sess *session, now int64) ([]object, *apiError) {
	p := sess.sent
	var lines []object
	var oneTime, recurring int
	total := new(big.Rat)
	for _, item := range p.get("line_items").list() {
		price, err := s.linePrice(sess, item, now)
		if err != nil {
			return nil, err
		}
		if price["recurring"] == nil {
			oneTime++
		} else {
			recurring++
		}
		quantity := item.get("quantity")
		switch {
		case quantity == nil:
			return nil, invalid("parameter_missing", item.name, "Quantity is required. Add `quantity` to `%s`", item.name)
		case quantity.int() < 1:
			return nil, invalid("parameter_invalid_integer", quantity.name, "This value must be greater than or equal to 1.")
		}
		unit, _ := new(big.Rat).SetString(price.str("unit_amount_decimal"))
		exact := new(big.Rat).Mul(unit, big.NewRat(quantity.int(), 1))
		if total.Add(total, exact).Cmp(big.NewRat(maxTotal, 1)) > 0 {
			return nil, invalid("amount_too_large", "line_items", "The Checkout Session's total amount is too large.")
		}
		amount := round(exact)
		currency := price.str("currency")
		if len(lines) > 0 && lines[0].str("currency") != currency {
			return nil, invalid("", "line_items", "All line items must have the same currency: %s and %s were given.", lines[0].str("currency"), currency)
		}
		lines = append(lines, object{
			"id": "li_" + rand.Text()[:24], "object": "item", "amount_discount": int64(0), "amount_subtotal": amount, "amount_tax": int64(0),
			"amount_total": amount, "currency": currency, "description": s.objects[price.str("product")].str("name"), "price": price, "quantity": quantity.int(),
		})
	}
	switch mode := p.get("mode").str(); {
	case mode == "payment" && recurring > 0:
		return nil, invalid("", "line_items", "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.")
	case mode == "payment" && oneTime > 100:
		return nil, invalid("", "line_items", "There can be at most 100 line items in `payment` mode.")
	case mode == "subscription" && recurring == 0:
		return nil, invalid("", "line_items", "You must provide at least one recurring price in `subscription` mode when using prices.")
	case mode == "subscription" && (recurring > 20 || oneTime > 20):
		return nil, invalid("", "line_items", "There can be at most 20 recurring and 20 one-time line items in `subscription` mode.")
	}
	return lines, nil
}

// linePrice is the price of a line: one that exists, or one made of inline data.
func (s *Server) linePrice(sess *session, item *param, now int64) (object, *apiError) {
	data, ref := item.get("price_data"), item.get("price")
	switch {
	case data != nil && ref != nil:
		return nil, invalid("", item.name, "You may only specify one of these parameters: price, price_data.")
	case ref != nil:
		price := s.find(sess.account, "price", ref.str())
		if price == nil {
			return nil, noSuch(http.StatusBadRequest, "price", ref.str(), ref.name)
		}
		return price, nil
	case data == nil:
		return nil, invalid("", item.name, "You must provide either price or price_data for each line item when using prices.")
	}
	currency := strings.ToLower(data.get("currency").str())
	product, productData := data.get("product"), data.get("product_data")
	amount, decimal := data.get("unit_amount"), data.get("unit_amount_decimal")
	switch {
	case currency == "":
		return nil, missing(data.name + "[currency]")
	case !slices.Contains(currencies, currency):
		return nil, invalid("", data.name+"[currency]", "Invalid currency: %s. Stripe currently supports these currencies: %s", currency, strings.Join(currencies, ", "))
	case product == nil && productData == nil:
		return nil, missing(data.name + "[product_data]")
	case product != nil && productData != nil:
		return nil, invalid("", data.name, "You may only specify one of these parameters: product, product_data.")
	case productData != nil && productData.get("name") == nil:
		return nil, missing(data.name + "[product_data][name]")
	case product != nil && s.find(sess.account, "product", product.str()) == nil:
		return nil, noSuch(http.StatusBadRequest, "product", product.str(), product.name)
	case amount == nil && decimal == nil:
		return nil, missing(data.name + "[unit_amount]")
	case amount != nil && decimal != nil:
		return nil, invalid("", data.name, "You may only specify one of these parameters: unit_amount, unit_amount_decimal.")
	case amount.int() < 0 || strings.HasPrefix(decimal.str(), "-"):
		return nil, invalid("parameter_invalid_integer", data.name+"[unit_amount]", "This value must be greater than or equal to 0.")
	}
	unit := big.NewRat(amount.int(), 1)
	if decimal != nil {
		unit.SetString(decimal.str())
	}
	var recurring object
	if r := data.get("recurring"); r != nil {
		if !slices.Contains([]string{"day", "month", "week", "year"}, r.get("interval").str()) {
			return nil, invalid("", r.name+"[interval]", "Invalid interval: must be one of day, month, week, or year")
		}
		recurring = newRecurring(r.get("interval").str(), max(1, r.get("interval_count").int()))
	}
	id := product.str()
	if id == "" {
		id = "prod_" + rand.Text()[:14]
		if _, err := productData.get("metadata").metadata(); err != nil {
			return nil, err
		}
		s.keep(sess, newProduct(id, productData.get("name").str(), productData, now))
	}
	price := newPrice("price_"+rand.Text()[:24], id, currency, unit, recurring, false, now)
	s.keep(sess, price)
	return price, nil
}

func newRecurring(interval string, count int64) object {
	return object{"interval": interval, "interval_count": count, "meter": nil, "trial_period_days": nil, "usage_type": "licensed"}
}

func newProduct(id, name string, data *param, now int64) object {
	meta, _ := data.get("metadata").metadata()
	return object{
		"id": id, "object": "product", "active": true, "created": now, "default_price": nil, "description": data.get("description").value(),
		"images": data.get("images").or([]any{}), "livemode": false, "marketing_features": []any{}, "metadata": meta, "name": name,
		"package_dimensions": nil, "shippable": nil, "statement_descriptor": nil, "tax_code": data.get("tax_code").value(), "type": "service",
		"unit_label": nil, "updated": now, "url": nil,
	}
}

func newPrice(id, product, currency string, unit *big.Rat, recurring object, active bool, now int64) object {
	o := object{
		"id": id, "object": "price", "active": active, "billing_scheme": "per_unit", "created": now, "currency": currency,
		"custom_unit_amount": nil, "livemode": false, "lookup_key": nil, "metadata": object{}, "nickname": nil, "product": product,
		"recurring": nil, "tax_behavior": "unspecified", "tiers_mode": nil, "transform_quantity": nil, "type": "one_time",
		"unit_amount": nil, "unit_amount_decimal": strings.TrimRight(strings.TrimRight(unit.FloatString(12), "0"), "."),
	}
	if unit.IsInt() {
		o["unit_amount"], o["unit_amount_decimal"] = unit.Num().Int64(), unit.Num().String()
	}
	if recurring != nil {
		o["recurring"], o["type"] = recurring, "recurring"
	}
	return o
}

// round is the nearest whole amount, halves up.
func round(r *big.Rat) int64 {
	n := new(big.Int).Mul(r.Num(), big.NewInt(2))
	n.Add(n, r.Denom())
	return n.Div(n, new(big.Int).Mul(r.Denom(), big.NewInt(2))).Int64()
}
