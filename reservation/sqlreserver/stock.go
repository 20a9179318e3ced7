package sqlreserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Set records the physical stock of a SKU: the units on the shelf, with held units and without sold units. The first Set makes
// the SKU known. Call Set after an inventory count. At every start of a program call [Reserver.SetNew] instead. The error
// matches [reservation.ErrBelowHeld], or [reservation.ErrInvalidStock] if onHand is negative, or if onHand and all units ever
// sold together do not fit in 64 bits.
func (r *Reserver) Set(ctx context.Context, tx *sql.Tx, sku string, onHand int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if onHand < 0 {
		return below(sku, onHand, 0)
	}
	if err := r.makeStock(ctx, tx, sku, 0); err != nil {
		return sqlkit.Fail(ctx, "sqlreserver: setting stock", err)
	}
	stock, known, err := r.lockOne(ctx, tx, sku)
	switch {
	case err != nil:
		return sqlkit.Fail(ctx, "sqlreserver: setting stock", err)
	case !known:
		return noRow(sku)
	}
	return r.put(ctx, tx, stock, onHand)
}

// SetNew records the stock of a SKU whose stock was never set. For any other SKU it changes nothing. A program calls SetNew at
// every start for the SKUs of its catalog. The error matches [reservation.ErrInvalidStock].
func (r *Reserver) SetNew(ctx context.Context, tx *sql.Tx, sku string, onHand int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if onHand < 0 {
		return below(sku, onHand, 0)
	}
	if err := r.makeStock(ctx, tx, sku, onHand); err != nil || r.sql.makeStock != "" {
		return sqlkit.Fail(ctx, "sqlreserver: setting new stock", err)
	}
	_, known, err := r.lockOne(ctx, tx, sku)
	switch {
	case err != nil:
		return sqlkit.Fail(ctx, "sqlreserver: setting new stock", err)
	case !known:
		return noRow(sku)
	}
	return nil
}

// makeStock inserts a SKU that is not there yet, unless the rows are the merchant's own.
func (r *Reserver) makeStock(ctx context.Context, tx *sql.Tx, sku string, stocked int64) error {
	if r.sql.makeStock == "" {
		return r.begin(ctx, tx)
	}
	_, err := tx.ExecContext(ctx, r.sql.makeStock, sku, stocked)
	return err
}

func noRow(sku string) error {
	return fmt.Errorf("%w: %q: insert its row into the table that WithTable names", reservation.ErrUnknownSKU, sku)
}

// Adjust adds delta to the stock of a SKU: units that came in or, with a negative delta, units that went away without a sale.
// The error matches [reservation.ErrUnknownSKU] if the stock of the SKU was never set, [reservation.ErrInvalidStock], or
// [reservation.ErrBelowHeld].
func (r *Reserver) Adjust(ctx context.Context, tx *sql.Tx, sku string, delta int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if err := r.begin(ctx, tx); err != nil {
		return sqlkit.Fail(ctx, "sqlreserver: adjusting stock", err)
	}
	stock, known, err := r.lockOne(ctx, tx, sku)
	switch {
	case err != nil:
		return sqlkit.Fail(ctx, "sqlreserver: adjusting stock", err)
	case !known:
		return fmt.Errorf("%w: %q", reservation.ErrUnknownSKU, sku)
	case delta > math.MaxInt64-stock.OnHand:
		return tooMany(sku)
	}
	return r.put(ctx, tx, stock, stock.OnHand+delta)
}

// lockOne locks the stock of one SKU and returns its current values.
func (r *Reserver) lockOne(ctx context.Context, tx *sql.Tx, sku string) (s reservation.Stock, known bool, err error) {
	locked, err := r.lockStock(ctx, tx, []string{sku})
	if err != nil || locked[sku] == nil {
		return s, false, err
	}
	var held int64
	if err := tx.QueryRowContext(ctx, r.sql.lockHeld, sku).Scan(&held); err != nil {
		return s, false, err
	}
	return locked[sku].stock(sku, held), true, nil
}

// stock splits the taken quantity into held and sold.
func (l *level) stock(sku string, held int64) reservation.Stock {
	sold := l.taken - held
	return reservation.Stock{SKU: sku, OnHand: l.stocked - sold, Held: held, Sold: sold}
}

