package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/gofulfil/fulfil/checkout/doctor"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// errUnhealthy makes the program end with status 1, so that a script can stop a deploy.
var errUnhealthy = errors.New("the doctor found something that must be mended")

// examine prints what is wrong with the shop: its account at Stripe, its webhook, its key, its clock, its database and its stock. The
// shop itself runs meanwhile, with the same environment.
func examine(ctx context.Context, c config, out io.Writer) error {
	if c.url == "" {
		c.url = "http://" + c.addr
	}
	db, err := c.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := newShop(ctx, c, c.connect(c.url), db, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return s.examine(ctx, out)
}

func (s *shop) examine(ctx context.Context, out io.Writer) error {
	products, err := s.products(ctx)
	if err != nil {
		return err
	}
	var skus []string
	for _, p := range products {
		skus = append(skus, p.SKU)
	}
	report, err := doctor.Examine(ctx, doctor.Config{
		Stripe:   s.client,
		Handler:  s.hook,
		URL:      s.url + "/stripe/webhook",
		Secrets:  []string{s.webhookSecret},
		Flow:     s.flow,
		Database: func(ctx context.Context) error { return checkDatabase(ctx, s.db, s.dialect) },
		Stock:    s.stock,
		SKUs:     skus,
	})
	if err != nil {
		return err
	}
	fmt.Fprint(out, report)
	if !report.Healthy() {
		return errUnhealthy
	}
	return nil
}

func checkDatabase(ctx context.Context, db *sql.DB, dialect sqlstore.Dialect) error {
	return errors.Join(sqlstore.Check(ctx, db, dialect), sqlreserver.Check(ctx, db, dialect))
}
