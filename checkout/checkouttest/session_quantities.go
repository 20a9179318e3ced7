package checkouttest

import (
	"fmt"
	"math/big"
)

// adjust gives the lines the quantities that the buyer chose, where the session lets them. Nothing has changed if it returns
// an error. https://docs.stripe.com/payments/checkout/adjustable-quantity
func (s *Server) adjust(sess *session, quantities []int64) error {
	items := sess.sent.get("line_items").list()
	if len(quantities) > len(items) {
		return fmt.Errorf("%w: it has %d lines", ErrQuantity, len(items))
	}
	for i, n := range quantities {
		adjustable := items[i].get("adjustable_quantity")
		least, most := max(1, adjustable.get("minimum").int()), int64(99)
		if m := adjustable.get("maximum"); m != nil {
			most = m.int()
		}
		if n != 0 && n != sess.lines[i]["quantity"] && (!adjustable.get("enabled").bool() || n < least || n > most) {
			return fmt.Errorf("%w: %d of line %d", ErrQuantity, n, i)
		}
	}
	var more int64
	for i, n := range quantities {
		if n == 0 {
			continue
		}
		line := sess.lines[i]
		unit, _ := new(big.Rat).SetString(line["price"].(object).str("unit_amount_decimal"))
		amount := round(unit.Mul(unit, big.NewRat(n, 1)))
		more += amount - line["amount_total"].(int64)
		sess.lines[i] = line.with(object{"quantity": n, "amount_subtotal": amount, "amount_total": amount})
	}
	if o := sess.object; more != 0 {
		o["amount_subtotal"], o["amount_total"] = o["amount_subtotal"].(int64)+more, o["amount_total"].(int64)+more
		if pi := s.objects[sess.pi]; pi != nil {
			pi["amount"] = o["amount_total"]
		}
	}
	return nil
}
