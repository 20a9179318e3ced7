// Command inventory sells from a products table that the merchant has already: orders hold and sell its stock, in the transactions
// that also write the orders.
//
//	go run ./examples/inventory
//
// It needs nothing else: payments go to a test server in this process. This file is the part to copy.
package main

import (
	"context"
	"database/sql"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/stripe/stripe-go/v82"
	_ "modernc.org/sqlite" // driver "sqlite"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

func main() {
	if err := demo(os.Stdout); err != nil {
		log.Fatal("inventory: ", err)
	}
}

// productsTable is the merchant's table as it was before, with a count of the units on the shelf.
const productsTable = `
	CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL, stocked INTEGER NOT NULL);
	INSERT INTO products VALUES ('tee-m', 'T-shirt, medium', 1999, 3), ('mug', 'Mug', 900, 10)`

// addTaken is the only change of the table: a column that counts the units that are held or sold. If the column of the units had
// another name, it would be renamed to stocked here.
const addTaken = `ALTER TABLE products ADD COLUMN taken INTEGER NOT NULL DEFAULT 0 CHECK (taken BETWEEN 0 AND stocked)`

// shop sells from the products table.
type shop struct {
	db    *sql.DB
	st    *sqlstore.Store
	stock *sqlreserver.Reserver
	flow  *checkout.Flow[*sql.Tx]
}

func newShop(ctx context.Context, db *sql.DB, client *stripe.Client, now func() time.Time, log *slog.Logger) (*shop, error) {
	for _, migrate := range []func(context.Context, *sql.DB, sqlstore.Dialect) error{sqlstore.Migrate, sqlreserver.Migrate} {
		if err := migrate(ctx, db, sqlstore.SQLite); err != nil {
			return nil, err
		}
	}
	s := &shop{db: db, st: sqlstore.New(db, sqlstore.SQLite), stock: sqlreserver.New(sqlreserver.SQLite).WithDB(db).WithTable("products")}
	var err error
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe:   client,
		Store:    s.st,
		Reserver: s.stock,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO shipments (order_id) VALUES (?)`, o.ID)
			return err
		},
		Clock:  now,
		Logger: log,
	})
	return s, err
}

// buy begins an order. Name and price are read from the same table as the stock.
func (s *shop) buy(ctx context.Context, orderID, sku string, quantity int64) (*checkout.Started, error) {
	var name string
	var cents int64
	if err := s.db.QueryRowContext(ctx, `SELECT name, cents FROM products WHERE sku = ?`, sku).Scan(&name, &cents); err != nil {
		return nil, err
	}
	price, err := checkout.AmountOf(cents, "usd")
	if err != nil {
		return nil, err
	}
	return s.flow.Begin(ctx, checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{SKU: sku, Name: name, UnitAmount: price, Quantity: quantity}},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		HoldFor:    15 * time.Minute,
	})
}

// receive adds units that came in from the supplier, together with whatever else the program writes about the delivery.
func (s *shop) receive(ctx context.Context, sku string, units int64) error {
	return s.st.InTx(ctx, func(tx *sql.Tx) error {
		return s.stock.Adjust(ctx, tx, sku, units)
	})
}
