package checkouttest

import (
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"

	"github.com/gofulfil/fulfil/checkout/checkouttest/internal/formparams"
)

// createCreditNote lowers what a finalized invoice asks for, or gives back what was paid for it:
// https://docs.stripe.com/api/credit_notes/create
func (s *Server) createCreditNote(c *call) (object, *apiError) {
	inv, note, err := s.draftCreditNote(c, s.ids)
	if err != nil {
		return nil, err
	}
	if sum := c.params.Get("refund_amount").Int(); sum > 0 {
		re, err := s.refundInvoice(inv, sum, c)
		if err != nil {
			return nil, err
		}
		note["refunds"] = append([]object{{"amount_refunded": sum, "refund": re["id"]}}, note["refunds"].([]object)...)
	}
	if sum := c.params.Get("credit_amount").Int(); sum > 0 {
		s.creditCustomer(inv, sum, c)
		note["customer_balance_transaction"] = s.newID("cbtxn_1", 23) // the server keeps the balance, and no list of its movements
	}
	s.keep(s.ownerOf(inv), note)
	// No source says which of these two events comes first: no listing with a credit note was found.
	s.emitChange("credit_note.created", note, nil, c)
	s.credit(inv, note["pre_payment_amount"].(int64), note["post_payment_amount"].(int64), c)
	return note, nil
}

// previewCreditNote shows the credit note that a request would make: https://docs.stripe.com/api/credit_notes/preview
func (s *Server) previewCreditNote(c *call) (object, *apiError) {
	_, note, err := s.draftCreditNote(c, s.readIDs)
	return note, err
}

// previewCreditNoteLines lists the lines of such a note: https://docs.stripe.com/api/credit_notes/preview_lines
func (s *Server) previewCreditNoteLines(c *call) (object, *apiError) {
	_, note, err := s.draftCreditNote(c, s.readIDs)
	if err != nil {
		return nil, err
	}
	return listPage(linesOfNote(note), c.url, "credit_note_line_item", c.params)
}

// listCreditNoteLines lists the lines of a credit note: https://docs.stripe.com/api/credit_notes/lines
func (s *Server) listCreditNoteLines(c *call) (object, *apiError) {
	note, err := s.objectInPath(c, "credit_note")
	if err != nil {
		return nil, err
	}
	return listPage(linesOfNote(note), c.url, "credit_note_line_item", c.params)
}

// updateCreditNote changes the texts of a credit note: https://docs.stripe.com/api/credit_notes/update
func (s *Server) updateCreditNote(c *call) (object, *apiError) {
	note, err := s.objectInPath(c, "credit_note")
	if err != nil {
		return nil, err
	}
	return note, s.update(c, note, "credit_note.updated", func(o object, p *formparams.Param) *apiError {
		o.set(p, "memo")
		return o.setMetadata(p)
	})
}

// voidCreditNote takes a credit note back, so that the invoice asks for the money again: https://docs.stripe.com/api/credit_notes/void
// That page does not say when Stripe refuses this. The error for an invoice that is not open is the one that Stripe's users report.
func (s *Server) voidCreditNote(c *call) (object, *apiError) {
	note, err := s.objectInPath(c, "credit_note")
	if err != nil {
		return nil, err
	}
	inv := s.objects[note.str("invoice")]
	switch {
	case note["status"] == "void":
		return nil, uncreditable("", "This credit note is already void.")
	case inv["status"] != "open":
		return nil, uncreditable("", "You can only void a credit note if the associated invoice is open.")
	}
	was := maps.Clone(note)
	note["status"], note["voided_at"] = "void", s.Now().Unix()
	s.emitChange("credit_note.voided", note, was, c)
	s.credit(inv, -note["pre_payment_amount"].(int64), 0, c)
	return note, nil
}

// uncreditable is the error of a credit note that the state of its invoice does not allow. Stripe publishes none of these messages: two
// are those that its users report, and the others are made up.
func uncreditable(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, typ: "invalid_request_error", param: param, message: fmt.Sprintf(format, args...)}
}

