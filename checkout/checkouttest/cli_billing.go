package checkouttest

import (
	"net/http"
	"slices"
)

// Subscriptions and invoices without a session, as far as `stripe trigger` makes them. As with payment intents, each is
// paid through a session that has no ID.

// createSubscription starts a subscription that is paid at once, with its customer's default payment method.
// https://docs.stripe.com/api/subscriptions/create
func (s *Server) createSubscription(c *call) (object, *apiError) {
	p := c.params
	if err := p.only("customer", "description", "expand", "items", "metadata"); err != nil {
		return nil, err
	}
	if p.get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.given(c, "customer", p.get("customer"))
	if err != nil {
		return nil, err
	}
	if _, err := p.get("metadata").metadata(); err != nil {
		return nil, err
	}
	sess := s.payer(c, cus, &param{fields: map[string]*param{"subscription_data": p, "line_items": linesOf(p.get("items"))}})
	sess.object["mode"] = "subscription"
	if sess.lines, err = s.newLines(sess, s.Now().Unix()); err != nil {
		return nil, err
	}
	if len(sess.lines) == 0 {
		return nil, missing("items")
	}
	var total int64
	for _, line := range sess.lines {
		total += line["amount_total"].(int64)
	}
	sess.object["currency"], sess.object["amount_total"] = sess.lines[0]["currency"], total
	with, err := s.means(c, cus["invoice_settings"].(object).str("default_payment_method"))
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, invalid("resource_missing", "", "This customer has no attached payment source or default payment method.")
	}
	refused := s.charged(sess, total, with)
	s.subscribe(sess, refused == nil)
	if refused != nil {
		s.invoiceFails(s.objects[sess.str("invoice")], 0)
	}
	return sess.plan.sub, nil
}

// linesOf are the items of a subscription as the lines of a session. Their quantity is 1 unless they say otherwise.
func linesOf(items *param) *param {
	for _, item := range items.list() {
		if item.get("quantity") == nil {
			item.field("quantity", item.nameOf("quantity")).scalar = "1"
		}
	}
	return items
}

// payer is the session without an ID that a customer pays through.
func (s *Server) payer(c *call, cus object, sent *param) *session {
	return &session{account: c.account, sent: sent, object: object{
		"mode": "payment", "customer": cus["id"], "payment_method_types": []string{"card"}, "payment_method_options": object{},
		"automatic_tax": object{"enabled": false, "liability": nil},
	}}
}

// charged pays an amount, and returns why that was refused.
func (s *Server) charged(sess *session, total int64, with means) *PaymentError {
	sess.method, sess.buyer = with.method, with.buyer.orDefaults(sess)
	if total == 0 {
		return nil
	}
	s.newIntent(sess, total)
	if refused := refusals[with.method]; refused != nil {
		s.chargeFails(sess, refused)
		return refused
	}
	s.charge(sess, "succeeded")
	s.intentSucceeds(sess)
	return nil
}

// createInvoiceItem notes what a customer's next invoice is to bill: https://docs.stripe.com/api/invoiceitems/create
func (s *Server) createInvoiceItem(c *call) (object, *apiError) {
	p := c.params
	if err := p.only("amount", "currency", "customer", "description", "expand", "metadata"); err != nil {
		return nil, err
	}
	for _, name := range []string{"customer", "amount", "currency"} {
		if p.get(name) == nil {
			return nil, missing(name)
		}
	}
	if _, err := s.given(c, "customer", p.get("customer")); err != nil {
		return nil, err
	}
	currency, now := p.get("currency").str(), s.Now().Unix()
	if !slices.Contains(currencies, currency) {
		return nil, badCurrency("currency", currency)
	}
	o := object{
		"id": s.newID("ii_1", 23), "object": "invoiceitem", "amount": p.get("amount").int(), "currency": currency, "customer": p.get("customer").str(),
		"date": now, "description": p.get("description").value(), "discountable": true, "discounts": []any{}, "invoice": nil, "livemode": false,
		"metadata": object{}, "parent": nil, "period": object{"start": now, "end": now}, "pricing": nil, "proration": false, "quantity": int64(1),
		"tax_rates": []any{}, "test_clock": nil,
	}
	if err := o.setMetadata(p); err != nil {
		return nil, err
	}
	s.keep(&session{account: c.account}, o)
	s.report("invoiceitem.created", o, nil, c)
	return o, nil
}

