package main

import (
	"context"
	"database/sql"

	"github.com/gofulfil/fulfil/store"
)

// shownOrders is how many orders and how many changes the orders page shows, the newest first.
const shownOrders = 50

// ordersPage is the merchant's page.
type ordersPage struct {
	Orders  []orderRow
	Changes []changeRow
	Shelves []shelf
}

// orderRow is an order with the shop's own rows for it.
type orderRow struct {
	*store.Order
	Note     string
	Shipment *shipment // nil: not sent
}

type shipment struct{ Name, Email, Address string }

type changeRow struct{ Order, Kind, Detail string }

func (s *shop) orders(ctx context.Context) (ordersPage, error) {
	rows, err := s.orderRows(ctx)
	if err != nil {
		return ordersPage{}, err
	}
	for i := range rows {
		rows[i].Order, err = s.flow.Order(ctx, rows[i].ID)
		if err != nil {
			return ordersPage{}, err
		}
	}
	changes, err := s.changeRows(ctx)
	if err != nil {
		return ordersPage{}, err
	}
	shelves, err := s.shelves(ctx)
	return ordersPage{rows, changes, shelves}, err
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

func (s *shop) orderRows(ctx context.Context) ([]orderRow, error) {
	rows, err := s.db.QueryContext(ctx, s.q(`SELECT o.order_id, o.note, s.name, s.email, s.address
		FROM shop_orders o LEFT JOIN shipments s ON s.order_id = o.order_id
		ORDER BY o.created_at DESC, o.order_id LIMIT ?`), shownOrders)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []orderRow
	for rows.Next() {
		row := orderRow{Order: &store.Order{}}
		var name, email, address sql.NullString
		if err := rows.Scan(&row.ID, &row.Note, &name, &email, &address); err != nil {
			return nil, err
		}
		if name.Valid {
			row.Shipment = &shipment{name.String, email.String, address.String}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func (s *shop) changeRows(ctx context.Context) ([]changeRow, error) {
	rows, err := s.db.QueryContext(ctx, s.q(`SELECT order_id, kind, detail FROM order_log ORDER BY created_at DESC, change_key LIMIT ?`), shownOrders)
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
