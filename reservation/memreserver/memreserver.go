// Package memreserver keeps stock in memory, in the transactions of a [memstore.Store]. A hold commits together with its order,
// or not at all.
package memreserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store/memstore"
)

// The tables of the Reserver. A table is the prefix of its rows' keys.
const (
	stockTable = "fulfil_stock/"
	holdTable  = "fulfil_hold/"
)

var (
	_ reservation.Reserver[*memstore.Tx] = (*Reserver)(nil)
	_ reservation.Previewer              = (*Reserver)(nil)

	_ reservation.Forgetter[*memstore.Tx] = (*Reserver)(nil)
)

// Reserver is a [reservation.Reserver] that keeps its state in the [memstore.Store] that makes the transactions. All Reservers
// that are used with one Store share its stock. Make one with [New].
type Reserver struct {
	store *memstore.Store // for Preview and Held; may be nil
}

// New returns a Reserver.
func New() *Reserver { return &Reserver{} }

// WithStore returns a Reserver that can also [Reserver.Preview] holds and count them ([Reserver.Held]). The Store must be the one that
// makes the transactions.
func (*Reserver) WithStore(st *memstore.Store) *Reserver { return &Reserver{store: st} }

// hold is a stored hold. It is never changed, only replaced.
type hold struct {
	lines []reservation.Line // merged
	state state
}

type state int

const (
	held state = iota
	sold
	released
)

// Hold sets stock aside, as [reservation.Reserver] says.
func (*Reserver) Hold(ctx context.Context, tx *memstore.Tx, holds ...reservation.Hold) ([]error, error) {
	answers := make([]error, len(holds))
	merged := make([][]reservation.Line, len(holds))
	var keys []string
	for i, h := range holds {
		merged[i], answers[i] = h.Merge()
		if answers[i] != nil {
			continue
		}
		keys = append(keys, holdTable+h.ID)
		keys = append(keys, stockKeys(merged[i])...)
	}
	if err := tx.Lock(ctx, keys...); err != nil {
		return nil, err
	}
	for i, h := range holds {
		if answers[i] != nil {
			continue
		}
		if known, ok := tx.Get(holdTable + h.ID); ok {
			if k := known.(hold); k.state != held || !slices.Equal(k.lines, merged[i]) {
				answers[i] = fmt.Errorf("%w: %s", reservation.ErrHoldExists, h.ID)
			}
			continue
		}
		answers[i] = fits(tx, h.ID, merged[i])
		if answers[i] != nil {
			continue
		}
		for _, l := range merged[i] {
			s, _ := stockOf(tx, l.SKU)
			s.Held += l.Quantity
			if err := tx.Set(ctx, stockTable+l.SKU, s); err != nil {
				return nil, err
			}
		}
		if err := tx.Set(ctx, holdTable+h.ID, hold{lines: merged[i]}); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// Preview tells whether holds would be refused, as [reservation.Previewer] says. It needs [Reserver.WithStore].
func (r *Reserver) Preview(ctx context.Context, holds ...reservation.Hold) ([]error, error) {
	if r.store == nil {
		return nil, fmt.Errorf("memreserver: a Reserver without a Store has no preview: use WithStore: %w", errors.ErrUnsupported)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answers := make([]error, len(holds))
	for i, h := range holds {
		var lines []reservation.Line
		lines, answers[i] = h.Merge()
		if answers[i] == nil {
			answers[i] = fits(r.store, h.ID, lines)
		}
	}
	return answers, nil
}

// rows are the rows of a transaction, or the committed ones of a Store.
type rows interface {
	Get(key string) (value any, ok bool)
}

// fits returns nil if every SKU of a hold is known and has enough stock.
func fits(rows rows, id string, lines []reservation.Line) error {
	short := &reservation.ShortageError{Hold: id}
	for _, l := range lines {
		s, ok := stockOf(rows, l.SKU)
		if !ok {
			return fmt.Errorf("%w: %q", reservation.ErrUnknownSKU, l.SKU)
		}
		if l.Quantity > s.Available() {
			short.Lines = append(short.Lines, reservation.Shortage{SKU: l.SKU, Wanted: l.Quantity, Available: s.Available()})
		}
	}
	if len(short.Lines) > 0 {
		return short
	}
	return nil
}

// Commit turns holds into sales, as [reservation.Reserver] says.
func (*Reserver) Commit(ctx context.Context, tx *memstore.Tx, ids ...string) ([]error, error) {
	return end(ctx, tx, ids, sold, func(s *reservation.Stock, quantity int64) {
		s.OnHand -= quantity
		s.Held -= quantity
		s.Sold += quantity
	})
}

// Release gives the stock of holds back, as [reservation.Reserver] says.
func (*Reserver) Release(ctx context.Context, tx *memstore.Tx, ids ...string) ([]error, error) {
	return end(ctx, tx, ids, released, func(s *reservation.Stock, quantity int64) { s.Held -= quantity })
}

// end ends holds in the final state to. It calls move with the stock and the quantity of each line.
func end(ctx context.Context, tx *memstore.Tx, ids []string, to state, move func(*reservation.Stock, int64)) ([]error, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = holdTable + id
	}
	if err := tx.Lock(ctx, keys...); err != nil {
		return nil, err
	}
	var stock []string
	for _, key := range keys {
		if known, ok := tx.Get(key); ok && known.(hold).state == held {
			stock = append(stock, stockKeys(known.(hold).lines)...)
		}
	}
	if err := tx.Lock(ctx, stock...); err != nil {
		return nil, err
	}
	answers := make([]error, len(ids))
	for i, key := range keys {
		known, ok := tx.Get(key)
		if !ok {
			answers[i] = fmt.Errorf("%w: %q", reservation.ErrNotHeld, ids[i])
			continue
		}
		switch h := known.(hold); h.state {
		case to:
		case held:
			for _, l := range h.lines {
				s, _ := stockOf(tx, l.SKU)
				move(&s, l.Quantity)
				if err := tx.Set(ctx, stockTable+l.SKU, s); err != nil {
					return nil, err
				}
			}
			if err := tx.Set(ctx, key, hold{lines: h.lines, state: to}); err != nil {
				return nil, err
			}
		default:
			answers[i] = fmt.Errorf("%w: %q has ended the other way", reservation.ErrNotHeld, ids[i])
		}
	}
	return answers, nil
}

// Forget deletes holds that have ended, as [reservation.Forgetter] says.
func (*Reserver) Forget(ctx context.Context, tx *memstore.Tx, ids ...string) error {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = holdTable + id
	}
	if err := tx.Lock(ctx, keys...); err != nil {
		return err
	}
	for _, key := range keys {
		known, ok := tx.Get(key)
		if !ok || known.(hold).state == held {
			continue
		}
		if err := tx.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func stockOf(rows rows, sku string) (reservation.Stock, bool) {
	value, ok := rows.Get(stockTable + sku)
	if !ok {
		return reservation.Stock{SKU: sku}, false
	}
	return value.(reservation.Stock), true
}

func stockKeys(lines []reservation.Line) []string {
	keys := make([]string, len(lines))
	for i, l := range lines {
		keys[i] = stockTable + l.SKU
	}
	return keys
}
