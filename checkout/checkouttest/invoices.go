package checkouttest

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// newInvoice bills a subscription for its current period, as a draft. The first invoice also has the one-time lines of the
// session. Prorations that wait are billed, too. https://docs.stripe.com/api/invoices/object
func (s *Server) newInvoice(sess *session, sub object, reason string) object {
	inv := s.invoiceOf(sess, sub, reason)
	var lines []object
	if reason == "subscription_create" {
		lines = s.oneTimeLines(inv, sess, sub)
	}
	for _, item := range itemsOf(sub) {
		lines = append(lines, s.itemLine(inv, sess, item))
	}
	return s.draft(sess, sub, inv, lines)
}

// draft puts the prorations that wait and lines into a new invoice of a subscription, and stores it. The latest proration comes
// first: https://docs.stripe.com/api/invoices/object#invoice_object-lines
func (s *Server) draft(sess *session, sub, inv object, lines []object) object {
	lines = s.reduce(sub, inv, lines)
	waiting := s.waitingItems(func(item object) bool { return subscriptionOfItem(item) == sub["id"] })
	var prorations []object
	for _, item := range slices.Backward(waiting) {
		prorations = append(prorations, s.prorationLine(inv, sub, item))
	}
	inv.bill(append(prorations, lines...))
	inv["auto_advance"] = sub["status"] != "unpaid" && sub["pause_collection"] == nil
	if n := sess.subscription.period; inv["billing_reason"] == "subscription_cycle" { // an invoice looks back one period
		inv["period_start"], inv["period_end"] = periodStart(sub, n-1), periodStart(sub, n)
	}
	s.markBilled(waiting, inv)
	s.keep(sess, inv)
	sub["latest_invoice"] = inv["id"]
	s.emit(sess, "invoice.created", inv, nil)
	return inv
}

// oneTimeLines bills the lines of a session whose prices do not recur.
func (s *Server) oneTimeLines(inv object, sess *session, sub object) []object {
	var lines []object
	now := inv["created"]
	for _, line := range sess.lines {
		price := line["price"].(object)
		if price["recurring"] != nil {
			continue
		}
		parent := object{"invoice_item_details": object{
			"invoice_item": s.newID("ii_1", 23), "proration": false, "proration_details": object{"credited_items": nil}, "subscription": sub["id"],
		}, "subscription_item_details": nil, "type": "invoice_item_details"}
		description := fmt.Sprintf("%d × %s", line["quantity"], line.str("description"))
		lines = append(lines, s.invoiceLine(inv.str("id"), line, line["amount_subtotal"].(int64), description, parent, object{"start": now, "end": now}, pricingOf(price)))
	}
	return lines
}

// itemLine bills an item of a subscription for its current period. A trial costs nothing.
func (s *Server) itemLine(inv object, sess *session, item object) object {
	price, quantity := item["price"].(object), item["quantity"].(int64)
	parent := object{"invoice_item_details": nil, "subscription_item_details": object{
		"invoice_item": nil, "proration": false, "proration_details": object{"credited_items": nil}, "subscription": item["subscription"],
		"subscription_item": item["id"],
	}, "type": "subscription_item_details"}
	name := s.objects[price.str("product")].str("name")
	amount, description := amountOf(price, quantity), fmt.Sprintf("%d × %s", quantity, name)
	if sess.subscription.period < 0 {
		amount, description = 0, "Trial period for "+name
	}
	period := object{"start": item["current_period_start"], "end": item["current_period_end"]}
	of := object{"currency": price["currency"], "quantity": quantity}
	return s.invoiceLine(inv.str("id"), of, amount, description, parent, period, pricingOf(price))
}

func pricingOf(price object) object {
	return object{
		"price_details": object{"price": price["id"], "product": price["product"]}, "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
	}
}

// amountOf returns the price of a quantity, in minor units.
func amountOf(price object, quantity int64) int64 {
	unit, _ := new(big.Rat).SetString(price.str("unit_amount_decimal"))
	return round(unit.Mul(unit, big.NewRat(quantity, 1)))
}

// waitingItems returns the invoice items that no invoice has yet, and that match.
func (s *Server) waitingItems(matches func(item object) bool) []object {
	var waiting []object
	for _, item := range s.byKind["invoiceitem"] {
		if item["invoice"] == nil && matches(item) {
			waiting = append(waiting, item)
		}
	}
	return waiting
}

