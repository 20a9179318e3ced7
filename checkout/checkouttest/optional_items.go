package checkouttest

import (
	"net/http"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// maxExtras is the greatest number of optional items of a session: https://docs.stripe.com/payments/checkout/optional-items
const maxExtras = 10

// setExtras checks the optional items of a session, and shows them.
func (s *Server) setExtras(sess *session) *apiError {
	items := sess.sent.Get("optional_items")
	if items == nil {
		return nil
	}
	shown := []any{}
	for _, item := range items.List() {
		price, err := s.extraPrice(sess, item)
		if err != nil {
			return err
		}
		adjustable := any(nil)
		if l := limitsOf(item.Get("adjustable_quantity")); l != (limits{}) {
			adjustable = object{"enabled": true, "maximum": l.most, "minimum": max(0, item.Get("adjustable_quantity", "minimum").Int())}
		}
		shown = append(shown, object{"adjustable_quantity": adjustable, "price": price["id"], "quantity": item.Get("quantity").Int()})
	}
	if len(shown) > maxExtras {
		return invalid("", items.Name, "You can only specify up to %d optional items.", maxExtras)
	}
	sess.object["optional_items"] = shown
	return nil
}

// extraPrice returns the price of an optional item.
func (s *Server) extraPrice(sess *session, item *formparams.Param) (object, *apiError) {
	price, quantity := s.find(sess.account, "price", item.Get("price").String()), item.Get("quantity")
	switch {
	case item.Get("price") == nil:
		return nil, missing(item.NameOf("price"))
	case quantity == nil:
		return nil, missing(item.NameOf("quantity"))
	case quantity.Int() < 1:
		return nil, invalid("parameter_invalid_integer", quantity.Name, "This value must be greater than or equal to 1.")
	case price == nil:
		return nil, noSuch(http.StatusBadRequest, "price", item.Get("price").String(), item.NameOf("price"))
	case price["active"] != true:
		return nil, invalid("", item.NameOf("price"), "The price specified is inactive. This field only accepts active prices.")
	case price["currency"] != sess.lines[0]["currency"]:
		return nil, invalid("", item.NameOf("price"), "All prices of a session must have the same currency.")
	case price["recurring"] != nil:
		return nil, invalid("", item.NameOf("price"), "This test server takes one-time prices as optional items only.")
	}
	return price, nil
}

// addExtra makes an optional item a line of its session.
func (s *Server) addExtra(sess *session, item int, quantity int64) {
	price := s.objects[sess.sent.Get("optional_items").List()[item].Get("price").String()]
	sess.lines = append(sess.lines, s.newLine(price, s.objects[price.str("product")].str("name"), quantity, amountOf(price, quantity)))
	sess.extras = append(sess.extras, item)
}