// draftCreditNote returns the credit note that a request asks for, and its invoice. It changes nothing.
func (s *Server) draftCreditNote(c *call, ids *idSource) (inv, note object, _ *apiError) {
	p := c.params
	if err := only(p, "amount", "credit_amount", "effective_at", "email_type", "ending_before", "expand", "invoice", "limit", "lines", "memo", "metadata",
		"out_of_band_amount", "reason", "refund_amount", "refunds", "starting_after"); err != nil {
		return nil, nil, err
	}
	meta, err := checkCreditNote(p)
	if err != nil {
		return nil, nil, err
	}
	inv, err = s.creditableInvoice(c)
	if err != nil {
		return nil, nil, err
	}
	lines, err := s.creditLines(inv, p, ids)
	if err != nil {
		return nil, nil, err
	}
	total := int64(0)
	for _, line := range lines {
		total += line["amount"].(int64)
	}
	if err := checkCreditTotal(inv, total); err != nil {
		return nil, nil, err
	}
	refunds, linked, err := s.linkedRefunds(c, inv)
	if err != nil {
		return nil, nil, err
	}
	before := min(total, inv["amount_remaining"].(int64))
	currency, given := inv.str("currency"), linked+p.Get("credit_amount").Int()+p.Get("refund_amount").Int()+p.Get("out_of_band_amount").Int()
	if given != total-before {
		return nil, nil, uncreditable("", "The sum of credit amount, refund amount and out of band amount (%s) must equal the credit note amount (%s).",
			money(given, currency), money(total-before, currency))
	}
	now, id := s.Now().Unix(), ids.next("cn_1", 23)
	return inv, object{
		"id": id, "object": "credit_note", "amount": total, "amount_shipping": int64(0), "created": now, "currency": currency, "customer": inv["customer"],
		"customer_balance_transaction": nil, "discount_amount": int64(0), "discount_amounts": []any{}, "effective_at": valueOr(p.Get("effective_at"), now),
		"invoice": inv["id"], "lines": object{"object": "list", "data": lines, "has_more": false, "url": "/v1/credit_notes/" + id + "/lines"},
		"livemode": false, "memo": value(p.Get("memo")), "metadata": meta, "number": fmt.Sprintf("%s-CN-%02d", inv["number"], len(s.notesOf(inv))+1),
		"out_of_band_amount": value(p.Get("out_of_band_amount")), "pdf": "", // the server makes no PDF of it
		"post_payment_amount": total - before, "pre_payment_amount": before, "pretax_credit_amounts": []any{}, "reason": value(p.Get("reason")),
		"refunds": refunds, "shipping_cost": nil, "status": "issued", "subtotal": total, "subtotal_excluding_tax": total, "total": total,
		"total_excluding_tax": total, "total_taxes": []any{}, "type": noteType(before, total-before), "voided_at": nil,
	}, nil
}

// checkCreditNote checks the parameters that can be judged without the invoice, and returns the metadata.
func checkCreditNote(p *formparams.Param) (object, *apiError) {
	amount, lines := p.Get("amount"), p.Get("lines")
	switch {
	case p.Get("invoice") == nil:
		return nil, missing("invoice")
	case amount == nil && lines == nil:
		return nil, invalid("parameter_missing", "", "One of `amount`, `lines`, or `shipping_cost` must be provided.")
	case amount != nil && lines != nil:
		return nil, onlyOneOf("", "amount", "lines")
	case amount != nil && amount.Int() < 1:
		return nil, invalid("parameter_invalid_integer", "amount", "Invalid positive integer")
	}
	for _, name := range []string{"credit_amount", "out_of_band_amount", "refund_amount"} {
		sum := p.Get(name).Int()
		switch {
		case sum < 0:
			return nil, invalid("parameter_invalid_integer", name, "This value must be greater than or equal to 0.")
		case sum > maxTotal:
			return nil, invalid("amount_too_large", name, "This value is too large.")
		}
	}
	if err := oneOf(p.Get("reason"), "duplicate", "fraudulent", "order_change", "product_unsatisfactory"); err != nil {
		return nil, err
	}
	if err := oneOf(p.Get("email_type"), "credit_note", "none"); err != nil { // no e-mail leaves a sandbox
		return nil, err
	}
	return metadataOf(p.Get("metadata"))
}