// markBilled records on which invoice items that waited are.
func (s *Server) markBilled(items []object, inv object) {
	for _, item := range items {
		item["invoice"] = inv["id"]
	}
}

// invoicesOf returns the invoices of a subscription, the oldest first.
func (s *Server) invoicesOf(sub object) []object {
	var found []object
	for _, inv := range s.byKind["invoice"] {
		if parent, ok := inv["parent"].(object); ok && parent["subscription_details"].(object)["subscription"] == sub["id"] {
			found = append(found, inv)
		}
	}
	return found
}

// invoiceLine returns one line of an invoice. It takes currency and quantity from a line or an item.
func (s *Server) invoiceLine(invoice string, of object, amount int64, description any, parent, period object, pricing any) object {
	return object{
		"id": s.newID("il_1", 23), "object": "line_item", "amount": amount, "currency": of["currency"], "description": description,
		"discount_amounts": []any{}, "discountable": true, "discounts": []any{}, "invoice": invoice, "livemode": false, "metadata": object{},
		"parent": parent, "period": period, "pretax_credit_amounts": []any{}, "pricing": pricing, "quantity": of["quantity"], "taxes": []any{},
	}
}

// bill puts the lines into an invoice. An invoice of credits alone asks for nothing.
func (o object) bill(lines []object) {
	total := int64(0)
	for _, line := range lines {
		total += line["amount"].(int64)
	}
	subtotal := total
	for _, off := range o["total_discount_amounts"].([]object) {
		total -= off["amount"].(int64)
	}
	lines = append([]object{}, lines...)
	o["lines"] = object{"object": "list", "data": lines, "has_more": false, "total_count": len(lines), "url": "/v1/invoices/" + o.str("id") + "/lines"}
	o["subtotal"], o["subtotal_excluding_tax"], o["total"], o["total_excluding_tax"] = subtotal, subtotal, total, total
	o["amount_due"], o["amount_remaining"] = max(0, total), max(0, total)
}

// linesShown is the number of lines that an invoice shows. The others are listed: https://docs.stripe.com/api/invoice-line-item/list
const linesShown = 10

// withFirstLines returns an object as the API shows it: an invoice with its first lines.
func (o object) withFirstLines() object {
	list, ok := o["lines"].(object)
	if !ok || o["object"] != "invoice" {
		return o
	}
	lines, ok := list["data"].([]object)
	if !ok || len(lines) <= linesShown {
		return o
	}
	return o.with(object{"lines": list.with(object{"data": lines[:linesShown], "has_more": true})})
}

// listInvoiceLines lists the lines of an invoice: https://docs.stripe.com/api/invoice-line-item/list
func (s *Server) listInvoiceLines(c *call) (object, *apiError) {
	inv, err := s.objectInPath(c, "invoice")
	if err != nil {
		return nil, err
	}
	return listPage(inv["lines"].(object)["data"].([]object), c.url, "line_item", c.params)
}

