package checkouttest

import "maps"

// invoiceCreation shows whether a session makes an invoice of its payment, and of what kind.
// https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-invoice_creation
func (sess *session) invoiceCreation() (object, *apiError) {
	data := sess.sent.Get("invoice_creation", "invoice_data")
	meta, err := metadataOf(data.Get("metadata"))
	if err != nil {
		return nil, err
	}
	return object{
		"enabled": sess.createsInvoice(),
		"invoice_data": object{
			"account_tax_ids": value(data.Get("account_tax_ids")), "custom_fields": value(data.Get("custom_fields")), "description": value(data.Get("description")),
			"footer": value(data.Get("footer")), "issuer": value(data.Get("issuer")), "metadata": meta, "rendering_options": value(data.Get("rendering_options")),
		},
	}, nil
}

func (sess *session) createsInvoice() bool {
	return sess.str("mode") == "payment" && sess.sent.Get("invoice_creation", "enabled").Bool()
}

// invoicePaid makes the invoice of a session's payment, when it is paid. It does nothing if the session asks for none.
func (s *Server) invoicePaid(sess *session) {
	if sess.id() == "" || !sess.createsInvoice() || sess.object["invoice"] != nil {
		return
	}
	inv := s.invoiceOf(sess, nil, "manual")
	sess.object["invoice"] = inv["id"]
	data := sess.object["invoice_creation"].(object)["invoice_data"].(object)
	inv["description"], inv["footer"], inv["metadata"], inv["custom_fields"] = data["description"], data["footer"], data["metadata"], data["custom_fields"]
	if data["issuer"] != nil {
		inv["issuer"] = data["issuer"]
	}
	var lines []object
	taxes := []any{}
	for i, line := range sess.lines {
		now := inv["created"]
		parent := object{"invoice_item_details": object{
			"invoice_item": s.newID("ii_1", 23), "proration": false, "proration_details": object{"credited_items": nil}, "subscription": nil,
		}, "subscription_item_details": nil, "type": "invoice_item_details"}
		billed := s.invoiceLine(inv.str("id"), line, line["amount_subtotal"].(int64), line["description"], parent, object{"start": now, "end": now}, pricingOf(line["price"].(object)))
		found, _, _ := sess.taxesOf(i, line["amount_subtotal"].(int64)-line["amount_discount"].(int64))
		var shown []any
		for _, tax := range found {
			shown = append(shown, invoiceTax(tax))
		}
		if shown != nil {
			billed["taxes"] = shown
			taxes = append(taxes, shown...)
		}
		lines = append(lines, billed)
	}
	totals := sess.object["total_details"].(object)
	if off := totals["amount_discount"].(int64); off > 0 {
		d := s.discountOfSession(sess)
		inv["discounts"], inv["total_discount_amounts"] = []any{d["id"]}, []object{{"amount": off, "discount": d["id"]}}
	}
	inv.bill(lines)
	total := sess.object["amount_total"].(int64)
	inv["total"], inv["amount_due"], inv["amount_remaining"] = total, total, total
	inv["total_taxes"], inv["total_excluding_tax"] = taxes, total-totals["amount_tax"].(int64)
	if cost, ok := sess.object["shipping_cost"].(object); ok {
		inv["amount_shipping"], inv["shipping_cost"] = cost["amount_total"], maps.Clone(cost)
	}
	inv["auto_advance"] = false
	s.keep(sess, inv)
	s.emit(sess, "invoice.created", inv, nil)
	if sess.pi != "" {
		s.attachPayment(inv, sess.pi)
	}
	s.finalize(inv)
	s.payInvoice(inv)
}

// invoiceTax shows a tax as an invoice does.
func invoiceTax(tax object) object {
	rate, behavior := tax["rate"].(object), "exclusive"
	if rate["inclusive"] == true {
		behavior = "inclusive"
	}
	return object{
		"amount": tax["amount"], "tax_behavior": behavior, "tax_rate_details": object{"tax_rate": rate["id"]}, "taxability_reason": tax["taxability_reason"],
		"taxable_amount": tax["taxable_amount"], "type": "tax_rate_details",
	}
}

// discountOfSession makes the discount that a session's reduction gives its invoice.
func (s *Server) discountOfSession(sess *session) object {
	d := object{
		"id": s.newID("di_1", 23), "object": "discount", "checkout_session": sess.id(), "coupon": sess.reduction.coupon, "customer": sess.object["customer"], "end": nil,
		"invoice": sess.object["invoice"], "invoice_item": nil, "promotion_code": sess.reduction.code["id"], "start": s.Now().Unix(), "subscription": nil, "subscription_item": nil,
	}
	s.keep(sess, d)
	return d
}
