package checkouttest_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A biller bills one customer over the API.
type biller struct {
	t        *testing.T
	srv      *checkouttest.Server
	in       *inbox
	post     func(want int, path string, pairs ...string) map[string]any
	customer string
}

func newBiller(t *testing.T) *biller {
	t.Helper()
	srv, post, customer, _ := billing(t, "pm_card_visa")
	return &biller{t, srv, newInbox(srv), post, customer}
}

// invoice returns the ID of an open invoice with a line for each amount.
func (b *biller) invoice(amounts ...string) string {
	b.t.Helper()
	for _, amount := range amounts {
		b.post(200, "/v1/invoiceitems", "customer", b.customer, "amount", amount, "currency", "usd", "description", "Work")
	}
	id := b.post(200, "/v1/invoices", "customer", b.customer, "pending_invoice_items_behavior", "include")["id"].(string)
	b.post(200, "/v1/invoices/"+id+"/finalize")
	return id
}

// paidInvoice is invoice, paid by card.
func (b *biller) paidInvoice(amounts ...string) string {
	b.t.Helper()
	id := b.invoice(amounts...)
	b.post(200, "/v1/invoices/"+id+"/pay")
	return id
}

func (b *biller) get(path string, pairs ...string) map[string]any {
	b.t.Helper()
	resp, body := request(b.t, b.srv, "GET", path, form(pairs...))
	require.Equal(b.t, http.StatusOK, resp.StatusCode, body)
	return body
}

// requireInvoice compares the amounts of an invoice.
func (b *biller) requireInvoice(id, status string, due, paid, before, after int) {
	b.t.Helper()
	inv := b.get("/v1/invoices/" + id)
	require.Equal(b.t, status, inv["status"])
	remaining := due
	if status == "paid" {
		remaining = 0
	}
	for field, want := range map[string]int{
		"amount_due": due, "amount_remaining": remaining, "amount_paid": paid,
		"pre_payment_credit_notes_amount": before, "post_payment_credit_notes_amount": after,
	} {
		require.EqualValues(b.t, want, inv[field], field)
	}
}

// refuses requires that a credit note is refused with a message.
func (b *biller) refuses(message string, pairs ...string) {
	b.t.Helper()
	_, _, said := refusal(b.t, b.srv, "/v1/credit_notes", pairs...)
	require.Equal(b.t, message, said)
}

// since returns the types of the events that do causes.
func (b *biller) since(do func()) []string {
	b.t.Helper()
	b.srv.Flush()
	b.in.types(b.t)
	do()
	b.srv.Flush()
	return b.in.types(b.t)
}

// A note on an open invoice lowers what the invoice asks for, until it is void. Notes for all of it pay the invoice.
func TestCreditNoteOfAnOpenInvoice(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	inv := b.invoice("2000")
	var note map[string]any
	require.Equal(t, []string{"credit_note.created", "invoice.updated"}, b.since(func() {
		note = b.post(200, "/v1/credit_notes", "invoice", inv, "memo", "Sorry", "reason", "order_change", "metadata[k]", "v",
			"lines[0][type]", "custom_line_item", "lines[0][unit_amount]", "250", "lines[0][quantity]", "2", "lines[0][description]", "Late")
	}))
	b.requireInvoice(inv, "open", 1500, 0, 500, 0)
	for field, want := range map[string]any{
		"object": "credit_note", "status": "issued", "type": "pre_payment", "customer": b.customer, "invoice": inv, "currency": "usd", "memo": "Sorry",
		"reason": "order_change", "metadata": map[string]any{"k": "v"}, "number": b.get("/v1/invoices/" + inv)["number"].(string) + "-CN-01",
		"total": 500.0, "amount": 500.0, "pre_payment_amount": 500.0, "post_payment_amount": 0.0, "refunds": []any{}, "voided_at": nil,
	} {
		require.Equal(t, want, note[field], field)
	}
	path := "/v1/credit_notes/" + note["id"].(string)
	line := b.get(path + "/lines")["data"].([]any)[0].(map[string]any)
	require.Subset(t, line, map[string]any{"amount": 500.0, "quantity": 2.0, "unit_amount": 250.0, "unit_amount_decimal": "250", "description": "Late"})

	require.Equal(t, []string{"credit_note.updated"}, b.since(func() {
		note["memo"], note["metadata"] = "Very sorry", map[string]any{"k": "w"}
		require.Equal(t, note, b.post(200, path, "memo", "Very sorry", "metadata[k]", "w"))
	}))
	require.Equal(t, []string{"credit_note.voided", "invoice.updated"}, b.since(func() { b.post(200, path+"/void") }))
	note = b.get(path)
	require.Equal(t, "void", note["status"])
	require.EqualValues(t, b.srv.Now().Unix(), note["voided_at"])
	b.requireInvoice(inv, "open", 2000, 0, 0, 0)
	b.post(400, path+"/void")

	b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "1200")
	b.refuses("The credit note's total ($9.00) is greater than the amount of the invoice that can be credited ($8.00).",
		"invoice", inv, "amount", "900", "out_of_band_amount", "100")
	require.Equal(t, []string{"credit_note.created", "invoice.updated", "invoice.paid"}, b.since(func() {
		note = b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "800")
	}))
	b.requireInvoice(inv, "paid", 0, 0, 2000, 0)
	require.Contains(t, note["number"], "-CN-03")
	_, _, message := refusal(t, b.srv, "/v1/credit_notes/"+note["id"].(string)+"/void")
	require.Equal(t, "You can only void a credit note if the associated invoice is open.", message)
	b.post(400, "/v1/invoices/"+inv+"/pay")
	require.Zero(t, balance(t, b.srv, ""))
}

