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
		if lines[i], answers[i] = h.Merge(); answers[i] != nil {
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

// claim inserts holds, and returns and locks those that were there before. It comes before any lock on stock: a transaction that
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
		err = fmt.Errorf("%d of %d holds were deleted while they were looked at", len(old)-len(known), len(old))
	}
	return known, err
}

// insertHolds inserts the holds that are not there and returns their IDs.
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
	if changed == int64(len(rows)) { // one that was there counts as two
		for _, row := range rows {
			fresh[row[0].(string)] = true
		}
		return fresh, nil
	}
	return fresh, r.sql.query(ctx, tx, r.sql.fresh, rows, scan)
}

// skusOf returns the SKUs of the holds that are valid and not known.
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

// decide returns the answer to one hold. A hold that fits becomes known.
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

// keep writes the decisions: it deletes the holds that were refused, and takes the stock of the others.
func (r *Reserver) keep(ctx context.Context, tx *sql.Tx, wanted map[string][]reservation.Line, known map[string]*hold, stock map[string]*level) error {
	var out []string
	var other [][]any
	fresh := make(map[string]*hold)
	for _, id := range sorted(wanted) {
		switch k := known[id]; {
		case k == nil:
			out = append(out, id)
		case k.fresh:
			fresh[id] = k
			if slices.Equal(k.lines, wanted[id]) {
				continue
			}
			// Refused with the lines that were inserted, and held with others further on in the call.
			text, err := encode(k.lines)
			if err != nil {
				return err
			}
			out, other = append(out, id), append(other, []any{id, text})
		}
	}
	if _, err := r.sql.exec(ctx, tx, r.sql.unclaim, column(out)); err != nil {
		return err
	}
	if _, err := r.insertHolds(ctx, tx, other); err != nil {
		return err
	}
	if err := r.writeStock(ctx, tx, stock); err != nil {
		return err
	}
	_, err := r.sql.exec(ctx, tx, r.sql.insertHeld, heldRows(fresh))
	return err
}
