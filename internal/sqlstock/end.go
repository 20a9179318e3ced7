package sqlstock

import (
	"context"
	"fmt"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Commit turns holds into sales, as [reservation.Reserver] says. It locks no stock. It waits only for transactions that end the
// same holds and, on MySQL, for transactions that have called Set or Adjust for the same SKUs.
func (r *Reserver[Tx]) Commit(ctx context.Context, tx Tx, ids ...string) ([]error, error) {
	answers, err := r.end(ctx, tx, ids, stateSold)
	if err != nil {
		return nil, r.fail(ctx, "committing", err)
	}
	return answers, nil
}

// Release gives the stock of holds back, as [reservation.Reserver] says.
func (r *Reserver[Tx]) Release(ctx context.Context, tx Tx, ids ...string) ([]error, error) {
	answers, err := r.end(ctx, tx, ids, stateReleased)
	if err != nil {
		return nil, r.fail(ctx, "releasing", err)
	}
	return answers, nil
}

// end ends holds in the state to.
func (r *Reserver[Tx]) end(ctx context.Context, tx Tx, ids []string, to string) ([]error, error) {
	keys := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !reservation.ValidID(id) })
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var states map[string]string
	var err error
	if r.sql.sellAtOnce != nil {
		states, err = r.endAtOnce(ctx, tx, keys, to)
	} else {
		states, err = r.endInSteps(ctx, tx, keys, to)
	}
	if err != nil {
		return nil, err
	}
	answers := make([]error, len(ids))
	for i, id := range ids {
		switch states[id] {
		case stateHeld, to:
		case "":
			answers[i] = fmt.Errorf("%w: %q", reservation.ErrNotHeld, id)
		default:
			answers[i] = fmt.Errorf("%w: %q has ended the other way", reservation.ErrNotHeld, id)
		}
	}
	return answers, nil
}

// endAtOnce ends the holds that stand, in one statement. It returns the states before.
func (r *Reserver[Tx]) endAtOnce(ctx context.Context, tx Tx, ids []string, to string) (map[string]string, error) {
	states := make(map[string]string, len(ids))
	if len(ids) == 0 {
		return states, nil
	}
	build := r.sql.sellAtOnce
	if to == stateReleased {
		build = r.sql.giveBackAtOnce
	}
	err := r.sql.query(ctx, r.in(tx), build, column(ids), func(scan sqlkit.Scan) error {
		var id, state string
		var missing int64
		if err := scan(&id, &state, &missing); err != nil {
			return err
		}
		states[id] = state
		if missing > 0 {
			return fmt.Errorf("%d SKUs are held and have no row of stock anymore", missing)
		}
		return nil
	})
	return states, err
}

// endInSteps ends the holds that stand. It returns the states before.
func (r *Reserver[Tx]) endInSteps(ctx context.Context, tx Tx, ids []string, to string) (map[string]string, error) {
	if err := r.begin(ctx, tx); err != nil {
		return nil, err
	}
	known, err := r.lockHolds(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	states := make(map[string]string, len(known))
	ending := make(map[string][]reservation.Line)
	for id, h := range known {
		states[id] = h.state
		if h.state == stateHeld {
			ending[id] = h.lines
		}
	}
	state := r.sql.sell
	if to == stateReleased {
		state = r.sql.giveBack
		if err := r.giveBack(ctx, tx, ending); err != nil {
			return nil, err
		}
	}
	if _, err := r.sql.exec(ctx, r.in(tx), state, column(sorted(ending))); err != nil {
		return nil, err
	}
	_, err = r.sql.exec(ctx, r.in(tx), r.sql.deleteHeld, heldRows(ending))
	return states, err
}

// giveBack lowers the taken quantity of the SKUs of holds. The statement locks the stock by ascending SKU.
func (r *Reserver[Tx]) giveBack(ctx context.Context, tx Tx, holds map[string][]reservation.Line) error {
	stock := make(map[string]*level)
	for _, lines := range holds {
		for _, l := range lines {
			if stock[l.SKU] == nil {
				stock[l.SKU] = new(level)
			}
			stock[l.SKU].change -= l.Quantity
		}
	}
	rows := changes(stock)
	changed, err := r.sql.exec(ctx, r.in(tx), r.sql.take, rows)
	if err == nil && changed != int64(len(rows)) {
		err = fmt.Errorf("%d SKUs are held and have no row of stock anymore", int64(len(rows))-changed)
	}
	return err
}

// begin takes the write lock of SQLite. A transaction that begins with a read may be refused the lock later.
func (r *Reserver[Tx]) begin(ctx context.Context, tx Tx) error {
	if r.sql.begin == "" {
		return nil
	}
	return r.in(tx).Send(ctx, sqlkit.Statement{Query: r.sql.begin})
}
