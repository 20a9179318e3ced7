package sqlstock

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Preview tells whether holds would be refused, as [reservation.Previewer] says. It makes one query.
func (r *Reserver[Tx]) Preview(ctx context.Context, holds ...reservation.Hold) ([]error, error) {
	if r.db == nil {
		return nil, fmt.Errorf("%s: a Reserver without a database has no preview: use WithDB: %w", r.name, errors.ErrUnsupported)
	}
	answers := make([]error, len(holds))
	merged := make([][]reservation.Line, len(holds))
	skus := make(map[string]bool)
	for i, h := range holds {
		merged[i], answers[i] = h.Merge()
		for _, l := range merged[i] {
			skus[l.SKU] = true
		}
	}
	var stock map[string]*level
	err := sqlkit.Retry(ctx, func() error {
		stock = make(map[string]*level, len(skus))
		return r.sql.query(ctx, r.db, r.sql.seeStock, column(sorted(skus)), func(scan sqlkit.Scan) error {
			var sku string
			l := new(level)
			err := scan(&sku, &l.stocked, &l.taken)
			stock[sku] = l
			return err
		})
	})
	if err != nil {
		return nil, r.fail(ctx, "previewing holds", err)
	}
	for i, h := range holds {
		if answers[i] == nil {
			answers[i] = fits(stock, h.ID, merged[i])
		}
	}
	return answers, nil
}
