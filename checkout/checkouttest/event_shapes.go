package checkouttest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// The API versions since which the server shows an object in another shape.
const (
	// Payment intents no longer hold a list of their charges, and charges no longer one of their refunds:
	// https://docs.stripe.com/changelog#2022-11-15
	withoutLists = "2022-11-15"
	// Invoices name their payments in a list, and subscription items have the billing period:
	// https://docs.stripe.com/changelog/basil#2025-03-31.basil
	basil = "2025-03-31.basil"
	// Promotion codes name what they are for under promotion: https://docs.stripe.com/changelog/clover#2025-09-30.clover
	clover = "2025-09-30.clover"
	// The values of a session's ui_mode have other names:
	// https://docs.stripe.com/changelog/dahlia/2026-03-25/updates-available-checkout-session-ui-modes
	dahlia = "2026-03-25.dahlia"
)

// An eventShape says how the API versions since from and before until show the object of an event, and its previous values.
// Of the object it holds the difference alone: most shapes are never asked for, and an object takes some kilobytes.
type eventShape struct {
	from, until string
	set         object   // the fields that are added or differ
	removed     []string // the fields that are missing
	previous    object
}

// newShape returns the shape of an object that has become reshaped.
func newShape(from, until string, o, reshaped object) eventShape {
	shape := eventShape{from: from, until: until, set: object{}}
	for key, v := range reshaped {
		if was, known := o[key]; !known || !reflect.DeepEqual(was, v) {
			shape.set[key] = v
		}
	}
	for key := range o {
		if _, kept := reshaped[key]; !kept {
			shape.removed = append(shape.removed, key)
		}
	}
	return shape
}

// of returns the shape of an encoded object.
func (shape eventShape) of(encoded json.RawMessage) object {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		panic("checkouttest: " + err.Error()) // cannot happen: encode wrote it
	}
	o := object{}
	for key, v := range fields {
		o[key] = v
	}
	removeKeys(o, shape.removed...)
	return o.with(shape.set)
}

// shapesOf returns the shapes of an event's object that differ from the server's own. was is nil if the event reports no
// change. The server is locked.
func (s *Server) shapesOf(o, was object) []eventShape {
	const newest = "~" // sorts after every version
	shape := func(from, until string, reshape func(o object) object) eventShape {
		reshaped := reshape(o)
		e := newShape(from, until, o, reshaped)
		if was != nil {
			e.previous = changesSince(reshape(was), reshaped)
		}
		return e
	}
	switch o["object"] {
	case "checkout.session":
		return []eventShape{shape(dahlia, newest, dahliaSession)}
	case "credit_note":
		return []eventShape{shape("", basil, olderCreditNote)}
	case "promotion_code":
		return []eventShape{shape(clover, newest, cloverPromotionCode)}
	case "invoice":
		return []eventShape{shape("", basil, s.olderInvoice)}
	case "subscription":
		return []eventShape{shape("", basil, s.olderSubscription)}
	case "charge":
		return []eventShape{shape(withoutLists, basil, s.olderCharge), shape("", withoutLists, s.oldCharge)}
	case "payment_intent":
		return []eventShape{shape(withoutLists, basil, s.olderIntent), shape("", withoutLists, s.oldIntent)}
	default:
		return nil
	}
}

func (s *Server) olderCharge(ch object) object {
	return ch.with(object{"invoice": s.invoicePaidBy(ch.str("payment_intent"))})
}

// oldCharge shows a charge with its refunds.
func (s *Server) oldCharge(ch object) object {
	return s.olderCharge(ch).with(object{"refunds": s.include(ch.str("id"), "refunds")})
}

func (s *Server) olderIntent(pi object) object {
	return pi.with(object{"invoice": s.invoicePaidBy(pi.str("id"))})
}

// oldIntent shows a payment intent with its charges.
func (s *Server) oldIntent(pi object) object {
	charges := []object{}
	for _, ch := range slices.Backward(s.naming["charge/"+pi.str("id")]) {
		charges = append(charges, s.oldCharge(ch))
	}
	return s.olderIntent(pi).with(object{"charges": object{
		"object": "list", "data": charges, "has_more": false, "total_count": len(charges), "url": "/v1/charges?payment_intent=" + pi.str("id"),
	}})
}

func dahliaSession(o object) object {
	names := map[string]string{"custom": "elements", "embedded": "embedded_page", "hosted": "hosted_page"}
	return o.with(object{"ui_mode": names[o.str("ui_mode")]})
}