// creditableInvoice returns the invoice of a request, which is open or paid.
func (s *Server) creditableInvoice(c *call) (object, *apiError) {
	inv, err := s.objectInParam(c, "invoice", c.params.Get("invoice"))
	switch {
	case err != nil:
		return nil, err
	case inv["status"] != "open" && inv["status"] != "paid":
		return nil, uncreditable("invoice", "You can only create a credit note for an invoice that is open or paid. This invoice is %s.", inv["status"])
	case s.debitOnItsWay(inv):
		return nil, uncreditable("invoice", "This invoice has a payment that is processing.")
	case c.params.Get("credit_amount").Int() > 0 && s.find(c.account, "customer", inv.str("customer")) == nil:
		return nil, uncreditable("credit_amount", "No such customer: '%s'", inv.str("customer"))
	}
	return inv, nil
}

// checkCreditTotal refuses a credit note that is for more than what earlier notes have left of the invoice.
func checkCreditTotal(inv object, total int64) *apiError {
	left := inv["total"].(int64) - inv["pre_payment_credit_notes_amount"].(int64) - inv["post_payment_credit_notes_amount"].(int64)
	switch {
	case total < 1:
		return uncreditable("lines", "The credit note's total must be greater than zero.")
	case total > left:
		return uncreditable("amount", "The credit note's total (%s) is greater than the amount of the invoice that can be credited (%s).",
			money(total, inv.str("currency")), money(max(0, left), inv.str("currency")))
	default:
		return nil
	}
}

func noteType(before, after int64) string {
	switch {
	case after == 0:
		return "pre_payment"
	case before == 0:
		return "post_payment"
	default:
		return "mixed"
	}
}

// notesOf returns the credit notes of an invoice, the oldest first.
func (s *Server) notesOf(inv object) []object { return s.naming["credit_note/"+inv.str("id")] }

func linesOfNote(note object) []object { return note["lines"].(object)["data"].([]object) }

