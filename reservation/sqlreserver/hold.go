package sqlreserver

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Hold sets stock aside, as [reservation.Reserver] says.
func (r *Reserver) Hold(ctx context.Context, tx *sql.Tx, holds ...reservation.Hold) ([]error, error) {
	answers := make([]error, len(holds))
	lines := make([][]reservation.Line, len(holds))
	wanted := make(map[string][]reservation.Line) // by ID
	for i, h := range holds {
		lines[i], answers[i] = h.Merge()
		if answers[i] != nil {
			continue
		}
		if _, repeated := wanted[h.ID]; !repeated {
			wanted[h.ID] = lines[i]
		}
	}
	known, err := r.claim(ctx, tx, wanted)
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: holding", err)
	}
	stock, err := r.lockStock(ctx, tx, skusOf(holds, lines, known))
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: holding", err)
	}
	for i, h := range holds {
		if answers[i] == nil {
			answers[i] = decide(known, stock, h.ID, lines[i])
		}
	}
	if err := r.keep(ctx, tx, wanted, known, stock); err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: holding", err)
	}
	return answers, nil
}

// claim inserts holds, and returns and locks those that already exist. It runs before any stock is locked: a transaction that
// waits here for another with the same ID has locked no stock that the other could be waiting for.
func (r *Reserver) claim(ctx context.Context, tx *sql.Tx, wanted map[string][]reservation.Line) (map[string]*hold, error) {
	var rows [][]any
	for _, id := range sorted(wanted) {
		text, err := encode(wanted[id])
		if err != nil {
			return nil, err
		}
		rows = append(rows, []any{id, text})
	}
	fresh, err := r.insertHolds(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	var old []string
	for _, row := range rows {
		if id := row[0].(string); !fresh[id] {
			old = append(old, id)
		}
	}
	known, err := r.lockHolds(ctx, tx, old)
	if err == nil && len(known) != len(old) {
		err = fmt.Errorf("%d of %d holds were deleted meanwhile: no program may delete rows of fulfil_holds", len(old)-len(known), len(old))
	}
	return known, err
}

// insertHolds inserts the holds whose IDs are free and returns those IDs.
func (r *Reserver) insertHolds(ctx context.Context, tx *sql.Tx, rows [][]any) (map[string]bool, error) {
	fresh := make(map[string]bool, len(rows))
	scan := func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		fresh[id] = true
		return err
	}
	if r.sql.fresh == nil {
		return fresh, r.sql.query(ctx, tx, r.sql.claim, rows, scan)
	}
	changed, err := r.sql.exec(ctx, tx, r.sql.claim, rows)
	if err != nil {
		return nil, err
	}
	if changed == int64(len(rows)) { // MySQL counts 2 for a row that existed, so all are new
		for _, row := range rows {
			fresh[row[0].(string)] = true
		}
		return fresh, nil
	}
	return fresh, r.sql.query(ctx, tx, r.sql.fresh, rows, scan)
}

// skusOf returns the SKUs of the valid holds that do not exist yet.
func skusOf(holds []reservation.Hold, lines [][]reservation.Line, known map[string]*hold) []string {
	skus := make(map[string]bool)
	for i, h := range holds {
		if known[h.ID] == nil {
			for _, l := range lines[i] {
				skus[l.SKU] = true
			}
		}
	}
	return sorted(skus)
}

// decide returns the answer to one hold. If the hold fits, decide adds it to known.
func decide(known map[string]*hold, stock map[string]*level, id string, lines []reservation.Line) error {
	if k := known[id]; k != nil {
		if k.state != stateHeld || !slices.Equal(k.lines, lines) {
			return fmt.Errorf("%w: %s", reservation.ErrHoldExists, id)
		}
		return nil
	}
	short := &reservation.ShortageError{Hold: id}
	for _, l := range lines {
		s := stock[l.SKU]
		if s == nil {
			return fmt.Errorf("%w: %q", reservation.ErrUnknownSKU, l.SKU)
		}
		if available := s.stocked - s.taken - s.change; l.Quantity > available {
			short.Lines = append(short.Lines, reservation.Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: available})
		}
	}
	if len(short.Lines) > 0 {
		return short
	}
	for _, l := range lines {
		stock[l.SKU].change += l.Quantity
	}
	known[id] = &hold{state: stateHeld, lines: lines, fresh: true}
	return nil
}

// keep writes the decisions: it deletes the refused holds and takes the stock of the others.
func (r *Reserver) keep(ctx context.Context, tx *sql.Tx, wanted map[string][]reservation.Line, known map[string]*hold, stock map[string]*level) error {
	var deleted []string
	var replaced [][]any
	fresh := make(map[string]*hold)
	for _, id := range sorted(wanted) {
		k := known[id]
		if k == nil {
			deleted = append(deleted, id)
			continue
		}
		if !k.fresh {
			continue
		}
		fresh[id] = k
		if !slices.Equal(k.lines, wanted[id]) {
			// The first hold with this ID was inserted and refused. A later one of the same call has other lines and fits.
			text, err := encode(k.lines)
			if err != nil {
				return err
			}
			deleted = append(deleted, id)
			replaced = append(replaced, []any{id, text})
		}
	}
	if _, err := r.sql.exec(ctx, tx, r.sql.unclaim, column(deleted)); err != nil {
		return err
	}
	if _, err := r.insertHolds(ctx, tx, replaced); err != nil {
		return err
	}
	if err := r.writeStock(ctx, tx, stock); err != nil {
		return err
	}
	_, err := r.sql.exec(ctx, tx, r.sql.insertHeld, heldRows(fresh))
	return err
}
