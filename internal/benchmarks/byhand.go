package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/stripe/stripe-go/v82"
	stripewebhook "github.com/stripe/stripe-go/v82/webhook"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// byHand is a shop as a competent developer writes it without a library: a transaction locks the stock, checks, updates it and
// inserts the order; a transaction for each webhook has a table of processed events. It has none of the Flow's other guarantees.
type byHand struct {
	db     *sql.DB
	stripe *stripe.Client
	d      *database
	lock   string // ends a SELECT that locks its rows
}

var errSoldOut = errors.New("benchmarks: sold out")

var handTables = []string{
	"CREATE TABLE hand_stock (sku VARCHAR(255) NOT NULL PRIMARY KEY, available BIGINT NOT NULL)",
	"CREATE TABLE hand_orders (id VARCHAR(255) NOT NULL PRIMARY KEY, sku VARCHAR(255) NOT NULL, status VARCHAR(20) NOT NULL, session_id VARCHAR(255) UNIQUE)",
	"CREATE TABLE hand_events (id VARCHAR(255) NOT NULL PRIMARY KEY)",
	"CREATE TABLE hand_shipments (order_id VARCHAR(255) NOT NULL PRIMARY KEY)",
	"CREATE TABLE floor_counter (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
	"CREATE TABLE floor_rows (id VARCHAR(255) NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
}

func migrateByHand(ctx context.Context, db *sql.DB) error {
	for _, table := range handTables {
		if _, err := db.ExecContext(ctx, table); err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, "INSERT INTO floor_counter (id, n) VALUES (1, 0)")
	return err
}

func newByHand(d *database, db *sql.DB, stub *stubStripe) *byHand {
	h := &byHand{db: db, stripe: stub.client(), d: d, lock: " FOR UPDATE"}
	if d.dialect == sqlstore.SQLite {
		h.lock = "" // a transaction on SQLite locks the database when it begins, see newSQLite
	}
	return h
}

func (h *byHand) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after the commit
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (h *byHand) exec(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
	_, err := tx.ExecContext(ctx, h.d.sqlText(statement), args...)
	return err
}

// stock sets what is on the shelves.
func (h *byHand) stock(ctx context.Context, onHand int64, skus ...string) error {
	return h.inTx(ctx, func(tx *sql.Tx) error {
		for _, sku := range skus {
			if err := h.exec(ctx, tx, "INSERT INTO hand_stock (sku, available) VALUES (?, ?)", sku, onHand); err != nil {
				return err
			}
		}
		return nil
	})
}

// take takes one of each SKU within a transaction. The SKUs are sorted, so that transactions do not deadlock.
func (h *byHand) take(ctx context.Context, tx *sql.Tx, skus ...string) error {
	for _, sku := range skus {
		var available int64
		err := tx.QueryRowContext(ctx, h.d.sqlText("SELECT available FROM hand_stock WHERE sku = ?"+h.lock), sku).Scan(&available)
		if err != nil {
			return err
		}
		if available < 1 {
			return errSoldOut
		}
		if err := h.exec(ctx, tx, "UPDATE hand_stock SET available = available - 1 WHERE sku = ?", sku); err != nil {
			return err
		}
	}
	return nil
}

// hold takes stock and inserts the order.
func (h *byHand) hold(ctx context.Context, orderID string, skus ...string) error {
	return h.inTx(ctx, func(tx *sql.Tx) error {
		if err := h.take(ctx, tx, skus...); err != nil {
			return err
		}
		return h.exec(ctx, tx, "INSERT INTO hand_orders (id, sku, status) VALUES (?, ?, 'open')", orderID, skus[0])
	})
}

// begin holds stock, creates the session and records it.
func (h *byHand) begin(ctx context.Context, orderID string, skus ...string) (sessionID string, err error) {
	if err := h.hold(ctx, orderID, skus...); err != nil {
		return "", err
	}
	params := &stripe.CheckoutSessionCreateParams{
		Mode: stripe.String("payment"), ClientReferenceID: stripe.String(orderID), SuccessURL: stripe.String("https://shop.example/thanks"),
	}
	for _, sku := range skus {
		params.LineItems = append(params.LineItems, &stripe.CheckoutSessionCreateLineItemParams{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency: stripe.String("usd"), UnitAmount: stripe.Int64(unitAmount),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{Name: stripe.String("Item " + sku)},
			},
		})
	}
	session, err := h.stripe.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return "", err
	}
	_, err = h.db.ExecContext(ctx, h.d.sqlText("UPDATE hand_orders SET session_id = ? WHERE id = ?"), session.ID, orderID)
	return session.ID, err
}

// beginSoldOut begins an order that can't be had.
func (h *byHand) beginSoldOut(ctx context.Context, orderID, sku string) error {
	if err := h.hold(ctx, orderID, sku); !errors.Is(err, errSoldOut) {
		return fmt.Errorf("benchmarks: sold out by hand, but the answer was %v", err)
	}
	return nil
}

// ServeHTTP receives a webhook.
func (h *byHand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	e, err := stripewebhook.ConstructEvent(payload, r.Header.Get("Stripe-Signature"), webhookSecret)
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	var session stripe.CheckoutSession
	if err := json.Unmarshal(e.Data.Raw, &session); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if err := h.settle(r.Context(), e.ID, &session); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// settle records a paid session and ships its order, once for each event.
func (h *byHand) settle(ctx context.Context, eventID string, session *stripe.CheckoutSession) error {
	claim := "INSERT INTO hand_events (id) VALUES (?) ON CONFLICT DO NOTHING"
	if h.d.dialect == sqlstore.MySQL {
		claim = "INSERT IGNORE INTO hand_events (id) VALUES (?)"
	}
	return h.inTx(ctx, func(tx *sql.Tx) error {
		claimed, err := tx.ExecContext(ctx, h.d.sqlText(claim), eventID)
		if err != nil {
			return err
		}
		if n, err := claimed.RowsAffected(); err != nil || n == 0 {
			return err
		}
		var orderID, status string
		err = tx.QueryRowContext(ctx, h.d.sqlText("SELECT id, status FROM hand_orders WHERE session_id = ?"+h.lock), session.ID).Scan(&orderID, &status)
		if err != nil || status == "paid" {
			return err
		}
		if session.PaymentStatus != stripe.CheckoutSessionPaymentStatusPaid {
			return h.exec(ctx, tx, "UPDATE hand_orders SET status = 'processing' WHERE id = ?", orderID)
		}
		if err := h.exec(ctx, tx, "UPDATE hand_orders SET status = 'paid' WHERE id = ?", orderID); err != nil {
			return err
		}
		return h.exec(ctx, tx, "INSERT INTO hand_shipments (order_id) VALUES (?)", orderID)
	})
}

// statusHandler answers with the status of an order.
func (h *byHand) statusHandler() http.Handler {
	query := h.d.sqlText("SELECT id, status FROM hand_orders WHERE session_id = ?")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer struct {
			OrderID string `json:"order_id"`
			Status  string `json:"status"`
		}
		err := h.db.QueryRowContext(r.Context(), query, r.URL.Query().Get("session_id")).Scan(&answer.OrderID, &answer.Status)
		if err != nil {
			http.Error(w, "unknown session", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}
