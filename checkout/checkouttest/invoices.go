package checkouttest

import (
	"fmt"
	"maps"
)

// newInvoice bills a subscription for its current period, as a draft: all of the session's lines first, and what recurs of
// them later. https://docs.stripe.com/api/invoices/object
func (s *Server) newInvoice(sess *session, sub object, reason string) object {
	inv := s.invoiceOf(sess, sub, reason)
	now := inv["created"]
	from, to := itemsOf(sub)[0]["current_period_start"], itemsOf(sub)[0]["current_period_end"]
	lines, recurring := []object{}, 0
	var total int64
	for _, line := range sess.lines {
		price := line["price"].(object)
		parent := object{"invoice_item_details": nil, "subscription_item_details": nil, "type": "invoice_item_details"}
		period := object{"start": now, "end": now}
		if price["recurring"] != nil {
			parent["type"], period = "subscription_item_details", object{"start": from, "end": to}
			parent["subscription_item_details"] = object{
				"invoice_item": nil, "proration": false, "proration_details": object{"credited_items": nil}, "subscription": sub["id"],
				"subscription_item": itemsOf(sub)[recurring]["id"],
			}
			recurring++
		} else if reason != "subscription_create" {
			continue
		} else {
			parent["invoice_item_details"] = object{
				"invoice_item": s.newID("ii_1", 23), "proration": false, "proration_details": object{"credited_items": nil}, "subscription": sub["id"],
			}
		}
		amount := line["amount_total"].(int64)
		total += amount
		lines = append(lines, s.invoiceLine(inv.str("id"), line, amount, fmt.Sprintf("%d × %s", line["quantity"], line.str("description")), parent, period, object{
			"price_details": object{"price": price["id"], "product": price["product"]}, "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
		}))
	}
	inv.bill(lines, total)
	s.keep(sess, inv)
	sub["latest_invoice"] = inv["id"]
	s.emit(sess, "invoice.created", inv, nil)
	return inv
}

// invoiceLine is one line of an invoice, of a line or an item in its currency and quantity.
func (s *Server) invoiceLine(invoice string, of object, amount int64, description any, parent, period object, pricing any) object {
	return object{
		"id": s.newID("il_1", 23), "object": "line_item", "amount": amount, "currency": of["currency"], "description": description,
		"discount_amounts": []any{}, "discountable": true, "discounts": []any{}, "invoice": invoice, "livemode": false, "metadata": object{},
		"parent": parent, "period": period, "pretax_credit_amounts": []any{}, "pricing": pricing, "quantity": of["quantity"], "taxes": []any{},
	}
}

// bill puts the lines into an invoice.
func (o object) bill(lines []object, total int64) {
	o["lines"] = object{"object": "list", "data": lines, "has_more": false, "total_count": len(lines), "url": "/v1/invoices/" + o.str("id") + "/lines"}
	for _, sum := range []string{"amount_due", "amount_remaining", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"} {
		o[sum] = total
	}
}

// invoiceOf is a draft without lines, of a subscription or of none.
func (s *Server) invoiceOf(sess *session, sub object, reason string) object {
	now, id := s.Now().Unix(), s.newID("in_1", 23)
	cus := s.objects[sess.str("customer")]
	var parent any
	if sub != nil {
		parent = object{"quote_details": nil, "subscription_details": object{"metadata": sub["metadata"], "subscription": sub["id"]}, "type": "subscription_details"}
	}
	return object{
		"id": id, "object": "invoice", "account_country": "US", "account_name": "Test Shop", "account_tax_ids": nil, "amount_overpaid": int64(0), "amount_paid": int64(0), "amount_shipping": int64(0), "application": nil,
		"attempt_count": int64(0), "attempted": false, "auto_advance": true,
		"automatic_tax":              object{"disabled_reason": nil, "enabled": false, "liability": nil, "provider": nil, "status": nil},
		"automatically_finalizes_at": nil, "billing_reason": reason, "collection_method": "charge_automatically", "created": now,
		"currency": sess.object["currency"], "custom_fields": nil, "customer": sess.object["customer"], "customer_address": cus["address"],
		"customer_email": cus["email"], "customer_name": cus["name"], "customer_phone": cus["phone"], "customer_shipping": cus["shipping"],
		"customer_tax_exempt": "none", "customer_tax_ids": []any{}, "default_payment_method": nil, "default_source": nil,
		"default_tax_rates": []any{}, "description": nil, "discounts": []any{}, "due_date": nil, "effective_at": nil, "ending_balance": nil,
		"footer": nil, "from_invoice": nil, "hosted_invoice_url": nil, "invoice_pdf": nil, "issuer": object{"type": "self"},
		"last_finalization_error": nil, "latest_revision": nil,
		"livemode": false, "metadata": object{}, "next_payment_attempt": nil, "number": nil, "on_behalf_of": nil,
		"parent":           parent,
		"payment_settings": object{"default_mandate": nil, "payment_method_options": nil, "payment_method_types": nil},
		"period_end":       now, "period_start": now, "post_payment_credit_notes_amount": int64(0), "pre_payment_credit_notes_amount": int64(0),
		"receipt_number": nil, "rendering": nil, "shipping_cost": nil, "shipping_details": nil, "starting_balance": int64(0),
		"statement_descriptor": nil, "status": "draft",
		"status_transitions": object{"finalized_at": nil, "marked_uncollectible_at": nil, "paid_at": nil, "voided_at": nil},
		"test_clock":         nil, "total_discount_amounts": []any{},
		"total_pretax_credit_amounts": []any{}, "total_taxes": []any{}, "webhooks_delivered_at": nil,
	}
}

// finalize opens a draft for payment: https://docs.stripe.com/invoicing/integration/workflow-transitions
func (s *Server) finalize(inv object) {
	was := maps.Clone(inv)
	now := s.Now().Unix()
	inv["status"], inv["effective_at"], inv["ending_balance"] = "open", now, int64(0)
	inv["number"] = fmt.Sprintf("TEST-%04d", len(s.kinds["invoice"]))
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"finalized_at": now})
	s.report("invoice.finalized", inv, was, nil)
}

// payInvoice records that an invoice is paid. by is the payment intent; empty: there was nothing to pay.
func (s *Server) payInvoice(inv object, by string) {
	was, now := maps.Clone(inv), s.Now().Unix()
	inv["status"], inv["amount_paid"], inv["amount_remaining"] = "paid", inv["total"], int64(0)
	inv["attempted"], inv["auto_advance"], inv["next_payment_attempt"] = true, false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"paid_at": now})
	if by != "" {
		inv["attempt_count"] = inv["attempt_count"].(int64) + 1
		s.keep(s.ownerOf(inv), object{
			"id": s.newID("inpay_1", 23), "object": "invoice_payment", "amount_paid": inv["total"], "amount_requested": inv["total"], "created": now,
			"currency": inv["currency"], "invoice": inv["id"], "is_default": true, "livemode": false,
			"payment": object{"payment_intent": by, "type": "payment_intent"}, "status": "paid",
			"status_transitions": object{"canceled_at": nil, "paid_at": now},
		})
	}
	s.report("invoice.paid", inv, was, nil)
	s.report("invoice.payment_succeeded", inv, was, nil)
}

// with is a copy of an object with other values.
func (o object) with(set object) object {
	out := maps.Clone(o)
	maps.Copy(out, set)
	return out
}
