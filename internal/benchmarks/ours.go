package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// ours is a shop with a Flow.
type ours struct {
	st       *sqlstore.Store
	reserver *sqlreserver.Reserver
	flow     *checkout.Flow[*sql.Tx]
	hook     *webhook.Handler
	status   http.Handler
}

// migrateOurs makes the tables of fulfil and of a merchant.
func migrateOurs(ctx context.Context, d *database, db *sql.DB) error {
	if err := sqlstore.Migrate(ctx, db, d.dialect); err != nil {
		return err
	}
	if err := sqlreserver.Migrate(ctx, db, d.dialect); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "CREATE TABLE our_shipments (order_id VARCHAR(255) NOT NULL PRIMARY KEY)")
	return err
}

func newOurs(d *database, db *sql.DB, stub *stubStripe) (*ours, error) {
	o := &ours{st: sqlstore.New(db, d.dialect), reserver: sqlreserver.New(d.dialect).WithDB(db)}
	insert := d.sqlText("INSERT INTO our_shipments (order_id) VALUES (?)")
	var err error
	o.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe: stub.client(), Store: o.st, Reserver: o.reserver, Logger: slog.New(slog.DiscardHandler),
		Fulfil: func(ctx context.Context, tx *sql.Tx, order *store.Order) error {
			_, err := tx.ExecContext(ctx, insert, order.ID)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	o.hook, err = webhook.New(webhook.Config{Secrets: []string{webhookSecret}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	o.flow.Handle(o.hook)
	o.status = o.flow.StatusHandler()
	return o, nil
}

// stock sets what is on the shelves.
func (o *ours) stock(ctx context.Context, onHand int64, skus ...string) error {
	return o.st.InTx(ctx, func(tx *sql.Tx) error {
		for _, sku := range skus {
			if err := o.reserver.Set(ctx, tx, sku, onHand); err != nil {
				return err
			}
		}
		return nil
	})
}

// cart is one of each SKU.
func cart(orderID string, skus ...string) checkout.Session {
	s := checkout.Session{OrderID: orderID, SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}", CancelURL: "https://shop.example/cart"}
	for _, sku := range skus {
		s.Lines = append(s.Lines, checkout.Line{SKU: sku, Name: "Item " + sku, UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: 1})
	}
	return s
}

func (o *ours) begin(ctx context.Context, orderID string, skus ...string) (sessionID string, err error) {
	started, err := o.flow.Begin(ctx, cart(orderID, skus...))
	if err != nil {
		return "", err
	}
	return started.SessionID, nil
}

// beginSoldOut begins an order that can't be had.
func (o *ours) beginSoldOut(ctx context.Context, orderID, sku string) error {
	_, err := o.begin(ctx, orderID, sku)
	var short *reservation.ShortageError
	if !errors.As(err, &short) {
		return fmt.Errorf("benchmarks: sold out, but Begin said %v", err)
	}
	return nil
}

// hold holds stock and nothing else, in one transaction.
func (o *ours) hold(ctx context.Context, holds ...reservation.Hold) error {
	return o.st.InTx(ctx, func(tx *sql.Tx) error {
		refusals, err := o.reserver.Hold(ctx, tx, holds...)
		return errors.Join(append(refusals, err)...)
	})
}

// serve answers a request, which must succeed.
func serve(h http.Handler, r *http.Request) error {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return fmt.Errorf("benchmarks: answered %d: %s", w.Code, strings.TrimSpace(w.Body.String()))
	}
	return nil
}

// getStatus reads the status of an order as the thanks page does.
func getStatus(h http.Handler, sessionID string) error {
	return serve(h, httptest.NewRequest(http.MethodGet, "/?session_id="+sessionID, nil))
}

// atOnce runs fn for 0 to n-1, 16 at a time.
func atOnce(n int, fn func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := fn(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
