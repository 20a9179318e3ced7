package sqlstock

import (
	"context"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Forget deletes holds that have ended, as [reservation.Forgetter] says.
func (r *Reserver[Tx]) Forget(ctx context.Context, tx Tx, ids ...string) error {
	return r.fail(ctx, "forgetting holds", r.forget(ctx, tx, ids))
}

// forget first looks which of the holds have ended: to look for a row that is missing, a DELETE of MySQL would lock the gap where
// the row could be, and new holds would wait.
func (r *Reserver[Tx]) forget(ctx context.Context, tx Tx, ids []string) error {
	keys := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !reservation.ValidID(id) })
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) == 0 {
		return nil
	}
	if err := r.begin(ctx, tx); err != nil {
		return err
	}
	var ended []string
	err := r.sql.query(ctx, r.in(tx), r.sql.seeEnded, column(keys), func(scan sqlkit.Scan) error {
		var id string
		err := scan(&id)
		ended = append(ended, id)
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(ended)
	_, err = r.sql.exec(ctx, r.in(tx), r.sql.forget, column(ended))
	return err
}
