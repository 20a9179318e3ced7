package guides

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gofulfil/fulfil/checkout"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// PrintStuck writes the orders that need a person.
func (s *Shop) PrintStuck(ctx context.Context, out io.Writer) error {
	orders, err := s.flow.List(ctx, store.Query{Stuck: true})
	if err != nil {
		return err
	}
	for _, o := range orders {
		fmt.Fprintf(out, "%s: %s\n", o.ID, o.StuckReason())
		for _, step := range s.flow.Next(o) {
			fmt.Fprintf(out, "  next: %s, because %s\n", step.Action, step.Reason)
		}
	}
	return nil
}

// Decide carries out what a person decided about an order.
func (s *Shop) Decide(ctx context.Context, orderID, decision string) error {
	switch decision {
	case "again": // the cause was mended
		return s.flow.Resolve(ctx, orderID, checkout.Retry)
	case "anyway": // the payment is accepted as it is
		return s.flow.Resolve(ctx, orderID, checkout.FulfilAnyway)
	case "refund": // it is not fulfilled, and the customer gets the money back
		if err := s.flow.Resolve(ctx, orderID, checkout.GiveUp); err != nil {
			return err
		}
		return s.Refund(ctx, orderID, "gave up")
	}
	return errors.New("decide again, anyway or refund")
}

// Refund gives back what is left of the payment, and puts the goods back on the shelf. key is a random text in a hidden field of
// the form, so that a second click refunds nothing.
func (s *Shop) Refund(ctx context.Context, orderID, key string) error {
	return s.flow.Refund(ctx, orderID, checkout.Refund{Key: key, Restock: true})
}

// AfterRestore finds what the restored database does not know.
func (s *Shop) AfterRestore(ctx context.Context, backup time.Time) error {
	sessions, err := s.flow.Backfill(ctx, backup.Add(-24*time.Hour))
	fmt.Println("sessions of this shop:", sessions)
	return err
}

// Forget erases a person's data from an order.
func (s *Shop) Forget(ctx context.Context, orderID string) error {
	if err := s.flow.Erase(ctx, orderID); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx, s.dialect.Rebind(`UPDATE shipments SET email = '' WHERE order_id = ?`), orderID)
	return err
}

// Tidy deletes orders that were abandoned half a year ago, with the shop's own rows for them.
func (s *Shop) Tidy(ctx context.Context) (int, error) {
	return s.flow.Prune(ctx, 180*24*time.Hour, func(ctx context.Context, tx *sql.Tx, o *store.Order) error {
		_, err := tx.ExecContext(ctx, s.dialect.Rebind(`DELETE FROM notes WHERE order_id = ?`), o.ID)
		return err
	})
}

// CheckDatabase is for a shop that migrates with a tool of its own.
func (s *Shop) CheckDatabase(ctx context.Context) error {
	return errors.Join(sqlstore.Check(ctx, s.db, s.dialect), sqlreserver.Check(ctx, s.db, s.dialect))
}

// IndexOrders is for a shop that had orders before schema version 4.
func (s *Shop) IndexOrders(ctx context.Context) error {
	for next := (store.Position{}); ; {
		var err error
		next, err = s.orders.Index(ctx, next, 0)
		if err != nil || next == (store.Position{}) {
			return err
		}
	}
}
