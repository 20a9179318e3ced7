package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"strconv"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation"
)

// stockLine is the stock of a SKU, as JSON.
type stockLine struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"on_hand"`
	Held      int64  `json:"held"`
	Sold      int64  `json:"sold"`
	Available int64  `json:"available"`
}

var stockListCommand = command{
	name: "stock list", args: "[SKU…]", short: "list the stock of all SKUs, or of those named",
	long: `
Lists the stock of each SKU: ON HAND are the units on the shelf, HELD those of them that are set aside for customers who are paying,
AVAILABLE those that can be sold, SOLD the units that were ever sold. With -json, the lines have the members sku, on_hand, held, sold
and available.`,
	setup: func(p *program, _ *flag.FlagSet) action { return p.listStock },
}

func (p *program) listStock(ctx context.Context, skus []string) error {
	s, err := p.open(ctx, needsStock)
	if err != nil {
		return err
	}
	defer s.close()
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // also on a replica
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	stock, err := s.stock.Stock(ctx, tx, skus...)
	if err != nil {
		return err
	}
	return p.printStock(stock...)
}

func (p *program) printStock(stock ...reservation.Stock) error {
	t := p.table("SKU", "ON HAND", "HELD", "AVAILABLE", "SOLD")
	for _, s := range stock {
		var err error
		if p.options.json {
			err = p.printJSON(stockLine{s.SKU, s.OnHand, s.Held, s.Sold, s.Available()})
		} else {
			err = t.row(s.SKU, number(s.OnHand), number(s.Held), number(s.Available()), number(s.Sold))
		}
		if err != nil {
			return err
		}
	}
	return t.page()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

var stockSetCommand = command{
	name: "stock set", args: "SKU UNITS", short: "set the units on the shelf, after a count",
	long: `
Sets the units on the shelf, those that are held included and those that were sold not. It makes a SKU known that had no stock. It
refuses fewer units than are held for customers who are paying. It prints the stock as it is then.`,
	setup: func(p *program, _ *flag.FlagSet) action {
		return func(ctx context.Context, args []string) error {
			return p.changeStock(ctx, "set", args, func(ctx context.Context, s *shop, tx *sql.Tx, units int64) error {
				return s.stock.Set(ctx, tx, args[0], units)
			})
		}
	},
}

var stockAdjustCommand = command{
	name: "stock adjust", args: "SKU DELTA", short: "add units that came in, or take away units that went without a sale",
	long: `
Adds DELTA, such as 10 or -3, to the units on the shelf. It prints the stock as it is then. The same command again adjusts again.`,
	setup: func(p *program, _ *flag.FlagSet) action {
		return func(ctx context.Context, args []string) error {
			return p.changeStock(ctx, "adjust", args, func(ctx context.Context, s *shop, tx *sql.Tx, delta int64) error {
				return s.stock.Adjust(ctx, tx, args[0], delta)
			})
		}
	},
}

func (p *program) changeStock(ctx context.Context, verb string, args []string, change func(ctx context.Context, s *shop, tx *sql.Tx, n int64) error) error {
	if len(args) != 2 {
		return usagef("stock %s takes a SKU and a number of units", verb)
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return usagef("stock %s: %q is no number of units such as 10", verb, args[1])
	}
	s, err := p.open(ctx, needsStock)
	if err != nil {
		return err
	}
	defer s.close()
	var stock []reservation.Stock
	err = s.store.InTx(ctx, func(tx *sql.Tx) error {
		if err := change(ctx, s, tx, n); err != nil {
			return err
		}
		stock, err = s.stock.Stock(ctx, tx, args[0])
		return err
	})
	switch {
	case errors.Is(err, reservation.ErrUnknownSKU) && s.table != "":
		return fmt.Errorf("there is no stock of %q: insert its row into the table %s", args[0], s.table)
	case errors.Is(err, reservation.ErrUnknownSKU):
		return fmt.Errorf("there is no stock of %q: make it known with fulfil stock set", args[0])
	case errors.Is(err, reservation.ErrBelowHeld):
		return fmt.Errorf("customers who are paying hold more units than would be left: wait until they have paid or gone, or cancel their orders: %w", err)
	case errors.Is(err, reservation.ErrInvalidStock), errors.Is(err, checkout.ErrNoStock):
		return usagef("nothing was changed: %v", err)
	case err != nil:
		return err
	}
	return p.printStock(stock...)
}