// The payment of an invoice asks for what its credit notes have left, also if it was tried before. A payment that is not needed any more
// is canceled.
func TestCreditNoteAfterAFailedPayment(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		b := newBiller(t)
		inv := b.invoice("2000")
		b.post(402, "/v1/invoices/"+inv+"/pay", "payment_method", "pm_card_chargeCustomerFail")
		payment := func() map[string]any {
			return b.get("/v1/invoice_payments", "invoice", inv)["data"].([]any)[0].(map[string]any)
		}
		intent := payment()["payment"].(map[string]any)["payment_intent"].(string)
		if whole {
			require.Equal(t, []string{"credit_note.created", "invoice.updated", "invoice.paid", "payment_intent.canceled"}, b.since(func() {
				b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "2000")
			}))
			require.Equal(t, "canceled", payment()["status"])
			b.requireInvoice(inv, "paid", 0, 0, 2000, 0)
			continue
		}
		note := b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "700")["id"].(string)
		require.EqualValues(t, 1300, b.get("/v1/payment_intents/" + intent)["amount"])
		b.post(200, "/v1/credit_notes/"+note+"/void")
		require.EqualValues(t, 2000, payment()["amount_requested"])
		b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "500")
		b.post(200, "/v1/invoices/"+inv+"/pay")
		b.requireInvoice(inv, "paid", 1500, 1500, 500, 0)
		require.EqualValues(t, 1500, payment()["amount_paid"])
		require.EqualValues(t, 1500, balance(t, b.srv, ""))
	}
}

