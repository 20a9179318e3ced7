package sqlreserver

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Commit turns holds into sales, as [reservation.Reserver] says. It locks no stock. It waits only for transactions that end the
// same holds and, on MySQL, for transactions that have called Set or Adjust for the same SKUs.
func (r *Reserver) Commit(ctx context.Context, tx *sql.Tx, ids ...string) ([]error, error) {
	answers, err := r.end(ctx, tx, ids, stateSold)
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: committing", err)
	}
	return answers, nil
}

// Release gives the stock of holds back, as [reservation.Reserver] says.
func (r *Reserver) Release(ctx context.Context, tx *sql.Tx, ids ...string) ([]error, error) {
	answers, err := r.end(ctx, tx, ids, stateReleased)
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: releasing", err)
	}
	return answers, nil
}

// end ends holds in the state to.
func (r *Reserver) end(ctx context.Context, tx *sql.Tx, ids []string, to string) ([]error, error) {
	keys := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !reservation.ValidID(id) })
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if err := r.begin(ctx, tx); err != nil {
		return nil, err
	}
	known, err := r.lockHolds(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	answers := make([]error, len(ids))
	ending := make(map[string]*hold)
	for i, id := range ids {
		h := known[id]
		switch {
		case h == nil:
			answers[i] = fmt.Errorf("%w: %q", reservation.ErrNotHeld, id)
		case h.state == stateHeld:
			ending[id] = h
		case h.state != to:
			answers[i] = fmt.Errorf("%w: %q has ended the other way", reservation.ErrNotHeld, id)
		}
	}
	state := r.sql.sell
	if to == stateReleased {
		state = r.sql.giveBack
		if err := r.giveBack(ctx, tx, ending); err != nil {
			return nil, err
		}
	}
	if _, err := r.sql.exec(ctx, tx, state, column(sorted(ending))); err != nil {
		return nil, err
	}
	_, err = r.sql.exec(ctx, tx, r.sql.deleteHeld, heldRows(ending))
	return answers, err
}

// giveBack lowers the taken quantity of the SKUs of holds.
func (r *Reserver) giveBack(ctx context.Context, tx *sql.Tx, holds map[string]*hold) error {
	back := make(map[string]int64)
	for _, h := range holds {
		for _, l := range h.lines {
			back[l.SKU] += l.Quantity
		}
	}
	stock, err := r.lockStock(ctx, tx, sorted(back))
	if err != nil {
		return err
	}
	for sku, quantity := range back {
		if stock[sku] == nil {
			return fmt.Errorf("SKU %q is held but missing in fulfil_stock", sku)
		}
		stock[sku].change = -quantity
	}
	return r.writeStock(ctx, tx, stock)
}

// begin takes the write lock of SQLite. A transaction that begins with a read may be refused the lock later.
func (r *Reserver) begin(ctx context.Context, tx *sql.Tx) error {
	if r.sql.begin == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, r.sql.begin)
	return err
}
