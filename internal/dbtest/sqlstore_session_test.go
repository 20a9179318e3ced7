package dbtest

import (
	"database/sql"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
)

// Stripe's session is the largest part of an order and rarely changes: a save writes it only if it changed. To see that, the test
// changes what the column has, behind the Store's back, between the reading and the save.
func TestSQLStoreSession(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, db := openStore(t, d, 4)
		stripes, byHand := json.RawMessage(`{"id":"cs_1","name":"a < b"}`), json.RawMessage(`{"by":"hand"}`)
		set := func(tx *sql.Tx, column, value, id string) {
			t.Helper()
			_, err := tx.ExecContext(ctx, d.Dialect.Rebind("UPDATE fulfil_orders SET "+column+" = ? WHERE id = ?"), value, id)
			must(t, err)
		}
		update := func(change func(tx *sql.Tx, orders []*store.Order)) {
			t.Helper()
			must(t, st.InTx(ctx, func(tx *sql.Tx) error {
				orders, err := st.Lock(ctx, tx, "a", "b")
				if err != nil {
					return err
				}
				change(tx, orders)
				return st.Save(ctx, tx, orders...)
			}))
		}
		sessions := func(a, b json.RawMessage, why string) {
			t.Helper()
			for id, want := range map[string]json.RawMessage{"a": a, "b": b} {
				o, err := st.Find(ctx, id)
				must(t, err)
				require.Equal(t, string(want), string(o.Session), "%s, order %s", why, id)
				var data string
				must(t, db.QueryRowContext(ctx, d.Dialect.Rebind("SELECT data FROM fulfil_orders WHERE id = ?"), id).Scan(&data))
				require.NotContains(t, data, `"session"`, why)
			}
		}
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			_, err := st.Insert(ctx, tx, &store.Order{ID: "a", Session: json.RawMessage(`{ "id": "cs_1", "name": "a < b" }`)}, &store.Order{ID: "b"})
			return err
		}))
		sessions(stripes, nil, "inserted")
		update(func(_ *sql.Tx, orders []*store.Order) { orders[1].Session = stripes })
		sessions(stripes, stripes, "one of them changed")
		update(func(tx *sql.Tx, orders []*store.Order) {
			set(tx, "session", string(byHand), "a")
			set(tx, "session", string(byHand), "b")
			orders[0].Currency, orders[1].Session = "eur", json.RawMessage(`{"id":"cs_2"}`)
		})
		sessions(byHand, json.RawMessage(`{"id":"cs_2"}`), "one of them changed, and by hand")
		update(func(tx *sql.Tx, orders []*store.Order) {
			orders[0].Session = stripes
			must(t, st.Save(ctx, tx, orders[0]))
			set(tx, "session", string(byHand), "a")
		})
		sessions(byHand, json.RawMessage(`{"id":"cs_2"}`), "saved twice in one transaction")
		update(func(_ *sql.Tx, orders []*store.Order) { orders[0].Erase() })
		sessions(nil, json.RawMessage(`{"id":"cs_2"}`), "erased")

		// An older version of the library kept the session in data.
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			set(tx, "data", `{"id":"a","session":{"id":"cs_old"}}`, "a")
			_, err := tx.ExecContext(ctx, "UPDATE fulfil_orders SET session = NULL WHERE id = 'a'")
			return err
		}))
		o, err := st.Find(ctx, "a")
		must(t, err)
		require.JSONEq(t, `{"id":"cs_old"}`, string(o.Session))
		update(func(*sql.Tx, []*store.Order) {})
		sessions(json.RawMessage(`{"id":"cs_old"}`), json.RawMessage(`{"id":"cs_2"}`), "of an older version")

		tx, err := db.BeginTx(ctx, nil) // the merchant's own transaction, of which the Store knows nothing
		must(t, err)
		o.Session = nil
		must(t, st.Save(ctx, tx, o))
		must(t, tx.Commit())
		sessions(nil, json.RawMessage(`{"id":"cs_2"}`), "in a transaction of the merchant's own")
	})
}
