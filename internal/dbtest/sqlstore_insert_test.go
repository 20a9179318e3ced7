package dbtest

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// In a transaction of the library's own, an order that exists and is locked does not keep the other orders of an Insert waiting.
func TestInsertBesideALockedOrder(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Dialect == sqlkit.SQLite {
			t.Skip("SQLite has one writer")
		}
		db := d.Connect(t, d.Create(t), 4)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
		st := sqlstore.New(db, d.Dialect)
		order := func(id string) *store.Order {
			return &store.Order{ID: id, CreatedAt: time.Now(), UpdatedAt: time.Now()}
		}
		require.NoError(t, st.InTx(t.Context(), func(tx *sql.Tx) error {
			_, err := st.Insert(t.Context(), tx, order("b"))
			return err
		}))
		require.NoError(t, st.InTx(t.Context(), func(locking *sql.Tx) error {
			if _, err := st.Lock(t.Context(), locking, "b"); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			return st.InOwnTx(ctx, nil, func(tx *sql.Tx) error {
				inserted, err := st.Insert(ctx, tx, order("a"), order("b"), order("c"))
				require.NoError(t, err)
				require.Equal(t, []bool{true, false, true}, inserted)
				return st.Delete(ctx, tx, order("a"))
			})
		}))
		_, err := st.Find(t.Context(), "a")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = st.Find(t.Context(), "c")
		require.NoError(t, err)
	})
}
