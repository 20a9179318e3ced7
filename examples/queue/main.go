// Command queue takes Stripe's events in without a database, and works on them when there is one.
//
// It is two programs in one. The intake verifies events and publishes them to a broker, so that Stripe gets its answer while the
// database is down or is being moved. A worker passes them to the handlers. Both need no order and no guard against duplicates, as the
// Flow has both.
//
//	go run ./examples/queue intake    answers https://…/stripe/webhook on localhost:8080
//	go run ./examples/queue worker    works on events with the shop's database
//
// BROKER is nats://… for NATS JetStream or amqp://… for RabbitMQ. Default: nats://127.0.0.1:4222.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/stripe/stripe-go/v82"
	_ "modernc.org/sqlite"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stripe.DefaultLeveledLogger = &stripe.LeveledLogger{} // it would print e-mail addresses
	if err := run(ctx, strings.Join(os.Args[1:], " ")); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, role string) error {
	q, err := openQueue(cmp.Or(os.Getenv("BROKER"), "nats://127.0.0.1:4222"))
	if err != nil {
		return err
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{os.Getenv("STRIPE_WEBHOOK_SECRET")}})
	if err != nil {
		return err
	}
	switch role {
	case "intake":
		return serve(ctx, intake(hook, q))
	case "worker":
		db, err := sql.Open("sqlite", "file:shop.db?_pragma=busy_timeout(10000)")
		if err != nil {
			return err
		}
		defer db.Close()
		flow, err := newFlow(ctx, db, stripe.NewClient(os.Getenv("STRIPE_SECRET_KEY")), time.Now)
		if err != nil {
			return err
		}
		flow.Handle(hook)
		go func() { _ = flow.Run(ctx) }() // gives back what was held in vain, and finds what the broker lost
		return q.work(ctx, hook.Dispatch)
	}
	return errors.New("say intake or worker")
}

// openQueue opens the queue of a broker.
func openQueue(url string) (queue, error) {
	if strings.HasPrefix(url, "amqp") {
		return &rabbit{url: url}, nil
	}
	return openNATS(url)
}

// serve answers webhooks until ctx ends.
func serve(ctx context.Context, webhooks http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("POST /stripe/webhook", webhooks)
	server := &http.Server{Addr: "localhost:8080", Handler: mux, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	return server.ListenAndServe()
}

// newFlow makes the tables and the Flow of the shop.
func newFlow(ctx context.Context, db *sql.DB, client *stripe.Client, clock func() time.Time) (*checkout.Flow[*sql.Tx], error) {
	for _, migrate := range []func(context.Context, *sql.DB, sqlstore.Dialect) error{sqlstore.Migrate, sqlreserver.Migrate} {
		if err := migrate(ctx, db, sqlstore.SQLite); err != nil {
			return nil, err
		}
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS shipments (order_id TEXT PRIMARY KEY)`); err != nil {
		return nil, err
	}
	return checkout.New(checkout.Config[*sql.Tx]{
		Stripe: client, Store: sqlstore.New(db, sqlstore.SQLite), Reserver: sqlreserver.New(sqlstore.SQLite), Clock: clock,
		Fulfil: func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO shipments (order_id) VALUES (?)`, o.ID); err != nil {
				return fmt.Errorf("ship: %w", err)
			}
			return nil
		},
	})
}