func (r *Reserver) put(ctx context.Context, tx *sql.Tx, s reservation.Stock, onHand int64) error {
	switch {
	case onHand < s.Held:
		return below(s.SKU, onHand, s.Held)
	case onHand > math.MaxInt64-s.Sold:
		return tooMany(s.SKU)
	}
	_, err := tx.ExecContext(ctx, r.sql.setStocked, onHand+s.Sold, s.SKU)
	return sqlkit.Fail(ctx, "sqlreserver: writing stock", err)
}

// Stock returns the stock of each SKU, in the sequence given, as last committed or as this transaction changed it. A SKU whose
// stock was never set has none. Without any SKU, Stock returns the stock of all known SKUs, sorted by SKU. It locks nothing.
//
// On MySQL at REPEATABLE READ a transaction sees the rows that it changed as they are now, and all others as they were at its
// first read. So Held and Sold are right only if the transaction changed stock before its first read. Available is always
// right.
func (r *Reserver) Stock(ctx context.Context, tx *sql.Tx, skus ...string) ([]reservation.Stock, error) {
	var all []reservation.Stock
	scan := func(rows *sql.Rows) error {
		var sku string
		var l level
		var held int64
		err := rows.Scan(&sku, &l.stocked, &l.taken, &held)
		all = append(all, l.stock(sku, held))
		return err
	}
	if len(skus) == 0 {
		if err := each(ctx, tx, scan, r.sql.readAll); err != nil {
			return nil, sqlkit.Fail(ctx, "sqlreserver: reading stock", err)
		}
		return all, nil
	}
	keys := make(map[string]bool)
	for _, sku := range skus {
		if reservation.ValidID(sku) {
			keys[sku] = true
		}
	}
	if err := r.sql.query(ctx, tx, r.sql.readStock, column(sorted(keys)), scan); err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: reading stock", err)
	}
	known := make(map[string]reservation.Stock, len(all))
	for _, s := range all {
		known[s.SKU] = s
	}
	stock := make([]reservation.Stock, len(skus))
	for i, sku := range skus {
		stock[i] = known[sku]
		stock[i].SKU = sku
	}
	return stock, nil
}

// Holds returns at most limit of the holds that are neither sold nor released, sorted by ID, beginning behind the ID after.
// Each SKU of a hold is one line. Holds locks nothing.
func (r *Reserver) Holds(ctx context.Context, tx *sql.Tx, after string, limit int) ([]reservation.Hold, error) {
	var holds []reservation.Hold
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var h reservation.Hold
		var text []byte
		err := rows.Scan(&h.ID, &text)
		if err == nil {
			h.Lines, err = decode(text)
		}
		holds = append(holds, h)
		return err
	}, r.sql.readHolds, after, max(0, limit))
	if err != nil {
		return nil, sqlkit.Fail(ctx, "sqlreserver: listing holds", err)
	}
	return holds, nil
}

func checkSKU(sku string) error {
	if !reservation.ValidID(sku) {
		return fmt.Errorf("%w: the SKU %.300q: give it 1 to %d bytes of UTF-8 without a zero byte", reservation.ErrInvalidStock, sku, reservation.MaxIDBytes)
	}
	return nil
}

func below(sku string, onHand, held int64) error {
	if onHand < 0 {
		return fmt.Errorf("%w: %q would have %d", reservation.ErrInvalidStock, sku, onHand)
	}
	return fmt.Errorf("%w: %q would have %d, and %d are held", reservation.ErrBelowHeld, sku, onHand, held)
}

func tooMany(sku string) error {
	return fmt.Errorf("%w: %q would have more than fits in 64 bits", reservation.ErrInvalidStock, sku)
}

// Held returns the number of units that are held, of all SKUs. It needs [Reserver.WithDB]. It locks nothing, and takes as long as there
// are holds that are neither sold nor released.
func (r *Reserver) Held(ctx context.Context) (units int64, err error) {
	if r.db == nil {
		return 0, fmt.Errorf("sqlreserver: a Reserver without a database counts nothing: use WithDB: %w", errors.ErrUnsupported)
	}
	err = r.db.QueryRowContext(ctx, r.sql.sumHeld).Scan(&units)
	return units, sqlkit.Fail(ctx, "sqlreserver: counting what is held", err)
}
