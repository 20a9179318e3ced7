package checkouttest

import (
	"net/http"
	"slices"
	"strings"
)

// createRate makes a shipping rate that sessions can name: https://docs.stripe.com/api/shipping_rates/create
func (s *Server) createRate(c *call) (object, *apiError) {
	rate, err := s.newRate(c.params)
	if err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, rate)
	return rate, nil
}

// updateRate archives a shipping rate, or brings it back.
func (s *Server) updateRate(c *call) (object, *apiError) {
	o, err := s.named(c, "shipping_rate")
	if err != nil {
		return nil, err
	}
	if err := c.params.only("active", "expand", "metadata", "tax_behavior"); err != nil {
		return nil, err
	}
	if err := o.setMetadata(c.params); err != nil {
		return nil, err
	}
	o.set(c.params, "active", "tax_behavior")
	return o, nil
}

// newRate is the shipping rate that parameters describe, not yet kept.
func (s *Server) newRate(p *param) (object, *apiError) {
	amount, currency := p.get("fixed_amount", "amount"), strings.ToLower(p.get("fixed_amount", "currency").str())
	switch {
	case p.get("display_name") == nil:
		return nil, missing(p.nameOf("display_name"))
	case amount == nil:
		return nil, missing(p.nameOf("fixed_amount") + "[amount]")
	case amount.int() < 0:
		return nil, invalid("parameter_invalid_integer", amount.name, "This value must be greater than or equal to 0.")
	case !slices.Contains(currencies, currency):
		return nil, badCurrency(p.nameOf("fixed_amount")+"[currency]", currency)
	}
	if err := oneOf(p.get("type"), "fixed_amount"); err != nil {
		return nil, err
	}
	if err := oneOf(p.get("tax_behavior"), "exclusive", "inclusive", "unspecified"); err != nil {
		return nil, err
	}
	meta, err := p.get("metadata").metadata()
	if err != nil {
		return nil, err
	}
	o := object{
		"id": s.newID("shr_", 24), "object": "shipping_rate", "active": true, "created": s.Now().Unix(), "delivery_estimate": nil,
		"display_name": p.get("display_name").value(), "fixed_amount": object{"amount": amount.int(), "currency": currency}, "livemode": false,
		"metadata": meta, "tax_behavior": p.get("tax_behavior").or("unspecified"), "tax_code": p.get("tax_code").value(), "type": "fixed_amount",
	}
	if e := p.get("delivery_estimate"); e != nil {
		o["delivery_estimate"] = object{"maximum": e.get("maximum").value(), "minimum": e.get("minimum").value()}
	}
	return o, nil
}

// shipping shows the shipping options, with the first one chosen, and returns its cost.
func (s *Server) shipping(sess *session, currency string) (cost int64, _ *apiError) {
	options := []any{}
	for i, option := range sess.sent.get("shipping_options").list() {
		rate, err := s.rateOf(sess, option)
		if err != nil {
			return 0, err
		}
		fixed := rate["fixed_amount"].(object)
		if fixed["currency"] != currency {
			return 0, invalid("", option.name, "The shipping rate is in %s, which does not match the line items' currency: %s.", fixed.str("currency"), currency)
		}
		amount := fixed["amount"].(int64)
		options = append(options, object{"shipping_amount": amount, "shipping_rate": rate["id"]})
		if i == 0 {
			cost = amount
			sess.object["shipping_cost"] = object{"amount_subtotal": amount, "amount_tax": int64(0), "amount_total": amount, "shipping_rate": rate["id"]}
		}
	}
	if len(options) > 5 {
		return 0, invalid("", "shipping_options", "You can only specify up to 5 shipping options.")
	}
	sess.object["shipping_options"] = options
	return cost, nil
}

// rateOf is the rate of a shipping option: one that exists, or one that is made for it.
func (s *Server) rateOf(sess *session, option *param) (object, *apiError) {
	data, ref := option.get("shipping_rate_data"), option.get("shipping_rate")
	switch {
	case data != nil && ref != nil:
		return nil, onlyOneOf(option.name, "shipping_rate", "shipping_rate_data")
	case data == nil && ref == nil:
		return nil, missing(option.nameOf("shipping_rate"))
	case ref == nil:
		rate, err := s.newRate(data)
		if err == nil {
			sess.made = append(sess.made, rate)
		}
		return rate, err
	}
	rate := s.find(sess.account, "shipping_rate", ref.str())
	switch {
	case rate == nil:
		return nil, noSuch(http.StatusBadRequest, "shipping_rate", ref.str(), ref.name)
	case rate["active"] != true:
		return nil, invalid("", ref.name, "The shipping rate `%s` is archived.", ref.str())
	}
	return rate, nil
}
