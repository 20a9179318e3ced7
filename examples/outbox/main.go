// Command outbox sends e-mail about orders from a table: the callbacks write mails, in the transaction that also marks what they were
// called for, and a worker sends them.
//
//	go run ./examples/outbox
//
// It needs nothing else: payments go to a test server in this process, and mails are printed. This file and outbox.go are the parts
// to copy.
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
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

func main() {
	if err := demo(os.Stdout); err != nil {
		log.Fatal("outbox: ", err)
	}
}

// newFlow returns a flow whose callbacks write into the outbox.
func newFlow(ctx context.Context, db *sql.DB, box *outbox, client *stripe.Client, now func() time.Time, log *slog.Logger) (*checkout.Flow[*sql.Tx], error) {
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		return nil, err
	}
	return checkout.New(checkout.Config[*sql.Tx]{
		Stripe: client,
		Store:  sqlstore.New(db, sqlstore.SQLite),
		// The mail and the mark that the order is fulfilled commit together: no order without a mail, and no mail without an order.
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			return box.put(ctx, tx, mail{Key: o.ID + "/paid", To: o.Customer.Email, Subject: "Thank you for " + o.ID})
		},
		OnChange: func(ctx context.Context, tx *sql.Tx, c checkout.Change) error {
			if c.Kind != checkout.ChangeRefunded {
				return nil // the customer need not hear of the rest
			}
			return box.put(ctx, tx, mail{Key: c.Key, To: c.Order.Customer.Email, Subject: "Your money is on its way back for " + c.Order.ID})
		},
		// After the commit, so that the worker finds the row. It only wakes: a slow mail server holds up no webhook.
		Delivered: func(string) { box.wakeUp() },
		Clock:     now,
		Logger:    log,
	})
}
