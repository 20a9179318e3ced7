package checkouttest

import (
	"fmt"
	"maps"
	"math/big"
	"net/http"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// A reduction is a coupon, and the promotion code through which the customer got it.
type reduction struct {
	coupon object // nil: there is no reduction
	code   object // nil: the shop named the coupon
}

// reductionIn returns the reduction that a parameter `discounts` names.
func (s *Server) reductionIn(c *call, p *formparams.Param) (reduction, *apiError) {
	sent := p.List()
	if len(sent) == 0 {
		return reduction{}, nil
	}
	if len(sent) > 1 {
		return reduction{}, invalid("", p.Name, "This test server takes one discount.")
	}
	coupon, code := sent[0].Get("coupon"), sent[0].Get("promotion_code")
	switch {
	case coupon != nil && code != nil:
		return reduction{}, onlyOneOf(sent[0].Name, "coupon", "promotion_code")
	case code != nil:
		promo, err := s.objectInParam(c, "promotion_code", code)
		if err != nil {
			return reduction{}, err
		}
		return reduction{coupon: promo["coupon"].(object), code: promo}, nil
	case coupon != nil:
		o, err := s.objectInParam(c, "coupon", coupon)
		return reduction{coupon: o}, err
	}
	return reduction{}, missing(sent[0].NameOf("coupon"))
}

// refusal says why a customer can't get a reduction for an amount, or returns "".
func (r reduction) refusal(now int64, customer any, currency string, amount int64) string {
	expired := func(o object, end string) bool {
		at, ends := o[end].(int64)
		return ends && at <= now
	}
	usedUp := func(o object) bool {
		most, limited := o["max_redemptions"].(int64)
		return limited && o["times_redeemed"].(int64) >= most
	}
	switch {
	case r.coupon["valid"] != true || expired(r.coupon, "redeem_by") || usedUp(r.coupon):
		return "Coupon expired: " + r.coupon.str("id")
	case r.coupon["currency"] != nil && r.coupon["currency"] != currency:
		return fmt.Sprintf("The coupon is in %s, and the payment in %s.", r.coupon.str("currency"), currency)
	case r.code == nil:
		return ""
	}
	restrictions := r.code["restrictions"].(object)
	least, _ := restrictions["minimum_amount"].(int64)
	switch {
	case r.code["active"] != true || expired(r.code, "expires_at") || usedUp(r.code):
		return "This promotion code is no longer valid."
	case r.code["customer"] != nil && r.code["customer"] != customer:
		return "This promotion code is for another customer."
	case least > 0 && (restrictions["minimum_amount_currency"] != currency || amount < least):
		return "The amount is too small for this promotion code."
	}
	return ""
}

// redeem counts a use of a reduction.
func (s *Server) redeem(r reduction) {
	for _, o := range []object{r.coupon, r.code} {
		if o == nil {
			continue
		}
		was := maps.Clone(o)
		used := o["times_redeemed"].(int64) + 1
		o["times_redeemed"] = used
		if most, limited := o["max_redemptions"].(int64); limited && used >= most && o["object"] == "coupon" {
			o["valid"] = false
		}
		s.emitChange(o.str("object")+".updated", o, was, nil)
	}
}

// share returns what a coupon takes off each amount. An amount off is shared in proportion to the amounts.
// https://docs.stripe.com/billing/subscriptions/coupons
func share(coupon object, amounts []int64) []int64 {
	off := make([]int64, len(amounts))
	if percent := coupon["percent_off"]; percent != nil {
		rate, _ := new(big.Rat).SetString(fmt.Sprint(percent))
		rate.Quo(rate, big.NewRat(100, 1))
		for i, amount := range amounts {
			off[i] = round(new(big.Rat).Mul(rate, big.NewRat(amount, 1)))
		}
		return off
	}
	var total int64
	last := -1
	for i, amount := range amounts {
		total += amount
		if amount > 0 {
			last = i
		}
	}
	left := min(coupon["amount_off"].(int64), total)
	if last < 0 {
		return off
	}
	each := big.NewRat(left, total)
	for i, amount := range amounts {
		off[i] = floor(new(big.Rat).Mul(each, big.NewRat(amount, 1)))
		left -= off[i]
	}
	off[last] += left // what rounding has left over
	return off
}

// setReduction reads the discounts with which a session is created.
func (s *Server) setReduction(c *call, sess *session) *apiError {
	p := sess.sent
	if p.Get("discounts") != nil && p.Get("allow_promotion_codes") != nil {
		return onlyOneOf("", "allow_promotion_codes", "discounts")
	}
	r, err := s.reductionIn(c, p.Get("discounts"))
	if err != nil || r.coupon == nil {
		return err
	}
	subtotal := sess.subtotal()
	if why := r.refusal(s.Now().Unix(), sess.object["customer"], sess.lines[0].str("currency"), subtotal); why != "" {
		return invalid("coupon_expired", "discounts", "%s", why)
	}
	sess.reduction = r
	return nil
}

// reductionOf returns the reduction of a promotion code that the customer of a session types. It returns none for no code.
func (s *Server) reductionOf(sess *session, typed string) (reduction, error) {
	if typed == "" {
		return reduction{}, nil
	}
	code := s.promotionCode(sess.account, typed)
	if sess.object["allow_promotion_codes"] != true || code == nil {
		return reduction{}, ErrPromotionCode
	}
	r := reduction{coupon: code["coupon"].(object), code: code}
	if why := r.refusal(s.Now().Unix(), sess.object["customer"], sess.str("currency"), sess.subtotal()); why != "" {
		return reduction{}, fmt.Errorf("%w: %s", ErrPromotionCode, why)
	}
	return r, nil
}

// subtotal returns what the lines of a session cost without a reduction.
func (sess *session) subtotal() int64 {
	var sum int64
	for _, line := range sess.lines {
		sum += line["amount_subtotal"].(int64)
	}
	return sum
}

// total computes the totals of a session from its lines, its reduction, its taxes and its shipping.
func (s *Server) total(sess *session) {
	amounts := make([]int64, len(sess.lines))
	for i, line := range sess.lines {
		amounts[i] = line["amount_subtotal"].(int64)
	}
	off := make([]int64, len(amounts))
	shown := []any{}
	if r := sess.reduction; r.coupon != nil {
		off = share(r.coupon, amounts)
		if r.code == nil {
			shown = append(shown, object{"coupon": r.coupon["id"], "promotion_code": nil})
		} else {
			shown = append(shown, object{"coupon": nil, "promotion_code": r.code["id"]})
		}
	}
	var discount, tax, onTop int64
	for i, line := range sess.lines {
		discount += off[i]
		_, taxed, added := sess.taxesOf(i, amounts[i]-off[i])
		tax, onTop = tax+taxed, onTop+added
		sess.lines[i] = line.with(object{"amount_discount": off[i], "amount_tax": taxed, "amount_total": amounts[i] - off[i] + added})
	}
	var shipping int64
	if cost, ok := sess.object["shipping_cost"].(object); ok {
		shipping = cost["amount_total"].(int64)
	}
	o, subtotal := sess.object, sess.subtotal()
	o["amount_subtotal"], o["amount_total"], o["discounts"] = subtotal, subtotal-discount+shipping+onTop, shown
	o["total_details"] = object{"amount_discount": discount, "amount_shipping": shipping, "amount_tax": tax}
	pi, due := s.objects[sess.pi], s.dueNow(sess)
	switch {
	case pi == nil:
	case due == 0:
		s.cancelPayment(sess, pi, "abandoned", nil)
		sess.pi, o["payment_intent"] = "", nil
	default:
		pi["amount"] = due
	}
}

// discount gives a subscription a reduction: https://docs.stripe.com/api/discounts/object
func (s *Server) discount(sess *session, sub object, r reduction) {
	now := s.Now()
	var end, code any
	if months, ok := r.coupon["duration_in_months"].(int64); ok {
		end = now.AddDate(0, int(months), 0).Unix()
	}
	if r.code != nil {
		code = r.code["id"]
	}
	o := object{
		"id": s.newID("di_1", 23), "object": "discount", "checkout_session": orNull(sess.id()), "coupon": r.coupon, "customer": sub["customer"], "end": end,
		"invoice": nil, "invoice_item": nil, "promotion_code": code, "start": now.Unix(), "subscription": sub["id"], "subscription_item": nil,
	}
	s.keep(sess, o)
	sub["discounts"] = []any{o["id"]}
	s.redeem(r)
}

// discountOf returns the discount of a subscription, or nil.
func (s *Server) discountOf(o object) object {
	list := o["discounts"].([]any)
	if len(list) == 0 {
		return nil
	}
	return s.objects[list[0].(string)]
}

// reduce takes a subscription's discount off the lines of a new invoice. A discount that has ended, or that counts once and
// has counted, leaves the subscription.
func (s *Server) reduce(sub, inv object, lines []object) []object {
	d := s.discountOf(sub)
	if d == nil {
		return lines
	}
	if end, ends := d["end"].(int64); ends && end <= s.Now().Unix() {
		sub["discounts"] = []any{}
		return lines
	}
	amounts := make([]int64, len(lines))
	for i, line := range lines {
		if line["discountable"] == true {
			amounts[i] = line["amount"].(int64)
		}
	}
	off := share(d["coupon"].(object), amounts)
	reduced, sum := []object{}, int64(0)
	for i, line := range lines {
		if off[i] > 0 {
			line = line.with(object{"discount_amounts": []object{{"amount": off[i], "discount": d["id"]}}})
		}
		reduced, sum = append(reduced, line), sum+off[i]
	}
	inv["discounts"] = []any{d["id"]}
	inv["total_discount_amounts"] = []object{{"amount": sum, "discount": d["id"]}}
	if d["coupon"].(object)["duration"] == "once" && sum > 0 {
		sub["discounts"] = []any{}
	}
	return reduced
}

// reductionForUpdate reads the parameter `discounts` of a subscription. It reports false if the request did not send it.
func (s *Server) reductionForUpdate(c *call, sub object) (r reduction, sent bool, _ *apiError) {
	p := c.params.Get("discounts")
	if p == nil {
		return reduction{}, false, nil
	}
	r, err := s.reductionIn(c, p)
	if err != nil || r.coupon == nil {
		return r, true, err
	}
	if why := r.refusal(s.Now().Unix(), sub["customer"], sub.str("currency"), 0); why != "" && r.code == nil {
		return r, true, &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "coupon_expired", param: "discounts", message: why}
	}
	return r, true, nil
}