// creditLines returns the lines of a new credit note. A note of an amount alone gets a line of its own: Stripe does not say which.
func (s *Server) creditLines(inv object, p *formparams.Param, ids *idSource) ([]object, *apiError) {
	if amount := p.Get("amount"); amount != nil {
		return []object{creditLine(ids, "custom_line_item", amount.Int(), nil)}, nil
	}
	lines, credited := []object{}, s.creditedLines(inv)
	for _, sent := range p.Get("lines").List() {
		var line object
		err := oneOf(sent.Get("type"), "custom_line_item", "invoice_line_item")
		switch {
		case err != nil:
			return nil, err
		case sent.Get("type") == nil:
			return nil, missing(sent.NameOf("type"))
		case sent.Get("type").String() == "custom_line_item":
			line, err = customCreditLine(sent, ids)
		default:
			line, err = invoiceCreditLine(inv, sent, credited, ids)
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// creditLine returns a line of a credit note without its unit price: https://docs.stripe.com/api/credit_notes/line_item
func creditLine(ids *idSource, typ string, amount int64, description any) object {
	return object{
		"id": ids.next("cnli_1", 23), "object": "credit_note_line_item", "amount": amount, "description": description, "discount_amount": int64(0),
		"discount_amounts": []any{}, "livemode": false, "pretax_credit_amounts": []any{}, "quantity": nil, "tax_rates": []any{}, "taxes": []any{},
		"type": typ, "unit_amount": nil, "unit_amount_decimal": nil,
	}
}

// customCreditLine credits an amount that belongs to no line of the invoice.
func customCreditLine(sent *formparams.Param, ids *idSource) (object, *apiError) {
	if err := only(sent, "description", "quantity", "type", "unit_amount", "unit_amount_decimal"); err != nil {
		return nil, err
	}
	if sent.Get("description") == nil {
		return nil, missing(sent.NameOf("description"))
	}
	unit, err := unitAmount(sent)
	if err != nil {
		return nil, err
	}
	quantity, err := creditedQuantity(sent)
	if err != nil {
		return nil, err
	}
	line := creditLine(ids, "custom_line_item", 0, sent.Get("description").String())
	return line, line.setUnit(unit, quantity, sent)
}

// creditedQuantity returns the quantity of a line. Default: 1.
func creditedQuantity(sent *formparams.Param) (int64, *apiError) {
	quantity := sent.Get("quantity")
	switch {
	case quantity == nil:
		return 1, nil
	case quantity.Int() < 1:
		return 0, invalid("parameter_invalid_integer", quantity.Name, "Invalid positive integer")
	default:
		return quantity.Int(), nil
	}
}

// A creditedLine is what credit notes have credited of a line of an invoice.
type creditedLine struct{ amount, quantity int64 }

// creditedLines returns what the credit notes of an invoice have credited of its lines, by the IDs of the lines. Void notes credit
// nothing.
func (s *Server) creditedLines(inv object) map[string]creditedLine {
	credited := map[string]creditedLine{}
	for _, note := range s.notesOf(inv) {
		if note["status"] == "void" {
			continue
		}
		for _, line := range linesOfNote(note) {
			before, id := credited[line.str("invoice_line_item")], line.str("invoice_line_item")
			quantity, _ := line["quantity"].(int64)
			credited[id] = creditedLine{before.amount + line["amount"].(int64), before.quantity + quantity}
		}
	}
	return credited
}

// invoiceCreditLine credits an amount or a quantity of a line of the invoice. A line is credited either by amounts or by quantities.
// credited counts what was credited before, and gets the new line. https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
func invoiceCreditLine(inv object, sent *formparams.Param, credited map[string]creditedLine, ids *idSource) (object, *apiError) {
	if err := only(sent, "amount", "invoice_line_item", "quantity", "type"); err != nil {
		return nil, err
	}
	of, amount, byQuantity := sent.Get("invoice_line_item"), sent.Get("amount"), sent.Get("quantity") != nil
	switch {
	case of == nil:
		return nil, missing(sent.NameOf("invoice_line_item"))
	case amount == nil && !byQuantity:
		return nil, missing(sent.NameOf("amount"))
	case amount != nil && byQuantity:
		return nil, onlyOneOf(sent.Name, "amount", "quantity")
	case amount != nil && amount.Int() < 1:
		return nil, invalid("parameter_invalid_integer", amount.Name, "Invalid positive integer")
	}
	billed := inv["lines"].(object)["data"].([]object)
	i := slices.IndexFunc(billed, func(line object) bool { return line["id"] == of.String() })
	if i < 0 {
		return nil, noSuch(http.StatusBadRequest, "invoice line item", of.String(), of.Name)
	}
	if inv["total"] != inv["subtotal"] || len(inv["total_taxes"].([]any)) > 0 {
		return nil, invalid("", of.Name, "This test server credits no line of an invoice that has discounts, taxes or shipping. Send amount in place of lines.")
	}
	before, whole := credited[of.String()], billed[i]["amount"].(int64)
	quantity, err := creditedQuantity(sent)
	switch {
	case err != nil:
		return nil, err
	case before.amount > 0 && byQuantity != (before.quantity > 0):
		return nil, uncreditable(sent.Name, "A line item is credited either by amounts or by quantities.")
	}
	line := creditLine(ids, "invoice_line_item", amount.Int(), billed[i]["description"])
	line["invoice_line_item"] = of.String()
	left := whole - before.amount
	if byQuantity {
		unit := big.NewRat(whole, max(1, billed[i]["quantity"].(int64)))
		if err := line.setUnit(unit, quantity, sent); err != nil {
			return nil, err
		}
		before.quantity += quantity
	}
	if line["amount"].(int64) > left {
		return nil, uncreditable(sent.Name, "The line item's amount (%s) is greater than the amount that can be credited (%s).",
			money(line["amount"].(int64), inv.str("currency")), money(max(0, left), inv.str("currency")))
	}
	before.amount += line["amount"].(int64)
	credited[of.String()] = before
	return line, nil
}

// setUnit gives a line of a credit note the amount of a quantity at a price of one piece.
func (o object) setUnit(unit *big.Rat, quantity int64, sent *formparams.Param) *apiError {
	exact := new(big.Rat).Mul(unit, big.NewRat(quantity, 1))
	if exact.Cmp(big.NewRat(maxTotal, 1)) > 0 {
		return invalid("amount_too_large", sent.Name, "The line item's amount is too large.")
	}
	o["amount"], o["quantity"] = round(exact), quantity
	o["unit_amount"], o["unit_amount_decimal"] = unitFields(unit)
	return nil
}

// linkedRefunds returns the refunds that a request names as those of its credit note, and their sum. They are refunds of the invoice's
// charge.
func (s *Server) linkedRefunds(c *call, inv object) (linked []object, sum int64, _ *apiError) {
	linked = []object{}
	left := s.unlinked(inv)
	for _, sent := range c.params.Get("refunds").List() {
		named := sent.Get("refund")
		if named == nil {
			return nil, 0, missing(sent.NameOf("refund"))
		}
		re, err := s.objectInParam(c, "refund", named)
		if err != nil {
			return nil, 0, err
		}
		if left[named.String()] <= 0 {
			return nil, 0, uncreditable(named.Name, "The refund %s has nothing left that was paid for the invoice.", named.String())
		}
		amount := re["amount"].(int64)
		if part := sent.Get("amount_refunded"); part != nil {
			amount = part.Int()
		}
		if amount < 1 || amount > left[named.String()] {
			return nil, 0, uncreditable(sent.NameOf("amount_refunded"), "The amount must be between 1 and what is left of the refund (%s).",
				money(left[named.String()], re.str("currency")))
		}
		linked = append(linked, object{"amount_refunded": amount, "refund": re["id"]})
		left[named.String()] -= amount
		sum += amount
	}
	return linked, sum, nil
}

// unlinked returns how much of each refund of the invoice's charge no credit note names, by the IDs of the refunds.
func (s *Server) unlinked(inv object) map[string]int64 {
	left := map[string]int64{}
	for _, re := range s.naming["refund/"+s.chargeOf(inv).str("id")] {
		if re["status"] != "failed" && re["status"] != "canceled" {
			left[re.str("id")] = re["amount"].(int64)
		}
	}
	for _, note := range s.notesOf(inv) {
		for _, linked := range note["refunds"].([]object) {
			left[linked.str("refund")] -= linked["amount_refunded"].(int64)
		}
	}
	return left
}

// chargeOf returns the charge that paid an invoice, or nil.
func (s *Server) chargeOf(inv object) object {
	payment := s.paymentOf(inv)
	if payment == nil || payment["status"] != "paid" {
		return nil
	}
	return s.objects[s.objects[intentOf(payment)].str("latest_charge")]
}

// refundInvoice gives back a part of the charge of an invoice.
func (s *Server) refundInvoice(inv object, amount int64, c *call) (object, *apiError) {
	ch := s.chargeOf(inv)
	if ch == nil {
		return nil, uncreditable("refund_amount", "The invoice %s has no charge to refund.", inv.str("id"))
	}
	re, refused := s.refund(ch, refundTerms{amount: amount}, c)
	if refused != nil {
		err := s.refundError(refused, ch, c, c.params.Get("refund_amount"))
		if err.param != "" {
			err.param = "refund_amount"
		}
		return nil, err
	}
	return re, nil
}

// creditCustomer adds to the credit that pays the customer's next invoices: https://docs.stripe.com/billing/customer/balance
func (s *Server) creditCustomer(inv object, amount int64, c *call) {
	cus := s.objects[inv.str("customer")]
	was := maps.Clone(cus)
	cus["balance"] = cus["balance"].(int64) - amount
	s.emitChange("customer.updated", cus, was, c)
}

// credit changes the amounts of an invoice by those of a credit note. before is what the invoice no longer asks for, and is negative for
// a note that is void; after is what was given back of its payment. An open invoice that asks for nothing more is paid.
func (s *Server) credit(inv object, before, after int64, c *call) {
	was := maps.Clone(inv)
	due := inv["amount_due"].(int64) - before
	inv["amount_due"], inv["amount_remaining"] = due, inv["amount_remaining"].(int64)-before
	inv["pre_payment_credit_notes_amount"] = inv["pre_payment_credit_notes_amount"].(int64) + before
	inv["post_payment_credit_notes_amount"] = inv["post_payment_credit_notes_amount"].(int64) + after
	s.emitChange("invoice.updated", inv, was, c)
	switch {
	case inv["status"] != "open":
	case due > 0:
		s.requestDue(inv)
	default:
		s.payByCredit(inv, c)
	}
}

// payByCredit marks an invoice as paid that credit notes cover. No payment has succeeded, so that invoice.paid comes alone.
func (s *Server) payByCredit(inv object, c *call) {
	was := maps.Clone(inv)
	s.markPaid(inv)
	s.emitChange("invoice.paid", inv, was, c)
	s.cancelInvoicePayment(inv, "automatic")
	if sess := s.ownerOf(inv); sess.subscription != nil {
		s.followInvoices(sess)
	}
}
