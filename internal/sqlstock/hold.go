package sqlstock

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Hold sets stock aside, as [reservation.Reserver] says.
func (r *Reserver[Tx]) Hold(ctx context.Context, tx Tx, holds ...reservation.Hold) ([]error, error) {
	answers := make([]error, 0, len(holds))
	for len(holds) > 0 {
		b := newBatch(holds)
		if err := r.holdBatch(ctx, tx, b); err != nil {
			return nil, r.fail(ctx, "holding", err)
		}
		answers = append(answers, b.answers...)
		holds = holds[len(b.answers):]
	}
	return answers, nil
}

// batch is the holds that are taken together. All holds with the same ID have the same lines, and the sum of what they want of a
// SKU fits in 64 bits.
type batch struct {
	ids     []string // of the holds, in the sequence given; empty if the hold is invalid
	answers []error
	lines   map[string][]reservation.Line // by hold ID, merged
	totals  map[string]int64              // by SKU, of all IDs
}

// newBatch makes a batch of the longest beginning of holds that can be one. Nearly always that is all of them.
func newBatch(holds []reservation.Hold) *batch {
	b := &batch{lines: make(map[string][]reservation.Line, len(holds)), totals: make(map[string]int64)}
	for _, h := range holds {
		lines, err := h.Merge()
		if err != nil {
			b.ids, b.answers = append(b.ids, ""), append(b.answers, err)
			continue
		}
		known, repeated := b.lines[h.ID]
		if repeated && !slices.Equal(known, lines) || !repeated && !b.add(h.ID, lines) {
			break
		}
		b.ids, b.answers = append(b.ids, h.ID), append(b.answers, nil)
	}
	return b
}

// add adds the lines of a new hold, unless a total would not fit in 64 bits.
func (b *batch) add(id string, lines []reservation.Line) bool {
	for _, l := range lines {
		if b.totals[l.SKU] > math.MaxInt64-l.Quantity {
			return false
		}
	}
	for _, l := range lines {
		b.totals[l.SKU] += l.Quantity
	}
	b.lines[id] = lines
	return true
}

// holdBatch first tries to take all holds at once. If that is not possible, it decides about one hold after the other.
func (r *Reserver[Tx]) holdBatch(ctx context.Context, tx Tx, b *batch) error {
	if len(b.lines) == 0 {
		return nil
	}
	c, err := r.claim(ctx, tx, b)
	if err != nil || c.all {
		return err
	}
	var old []string
	for _, id := range sorted(b.lines) {
		if !c.fresh[id] {
			old = append(old, id)
		}
	}
	known, err := r.lockHolds(ctx, tx, old)
	if err != nil {
		return err
	}
	if len(known) != len(old) {
		return fmt.Errorf("%d of %d holds were forgotten meanwhile: forget only holds that no caller repeats anymore", len(old)-len(known), len(old))
	}
	if c.stock == nil {
		wanted := make(map[string]bool)
		for id := range c.fresh {
			for _, l := range b.lines[id] {
				wanted[l.SKU] = true
			}
		}
		c.stock, err = r.lockStock(ctx, tx, sorted(wanted))
		if err != nil {
			return err
		}
	}
	for i, id := range b.ids {
		if id != "" {
			b.answers[i] = decide(known, c.stock, id, b.lines[id])
		}
	}
	return r.keep(ctx, tx, c, known)
}

// claim is what the first step of a Hold has done.
type claim struct {
	// all says that every hold was new and was taken, so that nothing is left to do.
	all bool
	// fresh has the IDs of the holds that were inserted. The others existed.
	fresh map[string]bool
	// stock is the stock that was locked; nil: none was.
	stock map[string]*level
}

// claim inserts the holds whose IDs are free. If all of them are, it tries to take their stock. It inserts holds before it locks
// stock: a transaction that waits for another with the same ID has locked no stock that the other could be waiting for.
func (r *Reserver[Tx]) claim(ctx context.Context, tx Tx, b *batch) (*claim, error) {
	rows := make([][]any, 0, len(b.lines))
	for _, id := range sorted(b.lines) {
		text, err := encode(b.lines[id])
		if err != nil {
			return nil, err
		}
		rows = append(rows, []any{id, text})
	}
	totals := make([][]any, 0, len(b.totals))
	for _, sku := range sorted(b.totals) {
		totals = append(totals, []any{sku, b.totals[sku]})
	}
	if r.sql.takeAtOnce != nil {
		return r.claimAtOnce(ctx, tx, rows, totals, heldRows(b.lines))
	}
	fresh, err := r.insertHolds(ctx, tx, rows)
	if err != nil {
		return nil, err
	}
	c := &claim{fresh: fresh}
	if len(fresh) < len(rows) || len(totals) > r.sql.fitting {
		return c, nil
	}
	changed, err := r.sql.exec(ctx, r.in(tx), r.sql.takeFitting, totals)
	if err != nil || changed == 0 {
		return c, err
	}
	c.all = true
	_, err = r.sql.exec(ctx, r.in(tx), r.sql.insertHeld, heldRows(b.lines))
	return c, err
}