// createInvoice bills a customer for the items that wait: https://docs.stripe.com/api/invoices/create
func (s *Server) createInvoice(c *call) (object, *apiError) {
	p := c.params
	if err := p.only("customer", "description", "expand", "metadata", "pending_invoice_items_behavior"); err != nil {
		return nil, err
	}
	if err := oneOf(p.get("pending_invoice_items_behavior"), "exclude", "include"); err != nil {
		return nil, err
	}
	if p.get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.given(c, "customer", p.get("customer"))
	if err != nil {
		return nil, err
	}
	sess := s.payer(c, cus, &param{})
	var waiting []object
	if p.get("pending_invoice_items_behavior").str() == "include" {
		for _, item := range s.kinds["invoiceitem"] {
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
	inv["auto_advance"], inv["description"] = false, p.get("description").value()
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
	s.report("invoice.created", inv, nil, c)
	return inv, nil
}

// payInvoiceNow pays an invoice, finalized or not: https://docs.stripe.com/api/invoices/pay
func (s *Server) payInvoiceNow(c *call) (object, *apiError) {
	inv, err := s.named(c, "invoice")
	if err != nil {
		return nil, err
	}
	if err := c.params.only("expand", "payment_method"); err != nil {
		return nil, err
	}
	if inv["status"] == "paid" || inv["status"] == "void" {
		return nil, &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "invoice_not_editable", message: "Invoice is already " + inv.str("status") + "."}
	}
	sess := s.ownerOf(inv)
	if sess.plan != nil {
		return nil, invalid("", "", "This test server pays a subscription's invoices by themselves.")
	}
	id := c.params.get("payment_method").str()
	if id == "" {
		id = s.objects[inv.str("customer")]["invoice_settings"].(object).str("default_payment_method")
	}
	with, err := s.means(c, id)
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, missing("payment_method")
	}
	if inv["status"] == "draft" {
		s.finalize(inv)
	}
	if refused := s.charged(sess, inv["total"].(int64), with); refused != nil {
		s.invoiceFails(inv, 0)
		return nil, s.payError(sess, refused)
	}
	s.payInvoice(inv, sess.pi)
	return inv, nil
}

// attachMethod gives a payment method to a customer: https://docs.stripe.com/api/payment_methods/attach
func (s *Server) attachMethod(c *call) (object, *apiError) {
	if c.params.get("customer") == nil {
		return nil, missing("customer")
	}
	cus, err := s.given(c, "customer", c.params.get("customer"))
	if err != nil {
		return nil, err
	}
	pm, err := s.ownMethod(c, &param{name: "payment_method", scalar: c.path("id")})
	if err != nil {
		return nil, err
	}
	if pm["customer"] != nil && pm["customer"] != cus["id"] {
		return nil, invalid("", "", "The payment method you provided has already been attached to a customer.")
	}
	pm["customer"] = cus["id"]
	s.report("payment_method.attached", pm, nil, c)
	return pm, nil
}

// ownMethod is a payment method of the account's own: of those that every sandbox has, a copy.
func (s *Server) ownMethod(c *call, p *param) (object, *apiError) {
	if pm := s.find(c.account, "payment_method", p.str()); pm != nil {
		return pm, nil
	}
	with, err := s.means(c, p.str())
	if err != nil {
		return nil, err
	}
	pm := newMethod(s.newID("pm_1", 23), "card", cardDetails(with.method), object{
		"address": Address{}.shown(), "email": nil, "name": nil, "phone": nil, "tax_id": nil,
	}, s.Now().Unix())
	s.keep(&session{account: c.account}, pm)
	return pm, nil
}