// A note on a paid invoice gives the money back by a refund, as the customer's credit, or outside of Stripe.
func TestCreditNoteOfAPaidInvoice(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	inv := b.paidInvoice("2000")
	var note map[string]any
	require.Equal(t, []string{"refund.created", "charge.refunded", "customer.updated", "credit_note.created", "invoice.updated"}, b.since(func() {
		note = b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "1000", "refund_amount", "600", "credit_amount", "300", "out_of_band_amount", "100",
			"expand[]", "refunds.refund.charge")
	}))
	b.requireInvoice(inv, "paid", 2000, 2000, 0, 1000)
	require.Equal(t, "post_payment", note["type"])
	require.EqualValues(t, 1000, note["post_payment_amount"])
	require.EqualValues(t, 100, note["out_of_band_amount"])
	require.Contains(t, note["customer_balance_transaction"], "cbtxn_")
	linked := note["refunds"].([]any)[0].(map[string]any)
	require.EqualValues(t, 600, linked["amount_refunded"])
	re := linked["refund"].(map[string]any)
	require.EqualValues(t, 600, re["charge"].(map[string]any)["amount_refunded"])
	require.EqualValues(t, -300, b.get("/v1/customers/" + b.customer)["balance"])
	require.EqualValues(t, 1400, balance(t, b.srv, ""))
	b.post(400, "/v1/credit_notes/"+note["id"].(string)+"/void")

	b.post(200, "/v1/refunds", "charge", re["charge"].(map[string]any)["id"].(string), "amount", "400")
	other := b.get("/v1/refunds")["data"].([]any)[0].(map[string]any)["id"].(string)
	half := []string{"invoice", inv, "amount", "250", "refunds[0][refund]", other, "refunds[0][amount_refunded]", "250"}
	b.post(200, "/v1/credit_notes", half...)
	b.refuses("The amount must be between 1 and what is left of the refund ($1.50).", half...)
	b.refuses("The refund "+other+" has nothing left that was paid for the invoice.",
		"invoice", inv, "amount", "200", "refunds[0][refund]", other, "refunds[0][amount_refunded]", "150", "refunds[1][refund]", other, "refunds[1][amount_refunded]", "50")
	b.refuses("The sum of credit amount, refund amount and out of band amount ($2.50) must equal the credit note amount ($1.00).",
		"invoice", inv, "amount", "100", "out_of_band_amount", "100", "refunds[0][refund]", other, "refunds[0][amount_refunded]", "150")
	b.refuses("The credit note's total ($7.51) is greater than the amount of the invoice that can be credited ($7.50).",
		"invoice", inv, "amount", "751", "out_of_band_amount", "751")
	b.requireInvoice(inv, "paid", 2000, 2000, 0, 1250)
	require.EqualValues(t, 1000, balance(t, b.srv, ""), "a refund that is linked is made once")
	require.NoError(t, b.srv.FailRefund(other))
	b.refuses("The refund "+other+" has nothing left that was paid for the invoice.",
		"invoice", inv, "amount", "150", "refunds[0][refund]", other, "refunds[0][amount_refunded]", "150")

	next := b.invoice("500")
	b.requireInvoice(next, "open", 200, 0, 0, 0)
	note = b.post(200, "/v1/credit_notes", "invoice", next, "amount", "500", "out_of_band_amount", "300")
	require.Equal(t, "mixed", note["type"], "the customer's credit has paid a part")
	b.requireInvoice(next, "paid", 0, 0, 200, 300)
}

// Lines of the invoice are credited by amounts or by quantities, and no more than they are for.
func TestCreditNoteOfLines(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	price := b.srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 300, Interval: "month"})
	sub := b.post(200, "/v1/subscriptions", "customer", b.customer, "items[0][price]", price, "items[0][quantity]", "3")
	inv := sub["latest_invoice"].(string)
	bought := b.get("/v1/invoices/" + inv)["lines"].(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	credit := func(want int, back string, pairs ...string) map[string]any {
		t.Helper()
		return b.post(want, "/v1/credit_notes", append(pairs, "invoice", inv, "out_of_band_amount", back, "lines[0][type]", "invoice_line_item", "lines[0][invoice_line_item]", bought)...)
	}
	note := credit(200, "600", "lines[0][quantity]", "2")
	line := note["lines"].(map[string]any)["data"].([]any)[0].(map[string]any)
	require.Subset(t, line, map[string]any{"amount": 600.0, "quantity": 2.0, "unit_amount": 300.0, "invoice_line_item": bought, "type": "invoice_line_item"})
	credit(400, "600", "lines[0][quantity]", "2")
	credit(400, "100", "lines[0][amount]", "100")
	credit(400, "300", "lines[0][amount]", "300", "lines[0][quantity]", "1")
	credit(200, "300", "lines[0][quantity]", "1")
	credit(400, "300", "lines[0][quantity]", "1")
	b.requireInvoice(inv, "paid", 900, 900, 0, 900)

	inv = b.invoice("2000", "500")
	bought = b.get("/v1/invoices/" + inv)["lines"].(map[string]any)["data"].([]any)[1].(map[string]any)["id"].(string)
	credit(400, "0", "lines[0][amount]", "501")
	credit(400, "0", "lines[0][amount]", "300", "lines[1][type]", "invoice_line_item", "lines[1][invoice_line_item]", bought, "lines[1][amount]", "300")
	kept := credit(200, "0", "lines[0][amount]", "500")["id"].(string)
	credit(400, "0", "lines[0][amount]", "1")
	b.post(200, "/v1/credit_notes/"+kept+"/void")
	credit(200, "0", "lines[0][amount]", "1")

	coupon := b.post(200, "/v1/coupons", "percent_off", "50")["id"].(string)
	sub = b.post(200, "/v1/subscriptions", "customer", b.customer, "items[0][price]", price, "discounts[0][coupon]", coupon)
	inv = sub["latest_invoice"].(string)
	bought = b.get("/v1/invoices/" + inv)["lines"].(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	b.refuses("This test server credits no line of an invoice that has discounts, taxes or shipping. Send amount in place of lines.", "invoice", inv,
		"out_of_band_amount", "150", "lines[0][type]", "invoice_line_item", "lines[0][invoice_line_item]", bought, "lines[0][amount]", "150")
}

// An invoice whose payment is processing takes no credit notes: the bank was asked for the amount that was due.
func TestCreditNoteWhileADebitIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	session := create(t, b.srv, monthly()).ID
	require.NoError(t, b.srv.Pay(session, checkouttest.BankDebit))
	inv := retrieve(t, b.srv, session).Invoice.ID
	b.refuses("This invoice has a payment that is processing.", "invoice", inv, "amount", "100")
	require.NoError(t, b.srv.Settle(session))
	b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "100", "out_of_band_amount", "100")
}

