package admin

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// payment is one that can be given back: that of an attempt, or of an invoice of a subscription.
type payment struct {
	Value    string // in the form: the number of the attempt, or the ID of the invoice
	Label    string
	Left     int64
	Currency string
}

// payments are those of an order of which something is left. A payment beside the one that counts comes first, then the latest.
func payments(o *store.Order) (all []payment) {
	paid := o.PaidAttempt()
	if paid == nil {
		return nil
	}
	for i := range slices.Backward(o.Attempts) {
		if a := &o.Attempts[i]; a.Paid && a != paid {
			all = append(all, paymentsOf(o, a, fmt.Sprintf("Attempt %d, paid %s, which is one too many", a.N, when(a.PaidAt)))...)
		}
	}
	return append(all, paymentsOf(o, paid, fmt.Sprintf("Attempt %d, paid %s", paid.N, when(paid.PaidAt)))...)
}

// paymentsOf are the payments that an attempt began, the latest first.
func paymentsOf(o *store.Order, a *store.Attempt, label string) (all []payment) {
	own := payment{strconv.Itoa(a.N), label, o.AttemptRefundable(a.N), cmp.Or(a.Currency, o.Currency)}
	listed := a.Subscription == ""
	for _, inv := range slices.Backward(o.Invoices) {
		switch left := o.InvoiceRefundable(inv.ID); {
		case a.Subscription == "" || inv.Subscription != a.Subscription:
		case inv.First():
			own.Value, own.Label, listed = inv.ID, "First payment, "+when(inv.CreatedAt), true
		case left > 0:
			all = append(all, payment{inv.ID, "Payment of " + when(inv.CreatedAt), left, cmp.Or(inv.Currency, o.Currency)})
		}
	}
	// Flow.Refund takes the latest renewal if no invoice is named, so the first payment needs its name.
	if own.Left > 0 && (listed || len(all) == 0) {
		all = append(all, own)
	}
	return all
}

// refundForm is the form that asks for a refund, with what the person filled in.
type refundForm struct {
	Payments []payment
	Currency string // of the payments; empty: they have several
	Restock  bool   // goods can be put back
	Key      string

	Payment, Amount string
	WantsRestock    bool
	Problem         string
}

// newRefundForm is the form of an order. Its key is a random text, so that a form that is sent twice refunds once.
func newRefundForm(o *store.Order) *refundForm {
	form := &refundForm{Payments: payments(o), Restock: canRestock(o), Key: rand.Text()}
	for i, p := range form.Payments {
		switch {
		case i == 0:
			form.Payment, form.Currency = p.Value, p.Currency
		case p.Currency != form.Currency:
			form.Currency = ""
		}
	}
	if len(form.Payments) == 1 {
		form.Amount = amountOf(form.Payments[0].Left, form.Payments[0].Currency).Decimal()
	}
	return form
}

// refund makes the refund that a form asks for.
func (p *pages) refund(w http.ResponseWriter, r *http.Request, a orderAction, o *store.Order) {
	form := newRefundForm(o)
	form.Payment, form.Amount, form.WantsRestock = r.PostFormValue("payment"), strings.TrimSpace(r.PostFormValue("amount")), r.PostFormValue("restock") != ""
	if key := r.PostFormValue("key"); key != "" && len(key) <= 100 {
		form.Key = key
	}
	wanted, problem := form.wanted(o)
	if problem != "" {
		form.Problem = problem + " Nothing was refunded."
		p.render(w, r, http.StatusUnprocessableEntity, "confirm", page{Title: a.Label, Here: "orders", Data: confirmPage{orderAction: a, Order: o, Refund: form}})
		return
	}
	err := p.Flow.Refund(r.Context(), o.ID, wanted)
	p.record(r, Refund, err, "order", o.ID, "amount", wanted.Amount, "attempt", wanted.Attempt, "invoice", wanted.Invoice, "restock", wanted.Restock)
	p.answer(w, r, a, o.ID, err)
}

// wanted is the refund that the form asks for, or says what is wrong with the form. An amount of zero is all that is left.
func (form *refundForm) wanted(o *store.Order) (wanted checkout.Refund, problem string) {
	wanted = checkout.Refund{Key: form.Key}
	if n, err := strconv.Atoi(form.Payment); err == nil {
		wanted.Attempt = n
	} else {
		wanted.Invoice = form.Payment
	}
	_, currency, err := wanted.Left(o)
	if err != nil {
		return wanted, "" // the Flow says why
	}
	wanted.Restock = form.WantsRestock
	if _, _, err := wanted.Left(o); err != nil {
		return wanted, "The goods belong to the other payment: give this one back without putting the goods back into stock."
	}
	if form.Amount == "" {
		return wanted, ""
	}
	amount, err := checkout.ParseAmount(form.Amount, currency)
	switch {
	case errors.Is(err, checkout.ErrAmountPrecision):
		return wanted, "The amount has more decimals than the currency."
	case err != nil:
		return wanted, "The amount must be a number such as 19.99, with a point and no currency."
	case amount.Minor() <= 0:
		return wanted, "The amount must be more than zero."
	}
	wanted.Amount = amount.Minor()
	return wanted, ""
}
