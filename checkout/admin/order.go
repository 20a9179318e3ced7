package admin

import (
	"errors"
	"net/http"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/store"
)

// openRows is how many attempts and outbox entries are shown at once. Older ones are folded.
const openRows = 10

// orderPage is the whole story of an order.
type orderPage struct {
	*store.Order
	Notice  string
	Problem stuckOrder // of which Reason is empty if the order needs no person
	Actions []orderAction
	Steps   []checkout.Step
	Access  store.Access // of an order with a subscription

	Attempts, OlderAttempts []*store.Attempt
	Told, OlderTold         []*store.Notice
	Invoices                []*store.Invoice
	Paid                    *store.Attempt // nil: the order is not paid
	Refs                    []string
}

// showOrder shows the whole story of an order.
func (p *pages) showOrder(w http.ResponseWriter, r *http.Request) {
	o, ok := p.order(w, r)
	if !ok {
		return
	}
	data := orderPage{Order: o, Problem: p.stuck(r, o), Actions: p.actions(r, o), Paid: o.PaidAttempt(), Refs: o.Refs()}
	if len(o.Subscriptions) > 0 {
		data.Access = o.Access(p.Flow.Now(), 0)
	}
	for _, step := range p.Flow.Next(o) {
		if step.Action != checkout.Decide { // Problem says it
			data.Steps = append(data.Steps, step)
		}
	}
	data.Attempts, data.OlderAttempts = newest(o.Attempts)
	data.Told, data.OlderTold = newest(o.Notices)
	invoices, older := newest(o.Invoices)
	data.Invoices = append(invoices, older...) // there are at most 100: see store.Order.SumUpInvoices
	if a, known := orderActionOf(r.URL.Query().Get("done")); known {
		data.Notice = a.Done
	}
	p.render(w, r, http.StatusOK, "order", page{Title: "Order " + short(o.ID), Here: "orders", Data: data})
}

// newest returns rows from the newest to the oldest, and apart those that are folded.
func newest[T any](rows []T) (shown, folded []*T) {
	all := make([]*T, len(rows))
	for i := range rows {
		all[len(rows)-1-i] = &rows[i]
	}
	n := min(len(all), openRows)
	return all[:n:n], all[n:]
}

// order returns the order that a request names. If ok is false, order has answered the request.
func (p *pages) order(w http.ResponseWriter, r *http.Request) (o *store.Order, ok bool) {
	o, err := p.Flow.Order(r.Context(), r.PathValue("id"))
	switch {
	case err == nil:
		return o, true
	case errors.Is(err, checkout.ErrNotFound):
		p.message(w, r, http.StatusNotFound, "There is no such order", "The address may be mistyped, or the order was deleted by Flow.Prune.")
	default:
		p.failed(w, r, err)
	}
	return nil, false
}
