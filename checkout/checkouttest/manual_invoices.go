package checkouttest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

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
	if err := only(p, "collection_method", "customer", "days_until_due", "description", "expand", "metadata", "pending_invoice_items_behavior"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("pending_invoice_items_behavior"), "exclude", "include"); err != nil {
		return nil, err
	}
	due, err := s.dueDate(p)
	if err != nil {
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
		waiting = s.waitingItems(func(item object) bool { return item["customer"] == cus["id"] && subscriptionOfItem(item) == nil })
	}
	sess.object["currency"] = "usd"
	if len(waiting) > 0 {
		sess.object["currency"] = waiting[0]["currency"]
	}
	inv := s.invoiceOf(sess, nil, "manual")
	inv["auto_advance"], inv["description"] = false, value(p.Get("description"))
	inv["collection_method"], inv["due_date"] = valueOr(p.Get("collection_method"), "charge_automatically"), due
	if err := inv.setMetadata(p); err != nil {
		return nil, err
	}
	lines := []object{}
	for _, item := range waiting {
		if item["currency"] != inv["currency"] {
			return nil, invalid("", "pending_invoice_items_behavior", "This test server bills items of one currency only.")
		}
		parent := object{"invoice_item_details": object{
			"invoice_item": item["id"], "proration": false, "proration_details": object{"credited_items": nil}, "subscription": nil,
		}, "subscription_item_details": nil, "type": "invoice_item_details"}
		lines = append(lines, s.invoiceLine(inv.str("id"), item, item["amount"].(int64), item["description"], parent, item["period"].(object), nil))
	}
	inv.bill(lines)
	s.markBilled(waiting, inv)
	s.keep(sess, inv)
	s.emitChange("invoice.created", inv, nil, c)
	return inv, nil
}

// dueDate returns when an invoice is due that its customer pays by themselves, and nil for an invoice that is charged.
func (s *Server) dueDate(p *formparams.Param) (any, *apiError) {
	method, days := p.Get("collection_method"), p.Get("days_until_due")
	if err := oneOf(method, "charge_automatically", "send_invoice"); err != nil {
		return nil, err
	}
	sent := method.String() == "send_invoice"
	switch {
	case sent && days == nil:
		return nil, invalid("", "days_until_due", "If invoice `collection_method` is 'send_invoice', you must specify `due_date` or `days_until_due`.")
	case !sent && days != nil:
		return nil, invalid("", "days_until_due", "`days_until_due` can be set only on invoices where `collection_method` is 'send_invoice'.")
	case !sent:
		return nil, nil
	default:
		return s.Now().AddDate(0, 0, int(days.Int())).Unix(), nil
	}
}

// deleteInvoiceItem deletes an item that no finalized invoice has: https://docs.stripe.com/api/invoiceitems/delete
func (s *Server) deleteInvoiceItem(c *call) (object, *apiError) {
	item, err := s.objectInPath(c, "invoiceitem")
	if err != nil {
		return nil, err
	}
	if inv := s.objects[item.str("invoice")]; inv != nil {
		if inv["status"] != "draft" {
			return nil, notEditable("This invoice item is on an invoice that is no longer a draft.")
		}
		kept := []object{}
		for _, line := range inv["lines"].(object)["data"].([]object) {
			if details, ok := line["parent"].(object)["invoice_item_details"].(object); !ok || details["invoice_item"] != item["id"] {
				kept = append(kept, line)
			}
		}
		inv.bill(kept)
	}
	s.emitChange("invoiceitem.deleted", item, nil, c)
	return s.remove(item), nil
}

// updateInvoice changes the texts of an invoice: https://docs.stripe.com/api/invoices/update
func (s *Server) updateInvoice(c *call) (object, *apiError) {
	inv, err := s.objectInPath(c, "invoice")
	if err != nil {
		return nil, err
	}
	if err := only(c.params, "description", "expand", "metadata"); err != nil {
		return nil, err
	}
	return inv, s.update(c, inv, "invoice.updated", func(o object, p *formparams.Param) *apiError {
		o.set(p, "description")
		return o.setMetadata(p)
	})
}

// manualInvoice returns the invoice in the path if it has one of the statuses. The invoices of subscriptions have a course of their own,
// which the server plays.
func (s *Server) manualInvoice(c *call, statuses ...string) (object, *apiError) {
	inv, err := s.objectInPath(c, "invoice")
	switch {
	case err != nil:
		return nil, err
	case inv["parent"] != nil:
		return nil, invalid("", "", "This test server does not implement %s %s for the invoice of a subscription.", c.method, c.url)
	case !slices.Contains(statuses, inv.str("status")):
		return nil, notEditable("This invoice is " + inv.str("status") + ", and the call needs one that is " + strings.Join(statuses, " or ") + ".")
	}
	return inv, only(c.params, "expand")
}

