package checkouttest

import (
	"fmt"
	"math/big"
	"net/http"
	"reflect"
	"slices"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// maxTotal keeps sums far from overflow. Stripe's own limits are lower, and differ by currency.
const maxTotal = 999_999_999_999

// newLines builds the line items that a request asks for.
func (s *Server) newLines(sess *session, now int64) ([]object, *apiError) {
	p := sess.sent
	var lines []object
	var oneTime, recurring int
	var interval any // the recurring of all recurring prices
	total := new(big.Rat)
	for _, item := range p.Get("line_items").List() {
		price, name, err := s.linePrice(sess, item, now)
		if err != nil {
			return nil, err
		}
		if price["recurring"] == nil {
			oneTime++
		} else {
			recurring++
			if interval == nil {
				interval = price["recurring"]
			} else if !reflect.DeepEqual(interval, price["recurring"]) {
				return nil, invalid("", "line_items", "This test server takes recurring prices of the same billing interval only.")
			}
		}
		quantity := item.Get("quantity")
		switch {
		case quantity == nil:
			return nil, invalid("parameter_missing", item.Name, "Quantity is required. Add `quantity` to `%s`", item.Name)
		case quantity.Int() < 1:
			return nil, invalid("parameter_invalid_integer", quantity.Name, "This value must be greater than or equal to 1.")
		}
		unit, _ := new(big.Rat).SetString(price.str("unit_amount_decimal"))
		exact := new(big.Rat).Mul(unit, big.NewRat(quantity.Int(), 1))
		if total.Add(total, exact).Cmp(big.NewRat(maxTotal, 1)) > 0 {
			return nil, invalid("amount_too_large", "line_items", "The Checkout Session's total amount is too large.")
		}
		amount := lineAmount(p, price, quantity.Int())
		currency := price.str("currency")
		if len(lines) > 0 && lines[0].str("currency") != currency {
			return nil, invalid("", "line_items", "All line items must have the same currency: %s and %s were given.", lines[0].str("currency"), currency)
		}
		lines = append(lines, s.newLine(price, name, quantity.Int(), amount))
	}
	mode := p.Get("mode").String()
	switch {
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

// newLine returns a line of a session: https://docs.stripe.com/api/checkout/sessions/line_items
func (s *Server) newLine(price object, name string, quantity, amount int64) object {
	return object{
		"id": s.newID("li_", 24), "object": "item", "amount_discount": int64(0), "amount_subtotal": amount, "amount_tax": int64(0),
		"amount_total": amount, "currency": price["currency"], "description": name, "price": price, "quantity": quantity,
	}
}

// lineAmount returns what the customer pays for a line when the session is completed. A price that recurs costs nothing in a
// trial.
func lineAmount(sent *formparams.Param, price object, quantity int64) int64 {
	if price["recurring"] != nil && hasTrial(sent.Get("subscription_data")) {
		return 0
	}
	return amountOf(price, quantity)
}

// linePrice returns the price of a line and the name of its product. The price exists, or linePrice makes it from inline
// data.
func (s *Server) linePrice(sess *session, item *formparams.Param, now int64) (price object, name string, _ *apiError) {
	data, ref := item.Get("price_data"), item.Get("price")
	switch {
	case data != nil && ref != nil:
		return nil, "", onlyOneOf(item.Name, "price", "price_data")
	case ref != nil:
		price = s.find(sess.account, "price", ref.String())
		if price == nil {
			return nil, "", noSuch(http.StatusBadRequest, "price", ref.String(), ref.Name)
		}
		if price["active"] != true {
			return nil, "", invalid("", ref.Name, "The price specified is inactive. This field only accepts active prices.")
		}
		return price, s.objects[price.str("product")].str("name"), nil
	case data == nil:
		return nil, "", invalid("", item.Name, "You must provide either price or price_data for each line item when using prices.")
	}
	price, product, err := s.newPriceOf(sess, data, false, now)
	if err != nil {
		return nil, "", err
	}
	sess.made = append(sess.made, price)
	if product == nil {
		product = s.objects[price.str("product")]
	} else {
		sess.made = append(sess.made, product)
	}
	return price, product.str("name"), nil
}

// changeBasket makes a session what its customer chooses: quantities, optional items and a promotion code. It also checks the answers
// to the custom fields. If it returns an error, it has changed nothing.
func (s *Server) changeBasket(sess *session, buyer Buyer) error {
	if sess.id() == "" { // a payment intent of its own, which has no basket
		return nil
	}
	r, err := s.reductionOf(sess, buyer.PromotionCode)
	if err == nil {
		err = sess.checkAnswers(buyer.Answers)
	}
	if err == nil {
		err = sess.checkQuantities(buyer.Quantities)
	}
	if err == nil {
		err = sess.checkExtras(buyer.Extras)
	}
	if err != nil {
		return err
	}
	changed := r.coupon != nil
	if changed {
		sess.reduction = r
	}
	for i, n := range buyer.Quantities {
		if line := sess.lines[i]; n != 0 && n != line["quantity"] {
			changed = true
			sess.lines[i] = line.with(object{"quantity": n, "amount_subtotal": lineAmount(sess.sent, line["price"].(object), n)})
		}
	}
	for i, n := range buyer.Extras {
		if n != 0 {
			changed = true
			s.addExtra(sess, i, n)
		}
	}
	if changed {
		s.total(sess)
	}
	return nil
}

// limits are the quantities of a line that its customer may choose. The zero value stands for a line that the customer can't change.
type limits struct{ least, most int64 }

// maxQuantity is the greatest quantity that a customer may choose by default.
// https://docs.stripe.com/payments/checkout/adjustable-quantity
const maxQuantity = 99

// limitsOf reads the parameter adjustable_quantity of an item.
func limitsOf(adjustable *formparams.Param) limits {
	if !adjustable.Get("enabled").Bool() {
		return limits{}
	}
	l := limits{max(1, adjustable.Get("minimum").Int()), maxQuantity}
	if most := adjustable.Get("maximum"); most != nil {
		l.most = most.Int()
	}
	return l
}

// limits returns the quantities of a line that the customer may choose. Lines of optional items follow those that the session was
// created with.
func (sess *session) limits(line int) limits {
	items := sess.sent.Get("line_items").List()
	if line < len(items) {
		return limitsOf(items[line].Get("adjustable_quantity"))
	}
	return limitsOf(sess.sent.Get("optional_items").List()[sess.extras[line-len(items)]].Get("adjustable_quantity"))
}

// checkQuantities refuses quantities that the session does not allow.
func (sess *session) checkQuantities(quantities []int64) error {
	if len(quantities) > len(sess.lines) {
		return fmt.Errorf("%w: it has only %d lines", ErrQuantity, len(sess.lines))
	}
	for i, n := range quantities {
		allowed := sess.limits(i)
		if n != 0 && n != sess.lines[i]["quantity"] && (n < allowed.least || n > allowed.most) {
			return fmt.Errorf("%w: %d in line %d", ErrQuantity, n, i)
		}
	}
	return nil
}

// checkExtras refuses quantities of optional items that the session does not allow.
func (sess *session) checkExtras(quantities []int64) error {
	items := sess.sent.Get("optional_items").List()
	if len(quantities) > len(items) {
		return fmt.Errorf("%w: it has only %d optional items", ErrQuantity, len(items))
	}
	for i, n := range quantities {
		if n == 0 {
			continue
		}
		allowed := limitsOf(items[i].Get("adjustable_quantity"))
		if slices.Contains(sess.extras, i) || n != items[i].Get("quantity").Int() && (n < allowed.least || n > allowed.most) {
			return fmt.Errorf("%w: %d of optional item %d", ErrQuantity, n, i)
		}
	}
	return nil
}