// A customer who was deleted gets no credit.
func TestCreditNoteOfADeletedCustomer(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	inv := b.paidInvoice("2000")
	resp, _ := request(t, b.srv, "DELETE", "/v1/customers/"+b.customer, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	b.refuses("No such customer: '"+b.customer+"'", "invoice", inv, "amount", "500", "credit_amount", "500")
	b.post(200, "/v1/credit_notes", "invoice", inv, "amount", "500", "refund_amount", "500")
}

// A credit note that makes no sense is refused, and changes nothing.
func TestCreditNoteIsRefused(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	open, paid := b.invoice("2000"), b.paidInvoice("2000")
	draft := b.post(200, "/v1/invoices", "customer", b.customer)["id"].(string)
	void := b.invoice("700")
	b.post(200, "/v1/invoices/"+void+"/void")
	lost := b.invoice("800")
	b.post(200, "/v1/invoices/"+lost+"/mark_uncollectible")
	free := b.invoice()
	line := b.get("/v1/invoices/" + open)["lines"].(map[string]any)["data"].([]any)[0].(map[string]any)["id"].(string)
	bought := []string{"invoice", open, "lines[0][type]", "invoice_line_item", "lines[0][invoice_line_item]", line}
	custom := []string{"lines[0][type]", "custom_line_item", "lines[0][description]", "Late", "lines[0][unit_amount]"}
	require.Empty(t, b.since(func() {
		for _, c := range []struct {
			param, message string
			pairs          []string
		}{
			{"invoice", "Missing required param: invoice.", nil},
			{"invoice", "No such invoice: 'in_1'", []string{"invoice", "in_1", "amount", "1"}},
			{"", "One of `amount`, `lines`, or `shipping_cost` must be provided.", []string{"invoice", open}},
			{"", "You may only specify one of these parameters: amount, lines.", append([]string{"invoice", open, "amount", "5"}, append(custom, "5")...)},
			{"amount", "Invalid positive integer", []string{"invoice", open, "amount", "0"}},
			{"amount", "The credit note's total ($20.01) is greater than the amount of the invoice that can be credited ($20.00).", []string{"invoice", open, "amount", "2001"}},
			{"amount", "The credit note's total ($20.01) is greater than the amount of the invoice that can be credited ($20.00).", []string{"invoice", paid, "amount", "2001", "refund_amount", "2001"}},
			{"amount", "The credit note's total ($0.01) is greater than the amount of the invoice that can be credited ($0.00).", []string{"invoice", free, "amount", "1"}},
			{"invoice", "You can only create a credit note for an invoice that is open or paid. This invoice is draft.", []string{"invoice", draft, "amount", "5"}},
			{"invoice", "You can only create a credit note for an invoice that is open or paid. This invoice is void.", []string{"invoice", void, "amount", "5"}},
			{"invoice", "You can only create a credit note for an invoice that is open or paid. This invoice is uncollectible.", []string{"invoice", lost, "amount", "5"}},
			{"", "The sum of credit amount, refund amount and out of band amount ($0.00) must equal the credit note amount ($5.00).", []string{"invoice", paid, "amount", "500"}},
			{"", "The sum of credit amount, refund amount and out of band amount ($6.00) must equal the credit note amount ($5.00).", []string{"invoice", paid, "amount", "500", "refund_amount", "600"}},
			{"", "The sum of credit amount, refund amount and out of band amount ($5.00) must equal the credit note amount ($0.00).", []string{"invoice", open, "amount", "500", "credit_amount", "500"}},
			{"refund_amount", "This value must be greater than or equal to 0.", []string{"invoice", paid, "amount", "500", "refund_amount", "-5", "credit_amount", "505"}},
			{"credit_amount", "This value is too large.", []string{"invoice", paid, "amount", "500", "credit_amount", "9000000000000000000", "refund_amount", "9000000000000000000"}},
			{"email_type", "Invalid email_type: must be one of credit_note, none", []string{"invoice", open, "amount", "5", "email_type", "fax"}},
			{"lines[0][amount]", "Invalid positive integer", append(bought, "lines[0][amount]", "0")},
			{"lines[0][quantity]", "Invalid positive integer", append(bought, "lines[0][quantity]", "-1")},
			{"reason", "Invalid reason: must be one of duplicate, fraudulent, order_change, product_unsatisfactory", []string{"invoice", open, "amount", "5", "reason", "rain"}},
			{"shipping_cost", "This test server does not implement the parameter shipping_cost here.", []string{"invoice", open, "shipping_cost[shipping_rate]", "shr_1"}},
			{"lines[0][tax_rates]", "This test server does not implement the parameter lines[0][tax_rates] here.", append([]string{"invoice", open, "lines[0][tax_rates][0]", "txr_1"}, append(custom, "5")...)},
			{"lines[0][description]", "Missing required param: lines[0][description].", []string{"invoice", open, "lines[0][type]", "custom_line_item", "lines[0][unit_amount]", "5"}},
			{"lines", "The credit note's total must be greater than zero.", append([]string{"invoice", open}, append(custom, "0")...)},
			{"lines[0]", "The line item's amount is too large.", append([]string{"invoice", open, "lines[0][quantity]", "9000000000000000000"}, append(custom, "9000000000000000000")...)},
			{"lines[0][invoice_line_item]", "No such invoice line item: 'il_1'", []string{"invoice", open, "lines[0][type]", "invoice_line_item", "lines[0][invoice_line_item]", "il_1", "lines[0][amount]", "5"}},
			{"refunds[0][refund]", "No such refund: 're_1'", []string{"invoice", paid, "amount", "5", "refunds[0][refund]", "re_1"}},
		} {
			_, param, message := refusal(t, b.srv, "/v1/credit_notes", c.pairs...)
			require.Equal(t, c.message, message)
			require.Equal(t, c.param, param, message)
		}
	}))
	require.Empty(t, b.get("/v1/credit_notes")["data"])

	charge := b.get("/v1/charges")["data"].([]any)[0].(map[string]any)["id"].(string)
	b.post(200, "/v1/refunds", "charge", charge, "amount", "1900")
	_, param, message := refusal(t, b.srv, "/v1/credit_notes", "invoice", paid, "amount", "500", "refund_amount", "500")
	require.Equal(t, "refund_amount", param)
	require.Equal(t, "Refund amount ($5.00) is greater than unrefunded amount on charge ($1.00)", message)
	require.Empty(t, b.get("/v1/credit_notes")["data"])
}

// A preview shows the note that the same request would make, and makes nothing.
func TestCreditNotePreview(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	inv := b.paidInvoice("2000")
	pairs := []string{"invoice", inv, "refund_amount", "500",
		"lines[0][type]", "custom_line_item", "lines[0][unit_amount_decimal]", "124.6", "lines[0][quantity]", "4", "lines[0][description]", "Late",
		"lines[1][type]", "custom_line_item", "lines[1][unit_amount]", "2", "lines[1][description]", "Later"}
	var shown map[string]any
	require.Empty(t, b.since(func() {
		shown = b.get("/v1/credit_notes/preview", pairs...)
		second := b.get("/v1/credit_notes/preview/lines", append(pairs, "limit", "1", "expand[]", "data.tax_rates")...)
		require.Len(t, second["data"], 1)
		require.Equal(t, true, second["has_more"])
	}))
	require.Empty(t, b.get("/v1/credit_notes")["data"])
	made := b.post(200, "/v1/credit_notes", pairs...)
	require.EqualValues(t, 500, made["total"])
	for _, field := range []string{"id", "lines", "refunds"} { // a preview has other IDs, and no refund
		delete(shown, field)
		delete(made, field)
	}
	require.Equal(t, made, shown)
}

// A preview takes none of the IDs of a server that makes the same IDs each time.
func TestCreditNotePreviewTakesNoID(t *testing.T) {
	t.Parallel()
	var ids [2]any
	for i := range ids {
		srv := newServer(t, checkouttest.Config{Seed: 5, Sequential: true, Start: time.Unix(1_800_000_000, 0)})
		session := create(t, srv, monthly()).ID
		require.NoError(t, srv.Pay(session, checkouttest.CardOK))
		pairs := form("invoice", retrieve(t, srv, session).Invoice.ID, "amount", "100", "out_of_band_amount", "100")
		if i == 1 {
			resp, _ := request(t, srv, "GET", "/v1/credit_notes/preview", pairs)
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
		_, note := request(t, srv, "POST", "/v1/credit_notes", pairs)
		require.Contains(t, note["id"], "cn_1")
		ids[i] = note["id"]
	}
	require.Equal(t, ids[0], ids[1])
}

// stripe-go decodes credit notes, lists them by customer and by invoice, and an idempotency key makes one note. A connected account has
// notes of its own.
func TestCreditNotesOverStripeGo(t *testing.T) {
	t.Parallel()
	b := newBiller(t)
	ctx, notes := context.Background(), b.srv.Client().V1CreditNotes
	first, second := b.invoice("2000"), b.paidInvoice("500")
	params := &stripe.CreditNoteCreateParams{Invoice: &first, Amount: stripe.Int64(300)}
	params.SetIdempotencyKey("once")
	note, err := notes.Create(ctx, params)
	require.NoError(t, err)
	again, err := notes.Create(ctx, params)
	require.NoError(t, err)
	require.Equal(t, note.ID, again.ID)
	b.requireInvoice(first, "open", 1700, 0, 300, 0)
	other, err := notes.Create(ctx, &stripe.CreditNoteCreateParams{Invoice: &second, Amount: stripe.Int64(200), RefundAmount: stripe.Int64(200)})
	require.NoError(t, err)
	require.Equal(t, stripe.CreditNoteTypePostPayment, other.Type)
	list := func(params stripe.CreditNoteListParams) (ids []string) {
		for note, err := range notes.List(ctx, &params) {
			require.NoError(t, err)
			ids = append(ids, note.ID)
		}
		return ids
	}
	require.Equal(t, []string{other.ID, note.ID}, list(stripe.CreditNoteListParams{Customer: &b.customer}))
	require.Equal(t, []string{note.ID}, list(stripe.CreditNoteListParams{Invoice: &first}))
	require.Empty(t, list(stripe.CreditNoteListParams{Customer: stripe.String("cus_1")}))
	for _, line := range []*stripe.CreditNoteListLinesParams{{CreditNote: &note.ID}} {
		for line, err := range notes.ListLines(ctx, line) {
			require.NoError(t, err)
			require.EqualValues(t, 300, line.Amount)
		}
	}
	get := &stripe.CreditNoteRetrieveParams{Expand: stripe.StringSlice([]string{"invoice", "customer", "refunds.refund"})}
	other, err = notes.Retrieve(ctx, other.ID, get)
	require.NoError(t, err)
	require.EqualValues(t, 200, other.Invoice.PostPaymentCreditNotesAmount)
	require.EqualValues(t, 200, other.Refunds[0].Refund.Amount)
	voided, err := notes.VoidCreditNote(ctx, note.ID, nil)
	require.NoError(t, err)
	require.Equal(t, stripe.CreditNoteStatusVoid, voided.Status)

	elsewhere := &stripe.CreditNoteRetrieveParams{}
	elsewhere.SetStripeAccount("acct_connected")
	_, err = notes.Retrieve(ctx, note.ID, elsewhere)
	require.ErrorContains(t, err, "No such credit_note")
	foreign := &stripe.CreditNoteCreateParams{Invoice: &first, Amount: stripe.Int64(300)}
	foreign.SetStripeAccount("acct_connected")
	_, err = notes.Create(ctx, foreign)
	require.ErrorContains(t, err, "No such invoice")
}

// A note that covers an unpaid renewal keeps the subscription going, and one that covers a part makes the next try ask for the rest.
func TestCreditNoteOfARenewal(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{"900", "400"} {
		b := newBiller(t)
		price := b.srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 900, Interval: "month"})
		id := b.post(200, "/v1/subscriptions", "customer", b.customer, "items[0][price]", price)["id"].(string)
		require.NoError(t, b.srv.ReplaceMethod(id, checkouttest.CardDeclined))
		require.NoError(t, b.srv.Renew(id))
		sub := b.get("/v1/subscriptions/" + id)
		require.Equal(t, "past_due", sub["status"])
		inv := sub["latest_invoice"].(string)
		b.post(200, "/v1/credit_notes", "invoice", inv, "amount", amount)
		if amount == "900" {
			require.Equal(t, "active", b.get("/v1/subscriptions/" + id)["status"])
			b.requireInvoice(inv, "paid", 0, 0, 900, 0)
			b.srv.Advance(4 * 24 * time.Hour)
			require.EqualValues(t, 900, balance(t, b.srv, ""), "nothing is tried again")
			continue
		}
		require.NoError(t, b.srv.ReplaceMethod(id, checkouttest.CardOK))
		b.srv.Advance(4 * 24 * time.Hour)
		require.Equal(t, "active", b.get("/v1/subscriptions/" + id)["status"])
		b.requireInvoice(inv, "paid", 500, 500, 400, 0)
		require.EqualValues(t, 1400, balance(t, b.srv, ""))
	}
}

