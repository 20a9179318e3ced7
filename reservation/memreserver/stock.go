package memreserver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/store/memstore"
)

// Set records the physical stock of a SKU: the units on the shelf, with held units and without sold units. The first Set makes
// the SKU known. The error matches [reservation.ErrBelowHeld], or [reservation.ErrInvalidStock] for a negative number.
func (*Reserver) Set(ctx context.Context, tx *memstore.Tx, sku string, onHand int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if err := tx.Lock(ctx, stockTable+sku); err != nil {
		return err
	}
	s, _ := stockOf(tx, sku)
	return put(ctx, tx, s, onHand)
}

// SetNew records the stock of a SKU whose stock was never set. For any other SKU it changes nothing. The error matches
// [reservation.ErrInvalidStock].
func (*Reserver) SetNew(ctx context.Context, tx *memstore.Tx, sku string, onHand int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if err := tx.Lock(ctx, stockTable+sku); err != nil {
		return err
	}
	s, known := stockOf(tx, sku)
	if known && onHand >= 0 {
		return nil
	}
	return put(ctx, tx, reservation.Stock{SKU: s.SKU}, onHand)
}

// Adjust adds delta to the stock of a SKU: units that came in or, with a negative delta, units that went away without a sale.
// The error matches [reservation.ErrUnknownSKU] if the stock of the SKU was never set, [reservation.ErrInvalidStock], or
// [reservation.ErrBelowHeld].
func (*Reserver) Adjust(ctx context.Context, tx *memstore.Tx, sku string, delta int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if err := tx.Lock(ctx, stockTable+sku); err != nil {
		return err
	}
	s, ok := stockOf(tx, sku)
	if !ok {
		return fmt.Errorf("%w: %q", reservation.ErrUnknownSKU, sku)
	}
	if delta > 0 && s.OnHand > math.MaxInt64-delta {
		return fmt.Errorf("%w: %q would have more than fits in 64 bits", reservation.ErrInvalidStock, sku)
	}
	return put(ctx, tx, s, s.OnHand+delta)
}

func put(ctx context.Context, tx *memstore.Tx, s reservation.Stock, onHand int64) error {
	switch {
	case onHand < 0:
		return fmt.Errorf("%w: %q would have %d", reservation.ErrInvalidStock, s.SKU, onHand)
	case onHand < s.Held:
		return fmt.Errorf("%w: %q would have %d, and %d are held", reservation.ErrBelowHeld, s.SKU, onHand, s.Held)
	}
	s.OnHand = onHand
	return tx.Set(ctx, stockTable+s.SKU, s)
}

// Stock returns the stock of each SKU, in the sequence given, as last committed or as this transaction changed it. A SKU whose
// stock was never set has none. Without any SKU, Stock returns the stock of all known SKUs, sorted by SKU. It locks nothing.
func (*Reserver) Stock(_ context.Context, tx *memstore.Tx, skus ...string) ([]reservation.Stock, error) {
	if len(skus) == 0 {
		rows := tx.Scan(stockTable)
		all := make([]reservation.Stock, len(rows))
		for i, row := range rows {
			all[i] = row.Value.(reservation.Stock)
		}
		return all, nil
	}
	stock := make([]reservation.Stock, len(skus))
	for i, sku := range skus {
		stock[i], _ = stockOf(tx, sku)
	}
	return stock, nil
}

// Held returns the number of units that are held, of all SKUs. It needs [Reserver.WithStore]. It locks nothing.
func (r *Reserver) Held(ctx context.Context) (units int64, err error) {
	if r.store == nil {
		return 0, fmt.Errorf("memreserver: a Reserver without a Store counts nothing: use WithStore: %w", errors.ErrUnsupported)
	}
	for _, row := range r.store.Scan(stockTable) {
		units += row.Value.(reservation.Stock).Held
	}
	return units, ctx.Err()
}

// Holds returns at most limit of the holds that are neither sold nor released, sorted by ID, beginning behind the ID after.
// Each SKU of a hold is one line. Holds locks nothing.
func (*Reserver) Holds(_ context.Context, tx *memstore.Tx, after string, limit int) ([]reservation.Hold, error) {
	var holds []reservation.Hold
	for _, row := range tx.Scan(holdTable) {
		id := strings.TrimPrefix(row.Key, holdTable)
		if len(holds) >= limit {
			break
		}
		if h := row.Value.(hold); h.state == held && id > after {
			holds = append(holds, reservation.Hold{ID: id, Lines: append([]reservation.Line(nil), h.lines...)})
		}
	}
	return holds, nil
}

func checkSKU(sku string) error {
	if !reservation.ValidID(sku) {
		return fmt.Errorf("%w: the SKU %.300q: give it 1 to %d bytes of UTF-8 without a zero byte", reservation.ErrInvalidStock, sku, reservation.MaxIDBytes)
	}
	return nil
}
