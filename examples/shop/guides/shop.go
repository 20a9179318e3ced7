package guides

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/stripe/stripe-go/v82"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

// Shop is a shop on a database. Stripe, the secret and the clock come from outside, so that a test can pass its own.
type Shop struct {
	db      *sql.DB
	dialect sqlstore.Dialect
	orders  *sqlstore.Store
	stock   *sqlreserver.Reserver
	client  *stripe.Client
	flow    *checkout.Flow[*sql.Tx]
	hook    *webhook.Handler
}

func NewShop(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect, client *stripe.Client, secret string, now func() time.Time) (*Shop, error) {
	if err := sqlstore.Migrate(ctx, db, dialect); err != nil {
		return nil, err
	}
	if err := sqlreserver.Migrate(ctx, db, dialect); err != nil {
		return nil, err
	}
	for _, table := range []string{
		`CREATE TABLE IF NOT EXISTS shipments (order_id VARCHAR(200) PRIMARY KEY, email TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS mails (mail_key VARCHAR(255) PRIMARY KEY, order_id VARCHAR(200) NOT NULL, kind TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS notes (order_id VARCHAR(200) PRIMARY KEY, note TEXT NOT NULL)`,
	} {
		if _, err := db.ExecContext(ctx, table); err != nil {
			return nil, err
		}
	}
	s := &Shop{db: db, dialect: dialect, orders: sqlstore.New(db, dialect), stock: sqlreserver.New(dialect).WithDB(db), client: client}
	err := s.orders.InTx(ctx, func(tx *sql.Tx) error {
		return s.stock.SetNew(ctx, tx, "tee-m", 10) // leaves a stock that is there already
	})
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	s.flow, err = checkout.New(checkout.Config[*sql.Tx]{
		Stripe:   client,
		Store:    s.orders,
		Reserver: s.stock,
		Fulfil:   s.fulfil,
		OnChange: s.changed,
		Clock:    now,
		Logger:   log,
	})
	if err != nil {
		return nil, err
	}
	s.hook, err = webhook.New(webhook.Config{Secrets: []string{secret}, Clock: now, Logger: log})
	if err != nil {
		return nil, err
	}
	s.flow.Handle(s.hook)
	return s, nil
}

func (s *Shop) fulfil(ctx context.Context, tx *sql.Tx, o *store.Order) error {
	_, err := tx.ExecContext(ctx, s.dialect.Rebind(`INSERT INTO shipments (order_id, email) VALUES (?, ?)`), o.ID, o.Customer.Email)
	return err // nil: fulfilled, together with this row; error: rolled back, tried again
}

// changed writes to an outbox: a program of your own sends what stands in it. The key keeps a change from being written twice.
func (s *Shop) changed(ctx context.Context, tx *sql.Tx, c checkout.Change) error {
	_, err := tx.ExecContext(ctx, s.dialect.Rebind(`INSERT INTO mails (mail_key, order_id, kind) VALUES (?, ?, ?)`),
		c.Key, c.Order.ID, string(c.Kind))
	return err
}

// Session is what a customer buys.
func Session(orderID string, quantity int64) checkout.Session {
	return checkout.Session{
		OrderID:    orderID,
		Lines:      []checkout.Line{{SKU: "tee-m", Name: "T-shirt", UnitAmount: checkout.MustAmount("19.99", "usd"), Quantity: quantity}},
		SuccessURL: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
		HoldFor:    15 * time.Minute,
	}
}

// StandaloneClient makes its requests to the test server that runs alone.
func StandaloneClient(base, key string) *stripe.Client {
	api := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{URL: stripe.String(base)})
	return stripe.NewClient(key, stripe.WithBackends(&stripe.Backends{API: api}))
}
