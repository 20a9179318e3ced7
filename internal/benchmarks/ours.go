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

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/pgxreserver"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/pgxstore"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// ours is a shop with a Flow. Its functions hide the type of the transactions.
type ours struct {
	flow   flow
	hook   *webhook.Handler
	status http.Handler
	// stock sets what is on the shelves.
	stock func(ctx context.Context, onHand int64, skus ...string) error
	// hold holds stock and nothing else, in one transaction.
	hold func(ctx context.Context, holds ...reservation.Hold) error
}

// flow is what the benchmarks call of a [checkout.Flow].
type flow interface {
	Begin(ctx context.Context, s checkout.Session) (*checkout.Started, error)
	Sweep(ctx context.Context) (checkout.Swept, error)
	Order(ctx context.Context, id string) (*store.Order, error)
	List(ctx context.Context, q store.Query) ([]*store.Order, error)
	Run(ctx context.Context) error
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

const insertShipment = "INSERT INTO our_shipments (order_id) VALUES (?)"

// newOurs makes a shop on database/sql.
func newOurs(d *database, db *sql.DB, stub *stubStripe) (*ours, error) {
	insert := d.sqlText(insertShipment)
	return newShop(sqlstore.New(db, d.dialect), sqlreserver.New(d.dialect).WithDB(db), stub, func(ctx context.Context, tx *sql.Tx, order *store.Order) error {
		_, err := tx.ExecContext(ctx, insert, order.ID)
		return err
	})
}

// newOursOnPgx makes a shop on a pool of pgx, with the same tables.
func newOursOnPgx(d *database, pool *pgxpool.Pool, stub *stubStripe) (*ours, error) {
	insert := d.sqlText(insertShipment)
	return newShop(pgxstore.New(pool), pgxreserver.New(pool), stub, func(ctx context.Context, tx pgx.Tx, order *store.Order) error {
		_, err := tx.Exec(ctx, insert, order.ID)
		return err
	})
}

// shelves is a Reserver whose stock can be set.
type shelves[Tx any] interface {
	reservation.Reserver[Tx]
	Set(ctx context.Context, tx Tx, sku string, onHand int64) error
}

func newShop[Tx any](st store.Store[Tx], reserver shelves[Tx], stub *stubStripe, fulfil func(context.Context, Tx, *store.Order) error) (*ours, error) {
	f, err := checkout.New(checkout.Config[Tx]{
		Stripe: stub.client(), Store: st, Reserver: reserver, Logger: slog.New(slog.DiscardHandler), Fulfil: fulfil,
	})
	if err != nil {
		return nil, err
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{webhookSecret}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	f.Handle(hook)
	return &ours{
		flow: f, hook: hook, status: f.StatusHandler(),
		stock: func(ctx context.Context, onHand int64, skus ...string) error {
			return st.InTx(ctx, func(tx Tx) error {
				for _, sku := range skus {
					if err := reserver.Set(ctx, tx, sku, onHand); err != nil {
						return err
					}
				}
				return nil
			})
		},
		hold: func(ctx context.Context, holds ...reservation.Hold) error {
			return st.InTx(ctx, func(tx Tx) error {
				refusals, err := reserver.Hold(ctx, tx, holds...)
				return errors.Join(append(refusals, err)...)
			})
		},
	}, nil
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
