package checkouttest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// newInvoice bills a subscription for its current period, as a draft. The first invoice has all lines of the session, later
// ones the recurring lines. https://docs.stripe.com/api/invoices/object
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

// invoiceLine returns one line of an invoice. It takes currency and quantity from a line or an item.
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

// invoiceOf returns a draft without lines. sub is nil for an invoice of no subscription.
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
	inv["number"] = fmt.Sprintf("TEST-%04d", len(s.byKind["invoice"]))
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"finalized_at": now})
	s.emitChange("invoice.finalized", inv, was, nil)
}

// chargeInvoice tries to collect an open invoice. It returns the reason of a refusal, or nil. All tries of an invoice share
// a payment intent.
func (s *Server) chargeInvoice(inv object, with tender) *PaymentError {
	sess := s.ownerOf(inv)
	due := inv["amount_due"].(int64)
	if due == 0 {
		return nil
	}
	if payment := s.paymentOf(inv); payment != nil {
		sess.pi = intentOf(payment)
	} else {
		s.newIntent(sess, due)
		s.attachPayment(inv, sess.pi)
	}
	return s.chargeIntent(sess, with)
}

// payInvoice records that an invoice is paid: by its payment, or by nothing if there was nothing to pay.
func (s *Server) payInvoice(inv object) {
	was, now := maps.Clone(inv), s.Now().Unix()
	inv["status"], inv["amount_paid"], inv["amount_remaining"] = "paid", inv["amount_due"], int64(0)
	inv["attempted"], inv["auto_advance"], inv["next_payment_attempt"] = true, false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"paid_at": now})
	payment := s.paymentOf(inv)
	if payment != nil {
		inv["attempt_count"] = inv["attempt_count"].(int64) + 1
	}
	s.emitChange("invoice.paid", inv, was, nil)
	s.emitChange("invoice.payment_succeeded", inv, was, nil)
	if payment != nil {
		s.settlePayment(payment)
	}
}

// invoiceFails records that an attempt to pay an invoice has failed. again is the time to the next attempt; 0 means that
// there is none.
func (s *Server) invoiceFails(inv object, again time.Duration) {
	was := maps.Clone(inv)
	inv["attempted"], inv["attempt_count"], inv["next_payment_attempt"] = true, inv["attempt_count"].(int64)+1, nil
	if again > 0 {
		inv["next_payment_attempt"] = s.Now().Add(again).Unix()
	}
	s.emitChange("invoice.payment_failed", inv, was, nil)
}

func (s *Server) voidInvoice(inv object) {
	was := maps.Clone(inv)
	inv["status"], inv["auto_advance"], inv["next_payment_attempt"] = "void", false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"voided_at": s.Now().Unix()})
	s.emitChange("invoice.voided", inv, was, nil)
	s.cancelInvoicePayment(inv)
}

func ofSubscription(o object, p *formparams.Param) bool {
	parent, ok := o["parent"].(object)
	return ok && parent["subscription_details"].(object)["subscription"] == p.String()
}

// createInvoiceItem adds an item to a customer's next invoice: https://docs.stripe.com/api/invoiceitems/create
func (s *Server) createInvoiceItem(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "amount", "currency", "customer", "description", "expand", "metadata"); err != nil {
		return nil, err
	}
	for _, name := range []string{"customer", "amount", "currency"} {
		if p.Get(name) == nil {
			return nil, missing(name)
		}
	}
	if _, err := s.objectInParam(c, "customer", p.Get("customer")); err != nil {
		return nil, err
	}
	currency, now := p.Get("currency").String(), s.Now().Unix()
	if !slices.Contains(currencies, currency) {
		return nil, badCurrency("currency", currency)
	}
	o := object{
		"id": s.newID("ii_1", 23), "object": "invoiceitem", "amount": p.Get("amount").Int(), "currency": currency, "customer": p.Get("customer").String(),
		"date": now, "description": value(p.Get("description")), "discountable": true, "discounts": []any{}, "invoice": nil, "livemode": false,
		"metadata": object{}, "parent": nil, "period": object{"start": now, "end": now}, "pricing": nil, "proration": false, "quantity": int64(1),
		"tax_rates": []any{}, "test_clock": nil,
	}
	if err := o.setMetadata(p); err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	s.emitChange("invoiceitem.created", o, nil, c)
	return o, nil
}

// createInvoice bills a customer for the items that wait: https://docs.stripe.com/api/invoices/create
func (s *Server) createInvoice(c *call) (object, *apiError) {
	p := c.params
	if err := only(p, "customer", "description", "expand", "metadata", "pending_invoice_items_behavior"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("pending_invoice_items_behavior"), "exclude", "include"); err != nil {
		return nil, err
	}
	if p.Get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.objectInParam(c, "customer", p.Get("customer"))
	if err != nil {
		return nil, err
	}
	sess := s.payer(c, cus, &formparams.Param{})
	var waiting []object
	if p.Get("pending_invoice_items_behavior").String() == "include" {
		for _, item := range s.byKind["invoiceitem"] {
			if item["customer"] == cus["id"] && item["invoice"] == nil {
				waiting = append(waiting, item)
			}
		}
	}
	sess.object["currency"] = "usd"
	if len(waiting) > 0 {
		sess.object["currency"] = waiting[0]["currency"]
	}
	inv := s.invoiceOf(sess, nil, "manual")
	inv["auto_advance"], inv["description"] = false, value(p.Get("description"))
	if err := inv.setMetadata(p); err != nil {
		return nil, err
	}
	lines, total := []object{}, int64(0)
	for _, item := range waiting {
		if item["currency"] != inv["currency"] {
			return nil, invalid("", "pending_invoice_items_behavior", "This test server bills items of one currency only.")
		}
		parent := object{"invoice_item_details": object{
			"invoice_item": item["id"], "proration": false, "proration_details": object{"credited_items": nil}, "subscription": nil,
		}, "subscription_item_details": nil, "type": "invoice_item_details"}
		amount := item["amount"].(int64)
		lines, total = append(lines, s.invoiceLine(inv.str("id"), item, amount, item["description"], parent, item["period"].(object), nil)), total+amount
	}
	inv.bill(lines, total)
	for _, item := range waiting {
		item["invoice"] = inv["id"]
	}
	s.keep(sess, inv)
	s.emitChange("invoice.created", inv, nil, c)
	return inv, nil
}

// payInvoiceOverAPI pays an invoice, finalized or not: https://docs.stripe.com/api/invoices/pay
func (s *Server) payInvoiceOverAPI(c *call) (object, *apiError) {
	inv, err := s.objectInPath(c, "invoice")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "expand", "payment_method"); err != nil {
		return nil, err
	}
	if inv["status"] == "paid" || inv["status"] == "void" {
		return nil, &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "invoice_not_editable", message: "Invoice is already " + inv.str("status") + "."}
	}
	sess := s.ownerOf(inv)
	if sess.subscription != nil {
		return nil, invalid("", "", "This test server pays a subscription's invoices by themselves.")
	}
	id := c.params.Get("payment_method").String()
	if id == "" {
		id = s.objects[inv.str("customer")]["invoice_settings"].(object).str("default_payment_method")
	}
	with, err := s.tenderOf(c, id)
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, missing("payment_method")
	}
	if inv["status"] == "draft" {
		s.finalize(inv)
	}
	if refused := s.chargeInvoice(inv, with); refused != nil {
		s.invoiceFails(inv, 0)
		return nil, s.payError(sess, refused)
	}
	s.payInvoice(inv)
	return inv, nil
}