func cloverPromotionCode(o object) object {
	out := o.with(object{"promotion": object{"coupon": o["coupon"].(object)["id"], "type": "coupon"}})
	removeKeys(out, "coupon")
	return out
}

// olderCreditNote shows a credit note with one refund, and with its taxes under their old names.
func olderCreditNote(note object) object {
	out := note.with(object{"refund": nil, "tax_amounts": []any{}})
	if refunds := note["refunds"].([]object); len(refunds) > 0 {
		out["refund"] = refunds[0]["refund"]
	}
	removeKeys(out, "refunds", "total_taxes")
	lines := []object{}
	for _, line := range linesOfNote(note) {
		line = line.with(object{"tax_amounts": []any{}})
		removeKeys(line, "taxes")
		lines = append(lines, line)
	}
	out["lines"] = note["lines"].(object).with(object{"data": lines})
	return out
}

// invoicePaidBy returns the ID of the invoice that a payment intent pays, or nil.
func (s *Server) invoicePaidBy(intent string) any {
	if payment := s.paymentBy(intent); payment != nil {
		return payment["invoice"]
	}
	return nil
}

func (s *Server) olderInvoice(inv object) object {
	out := inv.with(object{
		"application_fee_amount": nil, "charge": nil, "discount": s.olderDiscount(inv), "paid": inv["status"] == "paid", "paid_out_of_band": false, "payment_intent": nil,
		"quote": nil, "subscription": nil, "subscription_details": object{"metadata": nil}, "tax": nil, "total_tax_amounts": []any{}, "transfer_data": nil,
	})
	if parent, ok := inv["parent"].(object); ok {
		details := parent["subscription_details"].(object)
		out["subscription"], out["subscription_details"] = details["subscription"], object{"metadata": details["metadata"]}
	}
	if payment := s.paymentOf(inv); payment != nil {
		out["payment_intent"] = intentOf(payment)
		out["charge"] = s.objects[intentOf(payment)]["latest_charge"]
	}
	removeKeys(out, "amount_overpaid", "parent", "total_pretax_credit_amounts", "total_taxes")
	lines := []object{}
	for _, line := range inv["lines"].(object)["data"].([]object) {
		lines = append(lines, s.olderLine(line))
	}
	out["lines"] = inv["lines"].(object).with(object{"data": lines})
	return out
}

func (s *Server) olderLine(line object) object {
	parent := line["parent"].(object)
	typ := parent.str("type")
	details := parent[typ].(object)
	out := line.with(object{
		"type": "invoiceitem", "invoice_item": details["invoice_item"], "plan": nil, "price": nil, "proration": details["proration"],
		"proration_details": details["proration_details"], "subscription": details["subscription"], "tax_amounts": []any{}, "tax_rates": []any{},
	})
	if typ == "subscription_item_details" {
		out["subscription_item"] = details["subscription_item"]
		if details["proration"] == false {
			out["type"] = "subscription"
		}
	}
	if pricing, ok := line["pricing"].(object); ok {
		price := maps.Clone(s.objects[pricing["price_details"].(object).str("price")])
		out["price"] = price
		if price["recurring"] != nil {
			out["plan"] = planOf(price)
		}
	}
	removeKeys(out, "parent", "pretax_credit_amounts", "pricing", "taxes")
	return out
}

func (s *Server) olderSubscription(sub object) object {
	items := []object{}
	for _, item := range itemsOf(sub) {
		item = maps.Clone(item)
		removeKeys(item, "current_period_end", "current_period_start")
		items = append(items, item)
	}
	first := itemsOf(sub)[0]
	out := sub.with(object{
		"current_period_end": first["current_period_end"], "current_period_start": first["current_period_start"],
		"items": sub["items"].(object).with(object{"data": items}),
	})
	out["discount"] = s.olderDiscount(sub)
	removeKeys(out, "billing_mode")
	return out
}

// olderDiscount shows the discount of a subscription or an invoice as an object, or returns nil.
func (s *Server) olderDiscount(o object) any {
	d := s.discountOf(o)
	if d == nil {
		return nil
	}
	return d.with(object{"coupon": maps.Clone(d["coupon"].(object))})
}

func removeKeys(o object, keys ...string) {
	for _, key := range keys {
		delete(o, key)
	}
}
