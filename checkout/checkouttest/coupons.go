package checkouttest

import (
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createCoupon makes a coupon, which takes a share or an amount off: https://docs.stripe.com/api/coupons/create
func (s *Server) createCoupon(c *call) (object, *apiError) {
	p, now := c.params, s.Now().Unix()
	if err := checkCoupon(p, now); err != nil {
		return nil, err
	}
	id := p.Get("id").String()
	switch {
	case id == "":
		id = s.newID("", 8)
	case s.objects[id] != nil:
		return nil, &apiError{
			status: http.StatusBadRequest, typ: "invalid_request_error", code: "resource_already_exists", param: "id", message: "Coupon already exists.",
		}
	}
	o := object{
		"id": id, "object": "coupon", "amount_off": value(p.Get("amount_off")), "created": now, "currency": nil,
		"duration": valueOr(p.Get("duration"), "once"), "duration_in_months": value(p.Get("duration_in_months")), "livemode": false,
		"max_redemptions": value(p.Get("max_redemptions")), "metadata": object{}, "name": value(p.Get("name")), "percent_off": number(p.Get("percent_off")),
		"redeem_by": value(p.Get("redeem_by")), "times_redeemed": int64(0), "valid": true,
	}
	if p.Get("percent_off") == nil {
		o["currency"] = strings.ToLower(p.Get("currency").String())
	}
	if err := o.setMetadata(p); err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("coupon.created", o, nil, c)
	return o, nil
}

func checkCoupon(p *formparams.Param, now int64) *apiError {
	percent, amount, currency := p.Get("percent_off"), p.Get("amount_off"), p.Get("currency")
	months, redeemBy := p.Get("duration_in_months"), p.Get("redeem_by")
	if err := oneOf(p.Get("duration"), "forever", "once", "repeating"); err != nil {
		return err
	}
	repeats := p.Get("duration").String() == "repeating"
	switch {
	case percent == nil && amount == nil:
		return invalid("parameter_missing", "", "You must pass either percent_off or amount_off.")
	case percent != nil && amount != nil:
		return onlyOneOf("", "percent_off", "amount_off")
	case amount != nil && amount.Int() < 1:
		return invalid("parameter_invalid_integer", "amount_off", "This value must be greater than or equal to 1.")
	case amount != nil && currency == nil:
		return missing("currency")
	case amount != nil && !slices.Contains(currencies, strings.ToLower(currency.String())):
		return badCurrency("currency", currency.String())
	case percent != nil && currency != nil:
		return invalid("", "currency", "You can only pass currency with amount_off.")
	case repeats && months.Int() < 1:
		return missing("duration_in_months")
	case !repeats && months != nil:
		return invalid("", "duration_in_months", "You can only pass duration_in_months if duration is repeating.")
	case redeemBy != nil && redeemBy.Int() <= now:
		return invalid("", "redeem_by", "Timestamp must be in the future.")
	}
	if percent != nil {
		share, _ := new(big.Rat).SetString(percent.String())
		if share.Sign() <= 0 || share.Cmp(big.NewRat(100, 1)) > 0 {
			return invalid("", "percent_off", "Invalid percent_off: must be greater than 0 and at most 100.")
		}
	}
	return nil
}

// updateCoupon changes the texts of a coupon: https://docs.stripe.com/api/coupons/update
func (s *Server) updateCoupon(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "coupon")
	if err != nil {
		return nil, err
	}
	return o, s.update(c, o, "coupon.updated", func(o object, p *formparams.Param) *apiError {
		if err := only(p, "expand", "metadata", "name"); err != nil {
			return err
		}
		o.set(p, "name")
		return o.setMetadata(p)
	})
}

// deleteCoupon ends a coupon. Discounts that it gave go on: https://docs.stripe.com/api/coupons/delete
func (s *Server) deleteCoupon(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "coupon")
	if err != nil {
		return nil, err
	}
	o["valid"] = false
	s.emitChange("coupon.deleted", o, nil, c)
	return s.remove(o), nil
}

// createPromotionCode makes a code that customers type to get a coupon: https://docs.stripe.com/api/promotion_codes/create
func (s *Server) createPromotionCode(c *call) (object, *apiError) {
	p, now := c.params, s.Now().Unix()
	if p.Get("coupon") == nil {
		return nil, missing("coupon")
	}
	coupon, err := s.objectInParam(c, "coupon", p.Get("coupon"))
	if err != nil {
		return nil, err
	}
	if customer := p.Get("customer"); customer != nil {
		if _, err := s.objectInParam(c, "customer", customer); err != nil {
			return nil, err
		}
	}
	code := p.Get("code").String()
	if code == "" {
		code = s.newID("", 8)
	}
	least := p.Get("restrictions", "minimum_amount")
	switch {
	case s.promotionCode(c.account, code) != nil:
		return nil, invalid("", "code", "An active promotion code with `code: %s` already exists.", code)
	case least != nil && p.Get("restrictions", "minimum_amount_currency") == nil:
		return nil, missing("restrictions[minimum_amount_currency]")
	case p.Get("expires_at") != nil && p.Get("expires_at").Int() <= now:
		return nil, invalid("", "expires_at", "Timestamp must be in the future.")
	}
	o := object{
		"id": s.newID("promo_1", 23), "object": "promotion_code", "active": valueOr(p.Get("active"), true), "code": code, "coupon": coupon, "created": now,
		"customer": value(p.Get("customer")), "expires_at": value(p.Get("expires_at")), "livemode": false, "max_redemptions": value(p.Get("max_redemptions")),
		"metadata": object{}, "restrictions": object{
			"first_time_transaction": false, "minimum_amount": value(least),
			"minimum_amount_currency": value(p.Get("restrictions", "minimum_amount_currency")),
		}, "times_redeemed": int64(0),
	}
	if err := o.setMetadata(p); err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("promotion_code.created", o, nil, c)
	return o, nil
}

// promotionCode returns the active promotion code that a customer types, or nil. Case does not count.
func (s *Server) promotionCode(account, code string) object {
	for _, o := range s.byKind["promotion_code"] {
		if strings.EqualFold(o.str("code"), code) && o["active"] == true && s.accountOf(o) == account {
			return o
		}
	}
	return nil
}

// updatePromotionCode changes whether a code can be used, and its metadata: https://docs.stripe.com/api/promotion_codes/update
func (s *Server) updatePromotionCode(c *call) (object, *apiError) {
	o, err := s.objectInPath(c, "promotion_code")
	if err != nil {
		return nil, err
	}
	return o, s.update(c, o, "promotion_code.updated", func(o object, p *formparams.Param) *apiError {
		if err := only(p, "active", "expand", "metadata"); err != nil {
			return err
		}
		o.set(p, "active")
		return o.setMetadata(p)
	})
}

func ofCoupon(o object, p *formparams.Param) bool { return o["coupon"].(object)["id"] == p.String() }
