package checkouttest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createShippingRate makes a shipping rate that sessions can name: https://docs.stripe.com/api/shipping_rates/create
func (s *Server) createShippingRate(c *call) (object, *apiError) {
	rate, err := s.newShippingRate(c.params)
	if err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, rate)
	return rate, nil
}

// updateShippingRate archives a shipping rate, or brings it back.
func (s *Server) updateShippingRate(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "shipping_rate")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "active", "expand", "metadata", "tax_behavior"); err != nil {
		return nil, err
	}
	if err := o.setMetadata(c.params); err != nil {
		return nil, err
	}
	o.set(c.params, "active", "tax_behavior")
	return o, nil
}

// newShippingRate returns the shipping rate that parameters describe. It does not store the rate.
func (s *Server) newShippingRate(p *formparams.Param) (object, *apiError) {
	amount, currency := p.Get("fixed_amount", "amount"), strings.ToLower(p.Get("fixed_amount", "currency").String())
	switch {
	case p.Get("display_name") == nil:
		return nil, missing(p.NameOf("display_name"))
	case amount == nil:
		return nil, missing(p.NameOf("fixed_amount") + "[amount]")
	case amount.Int() < 0:
		return nil, invalid("parameter_invalid_integer", amount.Name, "This value must be greater than or equal to 0.")
	case !slices.Contains(currencies, currency):
		return nil, badCurrency(p.NameOf("fixed_amount")+"[currency]", currency)
	}
	if err := oneOf(p.Get("type"), "fixed_amount"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("tax_behavior"), "exclusive", "inclusive", "unspecified"); err != nil {
		return nil, err
	}
	meta, err := metadataOf(p.Get("metadata"))
	if err != nil {
		return nil, err
	}
	o := object{
		"id": s.newID("shr_", 24), "object": "shipping_rate", "active": true, "created": s.Now().Unix(), "delivery_estimate": nil,
		"display_name": value(p.Get("display_name")), "fixed_amount": object{"amount": amount.Int(), "currency": currency}, "livemode": false,
		"metadata": meta, "tax_behavior": valueOr(p.Get("tax_behavior"), "unspecified"), "tax_code": value(p.Get("tax_code")), "type": "fixed_amount",
	}
	if e := p.Get("delivery_estimate"); e != nil {
		o["delivery_estimate"] = object{"maximum": value(e.Get("maximum")), "minimum": value(e.Get("minimum"))}
	}
	return o, nil
}

// setShipping shows a session's shipping options, and chooses the first one.
func (s *Server) setShipping(sess *session, currency string) *apiError {
	options := []any{}
	for i, option := range sess.sent.Get("shipping_options").List() {
		rate, err := s.shippingRateOf(sess, option)
		if err != nil {
			return err
		}
		fixed := rate["fixed_amount"].(object)
		if fixed["currency"] != currency {
			return invalid("", option.Name, "The shipping rate is in %s, which does not match the line items' currency: %s.", fixed.str("currency"), currency)
		}
		amount := fixed["amount"].(int64)
		options = append(options, object{"shipping_amount": amount, "shipping_rate": rate["id"]})
		if i == 0 {
			sess.object["shipping_cost"] = object{"amount_subtotal": amount, "amount_tax": int64(0), "amount_total": amount, "shipping_rate": rate["id"]}
		}
	}
	if len(options) > 5 {
		return invalid("", "shipping_options", "You can only specify up to 5 shipping options.")
	}
	sess.object["shipping_options"] = options
	return nil
}

// shippingRateOf returns the rate of a shipping option. The rate exists, or shippingRateOf makes it for the option.
func (s *Server) shippingRateOf(sess *session, option *formparams.Param) (object, *apiError) {
	data, ref := option.Get("shipping_rate_data"), option.Get("shipping_rate")
	switch {
	case data != nil && ref != nil:
		return nil, onlyOneOf(option.Name, "shipping_rate", "shipping_rate_data")
	case data == nil && ref == nil:
		return nil, missing(option.NameOf("shipping_rate"))
	case ref == nil:
		rate, err := s.newShippingRate(data)
		if err == nil {
			sess.made = append(sess.made, rate)
		}
		return rate, err
	}
	rate := s.find(sess.account, "shipping_rate", ref.String())
	switch {
	case rate == nil:
		return nil, noSuch(http.StatusBadRequest, "shipping_rate", ref.String(), ref.Name)
	case rate["active"] != true:
		return nil, invalid("", ref.Name, "The shipping rate `%s` is archived.", ref.String())
	}
	return rate, nil
}
