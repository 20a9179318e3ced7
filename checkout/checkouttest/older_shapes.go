package checkouttest

import "maps"

// basil is the API version since which invoices name their payments in a list, and subscription items have the billing
// period: https://docs.stripe.com/changelog/basil#2025-03-31.basil
const basil = "2025-03-31.basil"

// olderShape returns an object as API versions before basil show it, or nil if these versions show it alike. Endpoints of an
// older version get events with such objects. The server is locked.
func (s *Server) olderShape(o object) object {
	switch o["object"] {
	case "invoice":
		return s.olderInvoice(o)
	case "subscription":
		return s.olderSubscription(o)
	case "charge":
		return o.with(object{"invoice": s.invoicePaidBy(o.str("payment_intent"))})
	case "payment_intent":
		return o.with(object{"invoice": s.invoicePaidBy(o.str("id"))})
	default:
		return nil
	}
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
		"items": sub["items"].(object).with(object{"data": items}), "plan": nil, "quantity": nil,
	})
	if len(items) == 1 {
		out["plan"], out["quantity"] = first["plan"], first["quantity"]
	}
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
