package dbtest

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/store"
)

// The index of customers has the terms that orders have now, and none of an order that was erased: not even hashes are left.
func TestSQLStoreTerms(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, db := openStore(t, d, 4)
		terms := func(want int, why string) {
			t.Helper()
			var n int
			must(t, db.QueryRowContext(ctx, "SELECT count(*) FROM fulfil_terms").Scan(&n))
			if n != want {
				t.Errorf("%s: the index must have %d terms; it has %d", why, want, n)
			}
		}
		update := func(change func(o *store.Order)) {
			t.Helper()
			must(t, st.InTx(ctx, func(tx *sql.Tx) error {
				orders, err := st.Lock(ctx, tx, "a")
				if err != nil {
					return err
				}
				change(orders[0])
				return st.Save(ctx, tx, orders[0])
			}))
		}
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			o := &store.Order{ID: "a", Metadata: map[string]string{"user": "7"}}
			if _, err := st.Insert(ctx, tx, o); err != nil {
				return err
			}
			o.Customer.Email = "first@example.com"
			if err := st.Save(ctx, tx, o); err != nil {
				return err
			}
			o.Customer.Email = "zoe@example.com"
			return st.Save(ctx, tx, o)
		}))
		terms(2, "after two saves in one transaction")
		update(func(o *store.Order) { o.Customer.ID = "cus_1" })
		terms(3, "after a customer's ID was added")
		update(func(*store.Order) {})
		terms(3, "after nothing changed")
		update((*store.Order).Erase)
		terms(2, "after the order was erased")
		tx, err := db.BeginTx(ctx, nil) // the merchant's own transaction
		must(t, err)
		_, err = st.Insert(ctx, tx, &store.Order{ID: "b", Metadata: map[string]string{"user": "8"}})
		must(t, err)
		must(t, tx.Commit())
		terms(3, "after an order was inserted in a transaction of the merchant's own")
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			orders, err := st.Lock(ctx, tx, "a", "b")
			if err != nil {
				return err
			}
			return st.Delete(ctx, tx, orders...)
		}))
		terms(0, "after the orders were deleted")
	})
}

// Orders without terms, as an older version saved them, are found after they were indexed, page by page. Saving them alone does
// not index them, as a transaction that locked an order writes only the terms that changed.
func TestSQLStoreIndex(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, db := openStore(t, d, 4)
		const orders, limit = 7, 3
		var ids []string
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			ids = nil
			for n := range orders {
				o := &store.Order{ID: fmt.Sprint("old-", n), CreatedAt: failureTime.Add(time.Duration(n/2) * time.Second), Metadata: map[string]string{"user": "7"}}
				if _, err := st.Insert(ctx, tx, o); err != nil {
					return err
				}
				ids = append(ids, o.ID)
			}
			return nil
		}))
		found := func() (found []string) {
			t.Helper()
			page, err := st.List(ctx, store.Query{Metadata: map[string]string{"user": "7"}})
			must(t, err)
			for _, o := range page {
				found = append(found, o.ID)
			}
			return found
		}
		_, err := db.ExecContext(ctx, d.Dialect.Rebind("DELETE FROM fulfil_terms WHERE order_id <> ?"), "old-4") // one has its terms
		must(t, err)
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			locked, err := st.Lock(ctx, tx, "old-1")
			if err != nil {
				return err
			}
			return st.Save(ctx, tx, locked...)
		}))
		if got := found(); !slices.Equal(got, []string{"old-4"}) {
			t.Fatalf("before: found %q", got)
		}
		for range 2 {
			pages := 0
			for next := (store.Position{}); ; pages++ {
				next, err = st.Index(ctx, next, limit)
				must(t, err)
				if next == (store.Position{}) {
					break
				}
			}
			if got := found(); !slices.Equal(got, ids) || pages != (orders+limit-1)/limit {
				t.Fatalf("after %d pages: found %q; want %q", pages, got, ids)
			}
		}
	})
}
