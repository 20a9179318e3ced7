package checkout

import (
	"context"
	"fmt"

	"github.com/gofulfil/fulfil/reservation"
)

// stockReader is a Reserver that can list its stock, as sqlreserver and memreserver can.
type stockReader[Tx any] interface {
	Stock(ctx context.Context, tx Tx, skus ...string) ([]reservation.Stock, error)
}

// Stock returns the stock of each SKU, in the sequence given, or of all known SKUs if none is given. The error matches [ErrNoStock]
// if the Reserver can't list its stock.
func (f *Flow[Tx]) Stock(ctx context.Context, skus ...string) ([]reservation.Stock, error) {
	reader, ok := f.reserver.(stockReader[Tx])
	if !ok {
		return nil, ErrNoStock
	}
	var stock []reservation.Stock
	err := f.store.InTx(ctx, func(tx Tx) (err error) {
		stock, err = reader.Stock(ctx, tx, skus...)
		return err
	})
	return stock, err
}

// AdjustStock adds delta to the stock of seen.SKU: units that came in or, with a negative delta, units that went away without a
// sale. seen is the stock as the person saw it who decided. If units came in or went away without a sale since, AdjustStock
// changes nothing, and the error matches [ErrStockChanged]. So a form that is sent twice adjusts once. Sales and holds since do
// not matter.
//
// Other errors: one that matches [ErrNoStock], or [ErrNoRestock] if the Reserver has no method Adjust;
// [reservation.ErrUnknownSKU], [reservation.ErrInvalidStock] or [reservation.ErrBelowHeld].
func (f *Flow[Tx]) AdjustStock(ctx context.Context, seen reservation.Stock, delta int64) error {
	reader, ok := f.reserver.(stockReader[Tx])
	if !ok {
		return ErrNoStock
	}
	adjuster, ok := f.reserver.(restocker[Tx])
	if !ok {
		return ErrNoRestock
	}
	return f.store.InTx(ctx, func(tx Tx) error {
		// Adjust locks the stock, so what is read after it stands until the transaction ends.
		if err := adjuster.Adjust(ctx, tx, seen.SKU, delta); err != nil {
			return err
		}
		stock, err := reader.Stock(ctx, tx, seen.SKU)
		if err != nil {
			return err
		}
		if stock[0].OnHand+stock[0].Sold-delta != seen.OnHand+seen.Sold {
			return fmt.Errorf("%w: %q", ErrStockChanged, seen.SKU)
		}
		return nil
	})
}