func notEditable(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", code: "invoice_not_editable", message: message}
}

// deleteInvoice deletes a draft: https://docs.stripe.com/api/invoices/delete. Its items wait for the next invoice.
func (s *Server) deleteInvoice(c *call) (object, *apiError) {
	inv, err := s.manualInvoice(c, "draft")
	if err != nil {
		return nil, err
	}
	for _, item := range s.byKind["invoiceitem"] {
		if item["invoice"] == inv["id"] {
			item["invoice"] = nil
		}
	}
	s.emitChange("invoice.deleted", inv, nil, c)
	return s.remove(inv), nil
}

// finalizeInvoice opens a draft. An invoice that asks for nothing is paid at once. https://docs.stripe.com/api/invoices/finalize
func (s *Server) finalizeInvoice(c *call) (object, *apiError) {
	inv, err := s.manualInvoice(c, "draft")
	if err != nil {
		return nil, err
	}
	s.finalizeManual(inv)
	return inv, nil
}

func (s *Server) finalizeManual(inv object) {
	s.finalize(inv)
	if inv["amount_due"] == int64(0) {
		s.payInvoice(inv)
	}
}

// sendInvoice sends an invoice to its customer, and finalizes a draft before. No e-mail leaves a sandbox.
// https://docs.stripe.com/api/invoices/send
func (s *Server) sendInvoice(c *call) (object, *apiError) {
	inv, err := s.manualInvoice(c, "draft", "open", "paid", "uncollectible")
	switch {
	case err != nil:
		return nil, err
	case !isSent(inv):
		return nil, invalid("", "", "You can only manually send an invoice if its collection method is 'send_invoice'.")
	case inv["customer_email"] == nil:
		return nil, invalid("", "", "Missing email. In order to send an invoice to the customer, the customer must have a valid email.")
	case inv["status"] == "draft":
		s.finalizeManual(inv)
	}
	s.emitChange("invoice.sent", inv, nil, c)
	return inv, nil
}

// voidInvoiceOverAPI cancels an invoice for good: https://docs.stripe.com/api/invoices/void
func (s *Server) voidInvoiceOverAPI(c *call) (object, *apiError) {
	inv, err := s.manualInvoice(c, "open", "uncollectible")
	if err != nil {
		return nil, err
	}
	if s.debitOnItsWay(inv) {
		return nil, invalid("", "", "This invoice has a payment that is processing.")
	}
	s.voidInvoice(inv)
	return inv, nil
}

// markUncollectibleOverAPI gives up an invoice, which can still be paid: https://docs.stripe.com/api/invoices/mark_uncollectible
func (s *Server) markUncollectibleOverAPI(c *call) (object, *apiError) {
	inv, err := s.manualInvoice(c, "open")
	if err != nil {
		return nil, err
	}
	s.markUncollectible(inv)
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
		return nil, notEditable("Invoice is already " + inv.str("status") + ".")
	}
	with, err := s.ownTender(c, c.params.Get("payment_method"))
	if err != nil {
		return nil, err
	}
	sess := s.ownerOf(inv)
	if with.method == "" && sess.subscription != nil {
		with = s.tenderFor(sess)
	} else if with.method == "" {
		with, err = s.tenderOf(c, s.defaultMethodOf(inv.str("customer")))
	}
	switch {
	case err != nil:
		return nil, err
	case with.method == "":
		return nil, missing("payment_method")
	case s.debitOnItsWay(inv):
		return nil, invalid("", "", "This invoice has a payment that is processing.")
	}
	if inv["status"] == "draft" {
		s.finalize(inv)
	}
	refused := s.chargeInvoice(inv, with)
	sess.method = ""
	if refused != nil {
		answer := s.payError(sess, refused)
		s.recordFailure(inv)
		return nil, answer
	}
	s.payInvoice(inv)
	if sess.subscription != nil {
		s.followInvoices(sess)
	}
	return inv, nil
}

// debitOnItsWay reports whether the payment of an invoice is a bank debit that has not ended yet.
func (s *Server) debitOnItsWay(inv object) bool {
	payment := s.paymentOf(inv)
	return payment != nil && s.objects[intentOf(payment)]["status"] == "processing"
}
