package main

import (
	"context"
	"database/sql"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/examples/internal/orderview"
	"github.com/gofulfil/fulfil/store"
)

const (
	ordersOnPage = 20
	shownChanges = 50 // the newest
)

// ordersPage is the merchant's page.
type ordersPage struct {
	Notice  string
	Filters []orderview.Filter
	Shown   orderview.Filter
	Orders  []orderRow
	Older   template.URL // the next page; empty: there is none
	Changes []changeRow
	Shelves []shelf
}

// orderRow is an order with the shop's own rows for it.
type orderRow struct {
	*store.Order
	Note     string
	Shipment *shipment // nil: not sent
}

// Resolvable reports whether Flow.Resolve can do something about an order that is stuck.
func (o orderRow) Resolvable() bool { return o.Stuck() && o.Paid() }

// Cancelable reports whether the order has a session that Flow.Cancel can end.
func (o orderRow) Cancelable() bool { return o.Order.Status() == store.Open }

type shipment struct{ Name, Email, Address string }

type changeRow struct{ Order, Kind, Detail string }

// notices are the texts after a button was pressed.
var notices = map[string]string{
	"canceled": "The order was canceled, and its stock is back.",
	"resolved": "The decision is kept. If the order still needs a person, it says why.",
}

func (s *shop) showOrders(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	shown := orderview.FilterOf(form.Get("show"))
	query := shown.Query
	query.Newest, query.Limit = true, ordersOnPage+1 // one more says whether there is another page
	if at, err := time.Parse(time.RFC3339Nano, form.Get("before")); err == nil {
		query.After = store.Position{CreatedAt: at, ID: form.Get("id")}
	}
	data, err := s.orders(r.Context(), query)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	data.Notice, data.Filters, data.Shown = notices[form.Get("done")], orderview.Filters, shown
	if len(data.Orders) > ordersOnPage {
		data.Orders = data.Orders[:ordersOnPage]
		last := data.Orders[ordersOnPage-1]
		data.Older = template.URL("/orders?" + url.Values{"show": {shown.Name}, "before": {last.CreatedAt.Format(time.RFC3339Nano)}, "id": {last.ID}}.Encode())
	}
	s.render(w, http.StatusOK, "orders", page{Title: "Orders", Here: "orders", Data: data})
}

func (s *shop) orders(ctx context.Context, q store.Query) (ordersPage, error) {
	orders, err := s.flow.List(ctx, q)
	if err != nil {
		return ordersPage{}, err
	}
	rows, err := s.orderRows(ctx, orders)
	if err != nil {
		return ordersPage{}, err
	}
	changes, err := s.changeRows(ctx)
	if err != nil {
		return ordersPage{}, err
	}
	shelves, err := s.shelves(ctx)
	return ordersPage{Orders: rows, Changes: changes, Shelves: shelves}, err
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

// warnOfLostSessions logs a warning if the sessions of some orders are lost: their test server ended with its process.
func (s *shop) warnOfLostSessions(ctx context.Context) error {
	if s.test == nil {
		return nil
	}
	lost, err := s.flow.List(ctx, store.Query{Status: []store.Status{store.Open, store.Processing}})
	if len(lost) > 0 {
		s.log.Warn("orders were begun with a test server that has ended, and can be neither paid nor canceled: "+
			"use a new database, or keep the process with the test server running", "orders", len(lost))
	}
	return err
}

// orderRows returns the orders with the shop's own rows for them.
func (s *shop) orderRows(ctx context.Context, orders []*store.Order) ([]orderRow, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	all := make([]orderRow, len(orders))
	ids := make([]any, len(orders))
	for i, o := range orders {
		all[i].Order, ids[i] = o, o.ID
	}
	rows, err := s.db.QueryContext(ctx, s.q(`SELECT o.order_id, o.note, s.name, s.email, s.address
		FROM shop_orders o LEFT JOIN shipments s ON s.order_id = o.order_id
		WHERE o.order_id IN (?`+strings.Repeat(", ?", len(ids)-1)+`)`), ids...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, note string
		var name, email, address sql.NullString
		if err := rows.Scan(&id, &note, &name, &email, &address); err != nil {
			return nil, err
		}
		row := &all[slices.IndexFunc(all, func(o orderRow) bool { return o.ID == id })]
		row.Note = note
		if name.Valid {
			row.Shipment = &shipment{name.String, email.String, address.String}
		}
	}
	return all, rows.Err()
}

func (s *shop) changeRows(ctx context.Context) ([]changeRow, error) {
	rows, err := s.db.QueryContext(ctx, s.q(`SELECT order_id, kind, detail FROM order_log ORDER BY created_at DESC, change_key LIMIT ?`), shownChanges)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []changeRow
	for rows.Next() {
		var row changeRow
		if err := rows.Scan(&row.Order, &row.Kind, &row.Detail); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
