package main

import (
	"context"
	"net/http"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// ordersPage is the merchant's page.
type ordersPage struct {
	Now     time.Time
	Notice  string
	Orders  []orderView
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

// Cancelable reports whether the order has a session that Flow.Cancel can end.
func (o orderView) Cancelable() bool { return o.Order.Status() == store.Open }

type eventView struct {
	received
	Order string // empty: unknown
}

// notices are the texts after a button was pressed.
var notices = map[string]string{
	"canceled":  "The order was canceled, and its stock is back.",
	"settled":   "The bank debit was settled.",
	"bounced":   "The bank debit bounced, and its stock is back.",
	"delivered": "The event was delivered once more. Nothing changed: compare the orders and the stock.",
	"advanced":  "Time has passed: the clock was set forward, and whatever fell due has happened.",
}

func (s *shop) showOrders(w http.ResponseWriter, r *http.Request) {
	shelves, err := s.shelves(r.Context())
	if err != nil {
		s.failed(w, err)
		return
	}
	orders, err := s.flow.List(r.Context(), store.Query{Newest: true})
	if err != nil {
		s.failed(w, err)
		return
	}
	data := ordersPage{Now: s.pay.now(), Notice: notices[r.FormValue("done")], Shelves: shelves, Events: s.eventViews(r.Context())}
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
