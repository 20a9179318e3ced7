package admin

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// payment is one that can be given back: that of an order, or of an invoice of a subscription.
type payment struct {
	Invoice  string // empty: the order's own payment
	Label    string
	Left     int64
	Currency string
}

// payments are those of an order of which something is left, the latest first.
func payments(o *store.Order) (all []payment) {
	own := payment{Label: "The payment", Left: o.Refundable(), Currency: o.Currency}
	for _, inv := range slices.Backward(o.Invoices) {
		if inv.First() {
			own.Invoice, own.Label = inv.ID, "First payment, "+when(inv.CreatedAt)
			continue
		}
		if left := o.InvoiceRefundable(inv.ID); left > 0 {
			all = append(all, payment{inv.ID, "Payment of " + when(inv.CreatedAt), left, cmp.Or(inv.Currency, o.Currency)})
		}
	}
	// Flow.Refund takes the latest renewal if no invoice is named, so the first payment needs its name.
	if own.Left > 0 && (own.Invoice != "" || len(all) == 0) {
		all = append(all, own)
	}
	return all
}

// refundForm is the form that asks for a refund, with what the person filled in.
type refundForm struct {
	Payments []payment
	Restock  bool // goods can be put back
	Key      string

	Invoice, Amount string
	WantsRestock    bool
	Problem         string
}

// newRefundForm is the form of an order. Its key is a random text, so that a form that is sent twice refunds once.
func newRefundForm(o *store.Order) *refundForm {
	form := &refundForm{Payments: payments(o), Restock: canRestock(o), Key: rand.Text()}
	if len(form.Payments) > 0 {
		form.Invoice = form.Payments[0].Invoice
	}
	if len(form.Payments) == 1 {
		form.Amount = amountOf(form.Payments[0].Left, form.Payments[0].Currency).Decimal()
	}
	return form
}

// refund makes the refund that a form asks for.
func (p *pages) refund(w http.ResponseWriter, r *http.Request, a orderAction, o *store.Order) {
	form := newRefundForm(o)
	form.Invoice, form.Amount, form.WantsRestock = r.PostFormValue("invoice"), strings.TrimSpace(r.PostFormValue("amount")), r.PostFormValue("restock") != ""
	if key := r.PostFormValue("key"); key != "" && len(key) <= 100 {
		form.Key = key
	}
	minor, problem := form.minor(o)
	if problem != "" {
		form.Problem = problem
		p.render(w, r, http.StatusUnprocessableEntity, "confirm", page{Title: a.Label, Here: "orders", Data: confirmPage{orderAction: a, Order: o, Refund: form}})
		return
	}
	err := p.Flow.Refund(r.Context(), o.ID, checkout.Refund{Amount: minor, Invoice: form.Invoice, Key: form.Key, Restock: form.WantsRestock})
	p.record(r, Refund, err, "order", o.ID, "amount", minor, "invoice", form.Invoice, "restock", form.WantsRestock)
	p.answer(w, r, a, o.ID, err)
}

// minor is the amount in minor units, or says what is wrong with it. Zero is all that is left.
func (form *refundForm) minor(o *store.Order) (minor int64, problem string) {
	if form.Amount == "" {
		return 0, ""
	}
	currency := o.Currency
	if inv := o.Invoice(form.Invoice); inv != nil {
		currency = cmp.Or(inv.Currency, currency)
	}
	amount, err := checkout.ParseAmount(form.Amount, currency)
	switch {
	case errors.Is(err, checkout.ErrAmountPrecision):
		return 0, "The amount has more decimals than the currency. Nothing was refunded."
	case err != nil:
		return 0, "The amount must be a number such as 19.99, with a point and no currency. Nothing was refunded."
	case amount.Minor() <= 0:
		return 0, "The amount must be more than zero. Nothing was refunded."
	}
	return amount.Minor(), ""
}
