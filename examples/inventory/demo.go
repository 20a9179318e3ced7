package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/webhook"
)

// demo sells through a test server and prints what becomes of the products table.
func demo(out io.Writer) error {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "inventory-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(folder, "shop.db"))+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, productsTable+";"+addTaken+"; CREATE TABLE shipments (order_id TEXT PRIMARY KEY)"); err != nil {
		return err
	}
	srv := checkouttest.NewServer(checkouttest.Config{Sequential: true})
	defer srv.Close()
	s, err := newShop(ctx, db, srv.Client(), srv.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	hook, err := webhook.New(webhook.Config{Secrets: []string{srv.WebhookSecret()}, Clock: srv.Now})
	if err != nil {
		return err
	}
	s.flow.Handle(hook)
	srv.Deliver(hook)
	return s.scenes(ctx, out, srv)
}

func (s *shop) scenes(ctx context.Context, out io.Writer, srv *checkouttest.Server) error {
	show := func(what string) error {
		var name string
		var stocked, taken, shipments int64
		err := s.db.QueryRowContext(ctx, `SELECT name, stocked, taken, (SELECT count(*) FROM shipments) FROM products WHERE sku = 'tee-m'`).
			Scan(&name, &stocked, &taken, &shipments)
		fmt.Fprintf(out, "%-47s products: %s, stocked %d, taken %d; shipments: %d\n", what, name, stocked, taken, shipments)
		return err
	}
	if err := show("The shop opens."); err != nil {
		return err
	}
	first, err := s.buy(ctx, "order-1", "tee-m", 2)
	if err != nil {
		return err
	}
	if err := show("A customer is paying for two."); err != nil {
		return err
	}
	var short *reservation.ShortageError
	if _, err := s.buy(ctx, "order-2", "tee-m", 2); !errors.As(err, &short) {
		return fmt.Errorf("the second order must be short: %w", err)
	}
	if err := show(fmt.Sprintf("A second one wants %d: sold out, %d is left.", short.Lines[0].Wanted, short.Lines[0].Available)); err != nil {
		return err
	}
	if _, err := s.buy(ctx, "order-3", "tee-m", 1); err != nil {
		return err
	}
	if err := show("A third one is paying for the last."); err != nil {
		return err
	}
	if err := srv.Pay(first.SessionID, checkouttest.CardOK); err != nil {
		return err
	}
	if err := show("The first one has paid."); err != nil {
		return err
	}
	srv.Advance(20 * time.Minute)
	if _, err := s.flow.Sweep(ctx); err != nil { // a server has flow.Run do it
		return err
	}
	if err := show("The third one left; the time to pay is over."); err != nil {
		return err
	}
	if err := s.receive(ctx, "tee-m", 10); err != nil {
		return err
	}
	return show("Ten more came in.")
}