// invoiceOf returns a draft without lines. sub is nil for an invoice of no subscription.
func (s *Server) invoiceOf(sess *session, sub object, reason string) object {
	now, id := s.Now().Unix(), s.newID("in_1", 23)
	cus := s.objects[sess.str("customer")]
	var parent, due any
	method := "charge_automatically"
	if sub != nil {
		method = sub.str("collection_method")
		if days, sent := sub["days_until_due"].(int64); sent {
			due = s.Now().AddDate(0, 0, int(days)).Unix()
		}
		parent = object{"quote_details": nil, "subscription_details": object{"metadata": sub["metadata"], "subscription": sub["id"]}, "type": "subscription_details"}
	}
	return object{
		"id": id, "object": "invoice", "account_country": "US", "account_name": s.shopName, "account_tax_ids": nil, "amount_overpaid": int64(0), "amount_paid": int64(0), "amount_shipping": int64(0), "application": nil,
		"attempt_count": int64(0), "attempted": false, "auto_advance": true,
		"automatic_tax":              object{"disabled_reason": nil, "enabled": false, "liability": nil, "provider": nil, "status": nil},
		"automatically_finalizes_at": nil, "billing_reason": reason, "collection_method": method, "created": now,
		"currency": sess.object["currency"], "custom_fields": nil, "customer": sess.object["customer"], "customer_address": cus["address"],
		"customer_email": cus["email"], "customer_name": cus["name"], "customer_phone": cus["phone"], "customer_shipping": cus["shipping"],
		"customer_tax_exempt": "none", "customer_tax_ids": []any{}, "default_payment_method": nil, "default_source": nil,
		"default_tax_rates": []any{}, "description": nil, "discounts": []any{}, "due_date": due, "effective_at": nil, "ending_balance": nil,
		"footer": nil, "from_invoice": nil, "hosted_invoice_url": nil, "invoice_pdf": nil, "issuer": object{"type": "self"},
		"last_finalization_error": nil, "latest_revision": nil,
		"livemode": false, "metadata": object{}, "next_payment_attempt": nil, "number": nil, "on_behalf_of": nil,
		"parent":           parent,
		"payment_settings": object{"default_mandate": nil, "payment_method_options": nil, "payment_method_types": nil},
		"period_end":       now, "period_start": now, "post_payment_credit_notes_amount": int64(0), "pre_payment_credit_notes_amount": int64(0),
		"receipt_number": nil, "rendering": nil, "shipping_cost": nil, "shipping_details": nil, "starting_balance": int64(0),
		"statement_descriptor": nil, "status": "draft",
		"status_transitions": object{"finalized_at": nil, "marked_uncollectible_at": nil, "paid_at": nil, "voided_at": nil},
		"test_clock":         nil, "total_discount_amounts": []object{},
		"total_pretax_credit_amounts": []any{}, "total_taxes": []any{}, "webhooks_delivered_at": nil,
	}
}

// isSent reports whether an invoice, or those of a subscription, are sent to the customer instead of charged.
func isSent(o object) bool { return o["collection_method"] == "send_invoice" }

// finalize opens a draft for payment: https://docs.stripe.com/invoicing/integration/workflow-transitions
func (s *Server) finalize(inv object) {
	inv["webhooks_delivered_at"] = inv["created"]
	was := maps.Clone(inv)
	now := s.Now().Unix()
	inv["status"], inv["effective_at"] = "open", now
	s.applyBalance(inv)
	s.invoiceNumber++
	inv["number"] = fmt.Sprintf("TEST-%04d", s.invoiceNumber)
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"finalized_at": now})
	s.emitChange("invoice.finalized", inv, was, nil)
}

// dueNow is what the customer pays for a session now. The customer's credit pays the first invoice of a subscription as far as it goes,
// in Checkout, too. The total of the session is without it.
// https://docs.stripe.com/changelog/basil/2025-03-31/new-customer-transaction-types
func (s *Server) dueNow(sess *session) int64 {
	total, _ := sess.object["amount_total"].(int64)
	if sess.str("mode") != "subscription" {
		return total
	}
	balance, _ := s.objects[sess.str("customer")]["balance"].(int64)
	return max(0, total+balance)
}

// applyBalance pays an invoice with the customer's credit as far as it goes, and keeps the credit of an invoice whose total
// is negative. Checkout takes a payment that it makes an invoice of without it.
// https://docs.stripe.com/billing/customer/balance
func (s *Server) applyBalance(inv object) {
	cus := s.objects[inv.str("customer")]
	balance, exists := cus["balance"].(int64)
	inv["ending_balance"] = int64(0)
	if !exists || inv["billing_reason"] == "manual" && s.paymentOf(inv) != nil {
		return
	}
	due := inv["total"].(int64) + balance
	left := min(0, due)
	inv["starting_balance"], inv["ending_balance"] = balance, left
	inv["amount_due"], inv["amount_remaining"] = max(0, due), max(0, due)
	if left != balance {
		was := maps.Clone(cus)
		cus["balance"] = left
		s.emitChange("customer.updated", cus, was, nil)
	}
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
	switch {
	case with.method == "":
		return noMethod
	case with.method.asksAlways() || with.method.asks() && inv["parent"] == nil: // nobody has authenticated the card for this invoice
		s.changeIntent(sess, "payment_intent.requires_action", object{
			"status": "requires_action", "next_action": object{"type": "use_stripe_sdk", "use_stripe_sdk": object{"type": "three_d_secure_redirect"}},
		})
		s.emitChange("invoice.payment_action_required", inv, nil, nil)
		return authenticationRequired
	}
	return s.chargeIntent(sess, with)
}

