package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/webhook"
)

// demo sells through a test server and prints which jobs there are and what the worker ships.
func demo(url string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	srv := checkouttest.NewServer(checkouttest.Config{})
	defer srv.Close()
	log, shipped := slog.New(slog.DiscardHandler), make(chan string, 8)
	queue, err := newQueue(ctx, db, &carrier{ship: func(_ context.Context, orderID string) error {
		shipped <- orderID
		return nil
	}}, log)
	if err != nil {
		return err
	}
	var closed atomic.Bool
	flow, err := newFlow(ctx, checkout.Config[*sql.Tx]{Stripe: srv.Client(), Clock: srv.Now, Logger: log}, db, queue, func() error {
		if closed.Load() {
			return errors.New("the warehouse is closed")
		}
		return nil
	})
	if err != nil {
		return err
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now, Logger: log})
	if err != nil {
		return err
	}
	flow.Handle(hook)
	srv.Deliver(hook)

	buy := func(id string) error {
		started, err := flow.Begin(ctx, checkout.Session{
			OrderID:    id,
			Lines:      []checkout.Line{{Name: "Tea", UnitAmount: checkout.MustAmount("5.00", "usd"), Quantity: 1}},
			SuccessURL: "https://shop.example/thanks",
		})
		if err != nil {
			return err
		}
		return srv.Pay(started.SessionID, checkouttest.CardOK)
	}
	show := func(what string) error {
		var jobs int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM river_job WHERE kind = 'shipment'`).Scan(&jobs)
		fmt.Fprintf(out, "%-56s  jobs: %d\n", what, jobs)
		return err
	}

	srv.Faults(checkouttest.Duplicate(2))
	if err := errors.Join(buy("order-1"), show("An order is paid, and its event arrives twice.")); err != nil {
		return err
	}
	closed.Store(true)
	if err := errors.Join(buy("order-2"), show("Fulfil inserts the job of another order, and fails then.")); err != nil {
		return err
	}
	closed.Store(false)
	srv.Advance(5 * time.Minute)
	if _, err := flow.Sweep(ctx); err != nil { // a server has flow.Run do it
		return err
	}
	if err := show("Minutes later Fulfil is tried again."); err != nil {
		return err
	}
	if err := queue.Start(ctx); err != nil {
		return err
	}
	var orders []string
	for range 2 {
		select {
		case id := <-shipped:
			orders = append(orders, id)
		case <-ctx.Done():
			return errors.New("a job was not worked within two minutes")
		}
	}
	slices.Sort(orders)
	fmt.Fprintf(out, "The worker has shipped %s.\n", strings.Join(orders, " and "))
	return queue.Stop(ctx)
}