// An endpoint of an API version before basil gets the refund of a note under its old name.
func TestCreditNoteInAnOlderVersion(t *testing.T) {
	t.Parallel()
	srv := newServer(t, checkouttest.Config{EventVersion: "2024-06-20"})
	in := newInbox(srv)
	session := create(t, srv, monthly()).ID
	require.NoError(t, srv.Pay(session, checkouttest.CardOK))
	inv := retrieve(t, srv, session).Invoice.ID
	note, err := srv.Client().V1CreditNotes.Create(t.Context(), &stripe.CreditNoteCreateParams{Invoice: &inv, Amount: stripe.Int64(100), RefundAmount: stripe.Int64(100)})
	require.NoError(t, err)
	srv.Flush()
	shown := in.last(t, "credit_note.created")["data"].(map[string]any)["object"].(map[string]any)
	require.Equal(t, note.Refunds[0].Refund.ID, shown["refund"])
	require.NotContains(t, shown, "refunds")
	require.Contains(t, shown["lines"].(map[string]any)["data"].([]any)[0], "tax_amounts")
}

// The customer's credit pays a part of the first invoice of a subscription, in Checkout and over the API, or all of it.
func TestCreditPaysTheFirstInvoice(t *testing.T) {
	t.Parallel()
	for _, credit := range []int{300, 1500} {
		for _, inCheckout := range []bool{true, false} {
			b := newBiller(t)
			inv := b.paidInvoice("2000")
			b.post(200, "/v1/credit_notes", "invoice", inv, "amount", strconv.Itoa(credit), "credit_amount", strconv.Itoa(credit))
			price := b.srv.AddPrice(checkouttest.Price{Currency: "usd", UnitAmount: 1500, Interval: "month"})
			if inCheckout {
				session := b.post(200, "/v1/checkout/sessions", "mode", "subscription", "customer", b.customer, "success_url", "https://shop.example/",
					"line_items[0][price]", price, "line_items[0][quantity]", "1")
				require.EqualValues(t, 1500, session["amount_total"])
				require.NoError(t, b.srv.Pay(session["id"].(string), checkouttest.CardOK))
				require.EqualValues(t, 1500, b.get("/v1/checkout/sessions/" + session["id"].(string))["amount_total"])
			} else {
				b.post(200, "/v1/subscriptions", "customer", b.customer, "items[0][price]", price)
			}
			sub := b.get("/v1/subscriptions")["data"].([]any)[0].(map[string]any)
			require.Equal(t, "active", sub["status"])
			b.requireInvoice(sub["latest_invoice"].(string), "paid", 1500-credit, 1500-credit, 0, 0)
			require.EqualValues(t, 2000+1500-credit, balance(t, b.srv, ""))
			require.EqualValues(t, 0, b.get("/v1/customers/" + b.customer)["balance"])
		}
	}
}