// confirmationSecret returns the secret with which a customer can pay an open invoice in the browser, or nil if nothing is to be paid.
// https://docs.stripe.com/api/invoices/object#invoice_object-confirmation_secret
func (s *Server) confirmationSecret(inv object) object {
	payment := s.paymentOf(inv)
	if payment == nil {
		return nil
	}
	return object{"client_secret": s.objects[intentOf(payment)]["client_secret"], "type": "payment_intent"}
}

// payInvoice records that an invoice is paid: by its payment, or by nothing if there was nothing to pay.
func (s *Server) payInvoice(inv object) {
	was := maps.Clone(inv)
	s.markPaid(inv)
	inv["attempted"] = true
	payment := s.paymentOf(inv)
	if payment != nil {
		inv["attempt_count"] = inv["attempt_count"].(int64) + 1
	}
	s.updatedByPayment(inv, was)
	s.emitChange("invoice.paid", inv, was, nil)
	s.emitChange("invoice.payment_succeeded", inv, was, nil)
	if payment != nil {
		s.settlePayment(payment)
	}
}

// updatedByPayment emits invoice.updated, which Stripe sends when a payment of a subscription's invoice succeeds or fails
// (https://docs.stripe.com/billing/subscriptions/webhooks). Listings of `stripe listen` from 2025-09 to 2026-03, whose endpoints get
// invoice_payment.paid, have none for the first invoice. Two of older API versions, from 2025-06 and 2025-08, have it before invoice.paid.
func (s *Server) updatedByPayment(inv, was object) {
	if s.paymentOf(inv) != nil && inv["parent"] != nil && inv["billing_reason"] != "subscription_create" {
		s.emitChange("invoice.updated", inv, was, nil)
	}
}

// markPaid gives an invoice the fields of one that is paid.
func (s *Server) markPaid(inv object) {
	inv["status"], inv["amount_paid"], inv["amount_remaining"] = "paid", inv["amount_due"], int64(0)
	inv["auto_advance"], inv["next_payment_attempt"] = false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"paid_at": s.Now().Unix()})
}

// recordFailure records that a payment over the API has failed. It leaves the schedule of the server's own attempts as it is.
func (s *Server) recordFailure(inv object) {
	was := maps.Clone(inv)
	inv["attempted"], inv["attempt_count"] = true, max(1, inv["attempt_count"].(int64))
	s.updatedByPayment(inv, was)
	s.emitChange("invoice.payment_failed", inv, was, nil)
}

// invoiceFails records that an attempt to pay an invoice has failed. again is the time to the next attempt; 0 means that
// there is none.
func (s *Server) invoiceFails(inv object, again time.Duration) {
	was := maps.Clone(inv)
	inv["attempted"], inv["attempt_count"], inv["next_payment_attempt"] = true, inv["attempt_count"].(int64)+1, nil
	if again > 0 {
		inv["next_payment_attempt"] = s.Now().Add(again).Unix()
	}
	s.updatedByPayment(inv, was)
	s.emitChange("invoice.payment_failed", inv, was, nil)
}

func (s *Server) voidInvoice(inv object) {
	was := maps.Clone(inv)
	inv["status"], inv["auto_advance"], inv["next_payment_attempt"] = "void", false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"voided_at": s.Now().Unix()})
	s.emitChange("invoice.voided", inv, was, nil)
	s.cancelInvoicePayment(inv, "void_invoice")
}

// markUncollectible gives up an open invoice: https://docs.stripe.com/api/invoices/mark_uncollectible
func (s *Server) markUncollectible(inv object) {
	was := maps.Clone(inv)
	inv["status"], inv["auto_advance"], inv["next_payment_attempt"] = "uncollectible", false, nil
	inv["status_transitions"] = inv["status_transitions"].(object).with(object{"marked_uncollectible_at": s.Now().Unix()})
	s.emitChange("invoice.marked_uncollectible", inv, was, nil)
}

// stopCollecting has an invoice tried no more. It can still be paid over the API.
func (s *Server) stopCollecting(inv object) {
	if inv["auto_advance"] != true || inv["status"] != "draft" && inv["status"] != "open" {
		return
	}
	was := maps.Clone(inv)
	inv["auto_advance"], inv["next_payment_attempt"] = false, nil
	s.emitChange("invoice.updated", inv, was, nil)
}

func ofSubscription(o object, p *formparams.Param) bool {
	parent, ok := o["parent"].(object)
	return ok && parent["subscription_details"].(object)["subscription"] == p.String()
}
