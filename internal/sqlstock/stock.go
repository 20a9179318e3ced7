package sqlstock

import (
	"context"
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
func (r *Reserver[Tx]) Set(ctx context.Context, tx Tx, sku string, onHand int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if onHand < 0 {
		return below(sku, onHand, 0)
	}
	stock, known, err := r.makeAndLock(ctx, tx, sku, 0)
	switch {
	case err != nil:
		return r.fail(ctx, "setting stock", err)
	case !known:
		return noRow(sku)
	}
	return r.put(ctx, tx, stock, onHand)
}

// SetNew records the stock of a SKU whose stock was never set. For any other SKU it changes nothing. A program calls SetNew at
// every start for the SKUs of its catalog. The error matches [reservation.ErrInvalidStock].
func (r *Reserver[Tx]) SetNew(ctx context.Context, tx Tx, sku string, onHand int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if onHand < 0 {
		return below(sku, onHand, 0)
	}
	if r.sql.makeStock != "" {
		return r.fail(ctx, "setting new stock", r.in(tx).Send(ctx, sqlkit.Statement{Query: r.sql.makeStock, Args: []any{sku, onHand}}))
	}
	_, known, err := r.makeAndLock(ctx, tx, sku, onHand)
	switch {
	case err != nil:
		return r.fail(ctx, "setting new stock", err)
	case !known:
		return noRow(sku)
	}
	return nil
}

// makeAndLock locks the stock of a SKU. It first inserts a SKU that is not there yet, unless the rows are the merchant's own.
func (r *Reserver[Tx]) makeAndLock(ctx context.Context, tx Tx, sku string, stocked int64) (s reservation.Stock, known bool, err error) {
	if r.sql.makeStock != "" {
		return r.lockOne(ctx, tx, sku, sqlkit.Statement{Query: r.sql.makeStock, Args: []any{sku, stocked}})
	}
	if err := r.begin(ctx, tx); err != nil {
		return s, false, err
	}
	return r.lockOne(ctx, tx, sku)
}

func noRow(sku string) error {
	return fmt.Errorf("%w: %q: insert its row into the table that WithTable names", reservation.ErrUnknownSKU, sku)
}

// Adjust adds delta to the stock of a SKU: units that came in or, with a negative delta, units that went away without a sale.
// The error matches [reservation.ErrUnknownSKU] if the stock of the SKU was never set, [reservation.ErrInvalidStock], or
// [reservation.ErrBelowHeld].
func (r *Reserver[Tx]) Adjust(ctx context.Context, tx Tx, sku string, delta int64) error {
	if err := checkSKU(sku); err != nil {
		return err
	}
	if err := r.begin(ctx, tx); err != nil {
		return r.fail(ctx, "adjusting stock", err)
	}
	stock, known, err := r.lockOne(ctx, tx, sku)
	switch {
	case err != nil:
		return r.fail(ctx, "adjusting stock", err)
	case !known:
		return fmt.Errorf("%w: %q", reservation.ErrUnknownSKU, sku)
	case delta > math.MaxInt64-stock.OnHand:
		return tooMany(sku)
	}
	return r.put(ctx, tx, stock, stock.OnHand+delta)
}

// lockOne locks the stock of one SKU, after other statements, and returns its current values.
func (r *Reserver[Tx]) lockOne(ctx context.Context, tx Tx, sku string, first ...sqlkit.Statement) (s reservation.Stock, known bool, err error) {
	query, args, err := r.sql.lockStock(column([]string{sku}))
	if err != nil {
		return s, false, err
	}
	var l level
	var held int64
	err = r.in(tx).Send(ctx, append(first,
		sqlkit.Statement{Query: query, Args: args, Row: func(scan sqlkit.Scan) error {
			known = true
			return scan(&sku, &l.stocked, &l.taken)
		}},
		sqlkit.Statement{Query: r.sql.lockHeld, Args: []any{sku}, Row: func(scan sqlkit.Scan) error { return scan(&held) }},
	)...)
	if err != nil || !known {
		return s, false, err
	}
	return l.stock(sku, held), true, nil
}

// stock splits the taken quantity into held and sold.
func (l *level) stock(sku string, held int64) reservation.Stock {
	sold := l.taken - held
	return reservation.Stock{SKU: sku, OnHand: l.stocked - sold, Held: held, Sold: sold}
}

func (r *Reserver[Tx]) put(ctx context.Context, tx Tx, s reservation.Stock, onHand int64) error {
	switch {
	case onHand < s.Held:
		return below(s.SKU, onHand, s.Held)
	case onHand > math.MaxInt64-s.Sold:
		return tooMany(s.SKU)
	}
	set := sqlkit.Statement{Query: r.sql.setStocked, Args: []any{onHand + s.Sold, s.SKU}}
	return r.fail(ctx, "writing stock", r.in(tx).Send(ctx, set))
}

// Stock returns the stock of each SKU, in the sequence given, as last committed or as this transaction changed it. A SKU whose
// stock was never set has none. Without any SKU, Stock returns the stock of all known SKUs, sorted by SKU. It locks nothing.
//
// On MySQL at REPEATABLE READ a transaction sees the rows that it changed as they are now, and all others as they were at its
// first read. So Held and Sold are right only if the transaction changed stock before its first read. Available is always
// right.
func (r *Reserver[Tx]) Stock(ctx context.Context, tx Tx, skus ...string) ([]reservation.Stock, error) {
	var all []reservation.Stock
	row := func(scan sqlkit.Scan) error {
		var sku string
		var l level
		var held int64
		err := scan(&sku, &l.stocked, &l.taken, &held)
		all = append(all, l.stock(sku, held))
		return err
	}
	if len(skus) == 0 {
		if err := r.in(tx).Send(ctx, sqlkit.Statement{Query: r.sql.readAll, Row: row}); err != nil {
			return nil, r.fail(ctx, "reading stock", err)
		}
		return all, nil
	}
	keys := make(map[string]bool)
	for _, sku := range skus {
		if reservation.ValidID(sku) {
			keys[sku] = true
		}
	}
	if err := r.sql.query(ctx, r.in(tx), r.sql.readStock, column(sorted(keys)), row); err != nil {
		return nil, r.fail(ctx, "reading stock", err)
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
func (r *Reserver[Tx]) Holds(ctx context.Context, tx Tx, after string, limit int) ([]reservation.Hold, error) {
	var holds []reservation.Hold
	query := sqlkit.Statement{Query: r.sql.readHolds, Args: []any{after, max(0, limit)}}
	query.Row = func(scan sqlkit.Scan) error {
		var h reservation.Hold
		var text []byte
		err := scan(&h.ID, &text)
		if err == nil {
			h.Lines, err = decode(text)
		}
		holds = append(holds, h)
		return err
	}
	if err := r.in(tx).Send(ctx, query); err != nil {
		return nil, r.fail(ctx, "listing holds", err)
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

// Held returns the number of units that are held, of all SKUs. It locks nothing, and takes as long as there are holds that are neither
// sold nor released. It reads outside of transactions, as Preview does.
func (r *Reserver[Tx]) Held(ctx context.Context) (units int64, err error) {
	if r.db == nil {
		return 0, fmt.Errorf("%s: a Reserver without a database counts nothing: use WithDB: %w", r.name, errors.ErrUnsupported)
	}
	sum := sqlkit.Statement{Query: r.sql.sumHeld, Row: func(scan sqlkit.Scan) error { return scan(&units) }}
	err = sqlkit.Retry(ctx, func() error { return r.db.Send(ctx, sum) })
	return units, r.fail(ctx, "counting what is held", err)
}