// claimAtOnce is claim in one statement.
func (r *Reserver[Tx]) claimAtOnce(ctx context.Context, tx Tx, holds, totals, held [][]any) (*claim, error) {
	c := &claim{fresh: make(map[string]bool)}
	query, args, err := r.sql.takeAtOnce(holds, totals, held)
	if err != nil {
		return nil, err
	}
	err = r.in(tx).Send(ctx, sqlkit.Statement{Query: query, Args: args, Row: func(scan sqlkit.Scan) error {
		var kind, key string
		var l level
		if err := scan(&kind, &key, &l.stocked, &l.taken); err != nil {
			return err
		}
		switch kind {
		case "all":
			c.all = true
		case "hold":
			c.fresh[key] = true
		case "stock":
			if c.stock == nil {
				c.stock = make(map[string]*level)
			}
			c.stock[key] = &l
		}
		return nil
	}})
	return c, err
}

// insertHolds inserts the holds whose IDs are free and returns those IDs.
func (r *Reserver[Tx]) insertHolds(ctx context.Context, tx Tx, rows [][]any) (map[string]bool, error) {
	fresh := make(map[string]bool, len(rows))
	row := func(scan sqlkit.Scan) error {
		var id string
		err := scan(&id)
		fresh[id] = true
		return err
	}
	if r.sql.fresh == nil {
		return fresh, r.sql.query(ctx, r.in(tx), r.sql.claim, rows, row)
	}
	changed, err := r.sql.exec(ctx, r.in(tx), r.sql.claim, rows)
	if err != nil {
		return nil, err
	}
	if changed == int64(len(rows)) { // MySQL counts 2 for a row that existed, so all are new
		for _, row := range rows {
			fresh[row[0].(string)] = true
		}
		return fresh, nil
	}
	return fresh, r.sql.query(ctx, r.in(tx), r.sql.fresh, rows, row)
}

// decide returns the answer to one hold. If the hold fits, decide adds it to known.
func decide(known map[string]*hold, stock map[string]*level, id string, lines []reservation.Line) error {
	if k := known[id]; k != nil {
		if k.state != stateHeld || !slices.Equal(k.lines, lines) {
			return fmt.Errorf("%w: %s", reservation.ErrHoldExists, id)
		}
		return nil
	}
	if err := fits(stock, id, lines); err != nil {
		return err
	}
	for _, l := range lines {
		stock[l.SKU].change += l.Quantity
	}
	known[id] = &hold{state: stateHeld, lines: lines}
	return nil
}

// fits returns nil if every SKU of a hold is known and has enough stock.
func fits(stock map[string]*level, id string, lines []reservation.Line) error {
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
	return nil
}

// keep writes the decisions: it deletes the refused holds and takes the stock of the others.
func (r *Reserver[Tx]) keep(ctx context.Context, tx Tx, c *claim, known map[string]*hold) error {
	var refused []string
	kept := make(map[string][]reservation.Line)
	for _, id := range sorted(c.fresh) {
		if k := known[id]; k != nil {
			kept[id] = k.lines
		} else {
			refused = append(refused, id)
		}
	}
	if r.sql.keepAtOnce != nil {
		if len(c.fresh) == 0 {
			return nil
		}
		query, args, err := r.sql.keepAtOnce(column(refused), changes(c.stock), heldRows(kept))
		if err != nil {
			return err
		}
		return r.in(tx).Send(ctx, sqlkit.Statement{Query: query, Args: args})
	}
	if _, err := r.sql.exec(ctx, r.in(tx), r.sql.unclaim, column(refused)); err != nil {
		return err
	}
	if err := r.writeStock(ctx, tx, c.stock); err != nil {
		return err
	}
	_, err := r.sql.exec(ctx, r.in(tx), r.sql.insertHeld, heldRows(kept))
	return err
}
