package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/store"
)

func TestSuiteAcceptsMemstore(t *testing.T) {
	t.Parallel()
	for _, c := range checks[tx]() {
		if said := watch(t, c, func() store.Store[tx] { return newVariant(func(*variant) {}) }); len(said) > 0 {
			t.Errorf("%q rejects memstore: %s", c.name, strings.Join(said, "\n"))
		}
	}
}

// oneWriter is a backend like SQLite: every transaction, and every other write, waits for the one before. No check may wait for
// a second transaction inside its first.
func TestSuiteAcceptsOneWriter(t *testing.T) {
	t.Parallel()
	Run(t, func(*testing.T) store.Store[tx] { return newVariant(oneWriter) }, OneWriter)
}

func oneWriter(v *variant) {
	v.inTx = func(ctx context.Context, fn func(tx) error) error {
		return v.Store.InTx(ctx, func(tx tx) error {
			if err := tx.Lock(ctx, "the writer"); err != nil {
				return err
			}
			return fn(tx)
		})
	}
	v.due = func(ctx context.Context, now time.Time, lease time.Duration, limit int) (ids []string, err error) {
		// It waits for its turn like a transaction. Then it runs in one step.
		if err := v.inTx(ctx, func(tx) error { return nil }); err != nil {
			return nil, err
		}
		return v.Store.Due(ctx, now, lease, limit)
	}
	v.shopID = func(ctx context.Context, fresh string) (id string, err error) {
		err = v.inTx(ctx, func(tx) error { id, err = v.Store.ShopID(ctx, fresh); return err })
		return id, err
	}
}
