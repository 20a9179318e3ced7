package main

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/store"
)

// ordersOnPage is the number of orders on a page.
const ordersOnPage = 20

// ordersPage is the merchant's page.
type ordersPage struct {
	Now     time.Time
	Notice  string
	Filters []orderview.Filter
	Shown   orderview.Filter
	Orders  []orderView
	Older   template.URL // the next page; empty: there is none
	Shelves []shelf
	Events  []eventView
}

type orderView struct {
	*store.Order
	Shipment *shipment // nil: not sent
}

// Total returns the price of all lines, in minor units.
func (o orderView) Total() (total int64) {
	for _, l := range o.Lines {
		total += l.UnitAmount * l.Quantity
	}
	return total
}

// ProcessingSession returns the session whose money is on its way, or "".
func (o orderView) ProcessingSession() string {
	for i := range o.Attempts {
		if o.Attempts[i].Processing() {
			return o.Attempts[i].SessionID
		}
	}
	return ""
}

// PaidSession returns the session whose payment a customer can get back or dispute, or "".
func (o orderView) PaidSession() string {
	paid := o.PaidAttempt()
	if paid == nil || o.Order.Status() != store.Paid && o.Order.Status() != store.PartiallyRefunded {
		return ""
	}
	return paid.SessionID
}

// Resolvable reports whether Flow.Resolve can do something about an order that is stuck.
func (o orderView) Resolvable() bool { return o.Stuck() && o.Paid() }

// Cancelable reports whether the order has a session that Flow.Cancel can end.
func (o orderView) Cancelable() bool { return o.Order.Status() == store.Open }

type eventView struct {
	received
	Order string // empty: unknown
}

// notices are the texts after a button was pressed.
var notices = map[string]string{
	"canceled":  "The order was canceled, and its stock is back.",
	"resolved":  "The decision is kept. If the order still needs a person, it says why.",
	"refunded":  "The payment was refunded.",
	"disputed":  "The customer’s bank disputes the payment.",
	"settled":   "The bank debit was settled.",
	"bounced":   "The bank debit bounced, and its stock is back.",
	"delivered": "The event was delivered once more. Nothing changed: compare the orders and the stock.",
	"advanced":  "Time has passed: the clock was set forward, and whatever fell due has happened.",
}

func (s *shop) showOrders(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	shown := orderview.FilterOf(form.Get("show"))
	query := shown.Query
	query.Newest, query.Limit = true, ordersOnPage+1 // one more says whether there is another page
	if at, err := time.Parse(time.RFC3339Nano, form.Get("before")); err == nil {
		query.After = store.Position{CreatedAt: at, ID: form.Get("id")}
	}
	shelves, err := s.shelves(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	orders, err := s.flow.List(r.Context(), query)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	data := ordersPage{
		Now: s.pay.now(), Notice: notices[form.Get("done")], Filters: orderview.Filters, Shown: shown, Shelves: shelves, Events: s.eventViews(r.Context()),
	}
	if len(orders) > ordersOnPage {
		orders = orders[:ordersOnPage]
		last := orders[ordersOnPage-1]
		data.Older = template.URL("/orders?" + url.Values{"show": {shown.Name}, "before": {last.CreatedAt.Format(time.RFC3339Nano)}, "id": {last.ID}}.Encode())
	}
	for _, o := range orders {
		view := orderView{Order: o}
		if row, ok := s.store.Get("shipments/" + o.ID); ok {
			sent := row.(shipment)
			view.Shipment = &sent
		}
		data.Orders = append(data.Orders, view)
	}
	s.render(w, http.StatusOK, "orders", page{Title: "Orders", Here: "orders", Data: data})
}

// cancelOrder ends an order for the merchant.
func (s *shop) cancelOrder(w http.ResponseWriter, r *http.Request) {
	if err := s.flow.Cancel(r.Context(), r.PostFormValue("order")); err != nil {
		s.failed(w, r, err)
		return
	}
	http.Redirect(w, r, "/orders?done=canceled", http.StatusSeeOther)
}

// resolveOrder carries out the merchant's decision about an order that is stuck.
func (s *shop) resolveOrder(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("order")
	if err := s.flow.Resolve(r.Context(), id, checkout.Resolution(r.PostFormValue("decision"))); err != nil {
		s.message(w, http.StatusConflict, "That did not help", err.Error())
		return
	}
	http.Redirect(w, r, "/orders?done=resolved", http.StatusSeeOther)
}

// eventViews returns the latest deliveries. Only the test server tells which order an event is about.
func (s *shop) eventViews(ctx context.Context) []eventView {
	sessions := map[string]string{}
	if s.pay.test != nil {
		for _, e := range s.pay.test.Events() {
			sessions[e.ID] = e.SessionID
		}
	}
	var views []eventView
	for _, r := range s.events.latest() {
		view := eventView{received: r}
		if o, err := s.store.FindRef(ctx, sessions[r.EventID]); err == nil {
			view.Order = o.ID
		}
		views = append(views, view)
	}
	return views
}
