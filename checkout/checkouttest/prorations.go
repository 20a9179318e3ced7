package checkouttest

import (
	"fmt"
	"math/big"
	"net/http"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// prorate makes the invoice items for a change of a subscription's items within the current period: a credit for what is left
// of an old item, and a debit for what is left of a new one. A trial has nothing to prorate.
// https://docs.stripe.com/billing/subscriptions/prorations
func (s *Server) prorate(sub object, before, after []object) {
	if sub["status"] == "trialing" {
		return
	}
	for _, old := range before {
		if now := itemByID(after, old.str("id")); now == nil || !sameCharge(old, now) {
			s.newProration(sub, old, -1, "Unused time on")
		}
	}
	for _, item := range after {
		if old := itemByID(before, item.str("id")); old == nil || !sameCharge(old, item) {
			s.newProration(sub, item, 1, "Remaining time on")
		}
	}
}

func sameCharge(a, b object) bool {
	return a["quantity"] == b["quantity"] && a["price"].(object)["id"] == b["price"].(object)["id"]
}

// itemByID returns the item of a subscription that has an ID, or nil.
func itemByID(items []object, id string) object {
	for _, item := range items {
		if item["id"] == id {
			return item
		}
	}
	return nil
}

// newProration makes an invoice item for what is left of a subscription's current period. A sign of -1 makes it a credit.
func (s *Server) newProration(sub, item object, sign int64, what string) {
	now := s.Now().Unix()
	start, end := periodOf(sub)
	price, quantity := item["price"].(object), item["quantity"].(int64)
	share := new(big.Rat).Mul(big.NewRat(amountOf(price, quantity), 1), big.NewRat(end-now, end-start))
	o := object{
		"id": s.newID("ii_1", 23), "object": "invoiceitem", "amount": sign * round(share), "currency": price["currency"], "customer": sub["customer"],
		"date": now, "description": fmt.Sprintf("%s %d × %s", what, quantity, s.objects[price.str("product")].str("name")), "discountable": false,
		"discounts": []any{}, "invoice": nil, "livemode": false, "metadata": object{}, "parent": object{
			"subscription_details": object{"subscription": sub["id"], "subscription_item": item["id"]}, "type": "subscription_details",
		}, "period": object{"start": now, "end": end}, "pricing": pricingOf(price), "proration": true, "quantity": quantity,
		"tax_rates": []any{}, "test_clock": nil,
	}
	s.keep(s.ownerOf(sub), o)
	s.emitChange("invoiceitem.created", o, nil, nil)
}

// subscriptionOfItem returns the ID of the subscription to which an invoice item belongs, or nil.
func subscriptionOfItem(item object) any {
	parent, ok := item["parent"].(object)
	if !ok {
		return nil
	}
	return parent["subscription_details"].(object)["subscription"]
}

// prorationLine bills an invoice item of a proration.
func (s *Server) prorationLine(inv, sub, item object) object {
	details := item["parent"].(object)["subscription_details"].(object)
	parent := object{"invoice_item_details": nil, "subscription_item_details": object{
		"invoice_item": item["id"], "proration": true, "proration_details": object{"credited_items": nil}, "subscription": sub["id"],
		"subscription_item": details["subscription_item"],
	}, "type": "subscription_item_details"}
	line := s.invoiceLine(inv.str("id"), item, item["amount"].(int64), item["description"], parent, item["period"].(object), item["pricing"])
	line["discountable"] = false
	return line
}

// editedItems returns the items of a subscription as an update changes them. The parameters name the items by their IDs; a
// parameter without an ID adds an item. https://docs.stripe.com/api/subscriptions/update
func (s *Server) editedItems(c *call, sub object, sent *formparams.Param) ([]object, *apiError) {
	items := append([]object{}, itemsOf(sub)...)
	for _, p := range sent.List() {
		price, err := s.recurringPrice(c, sub, p.Get("price"))
		if err != nil {
			return nil, err
		}
		if q := p.Get("quantity"); q != nil && q.Int() < 1 {
			return nil, invalid("parameter_invalid_integer", q.Name, "This value must be greater than or equal to 1.")
		}
		id := p.Get("id")
		switch {
		case id == nil && price == nil:
			return nil, missing(p.NameOf("price"))
		case id == nil:
			items = append(items, s.newItem(sub.str("id"), price, max(1, p.Get("quantity").Int())))
			continue
		}
		old := itemByID(items, id.String())
		if old == nil {
			return nil, noSuch(http.StatusBadRequest, "subscription_item", id.String(), id.Name)
		}
		edited := []object{}
		for _, item := range items {
			if item["id"] != old["id"] {
				edited = append(edited, item)
			} else if !p.Get("deleted").Bool() {
				edited = append(edited, changedItem(item, price, p.Get("quantity")))
			}
		}
		items = edited
	}
	if len(items) == 0 {
		return nil, invalid("", sent.Name, "A subscription must have at least one active item.")
	}
	return items, nil
}

func changedItem(item, price object, quantity *formparams.Param) object {
	out := item.with(nil)
	if price != nil {
		out["price"], out["plan"] = price, planOf(price)
	}
	if quantity != nil {
		out["quantity"] = quantity.Int()
	}
	return out
}

// recurringPrice returns the price that a subscription's item changes to, or nil if the request sent none.
func (s *Server) recurringPrice(c *call, sub object, p *formparams.Param) (object, *apiError) {
	if p == nil {
		return nil, nil
	}
	price, err := s.objectInParam(c, "price", p)
	switch {
	case err != nil:
		return nil, err
	case price["active"] != true:
		return nil, invalid("", p.Name, "The price specified is inactive. This field only accepts active prices.")
	case price["recurring"] == nil:
		return nil, invalid("", p.Name, "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.")
	case price["currency"] != sub["currency"]:
		return nil, invalid("", p.Name, "The price specified supports the currency %s only, and the subscription uses %s.", price.str("currency"), sub.str("currency"))
	}
	return price, nil
}
