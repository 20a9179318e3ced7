package dbtest

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

func openStore(t testing.TB, d Database, conns int) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := d.Open(t, conns)
	migrateStore(t, db, d)
	return sqlstore.New(db, d.Dialect), db
}

// The columns beside the JSON agree with it.
func TestSQLStoreColumns(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, db := openStore(t, d, 4)
		o := storetest.FullOrder("full")
		must(t, st.InTx(ctx, func(tx *sql.Tx) error { _, err := st.Insert(ctx, tx, &store.Order{ID: "full"}); return err }))
		must(t, st.InTx(ctx, func(tx *sql.Tx) error { return st.Save(ctx, tx, o) }))
		at := func(at time.Time) string { return d.Dialect.Time(at) }
		query := "SELECT count(*) FROM fulfil_orders WHERE id = ? AND status = ? AND stuck = ? AND email = ? AND currency = ? AND total = ?" +
			" AND livemode = ? AND created_at = ? AND updated_at = ? AND due_at = ?"
		var n int
		must(t, db.QueryRowContext(ctx, d.Dialect.Rebind(query), o.ID, string(o.Status()), o.Stuck(), o.Customer.Email, o.Currency, o.Amounts.Total,
			o.Livemode, at(o.CreatedAt), at(o.UpdatedAt), at(o.DueAt)).Scan(&n))
		if n != 1 {
			t.Error("a column does not agree with the saved order")
		}
		get := map[sqlkit.Dialect]string{sqlkit.Postgres: "data->>'mode'", sqlkit.MySQL: "JSON_UNQUOTE(JSON_EXTRACT(data, '$.mode'))", sqlkit.SQLite: "data->>'$.mode'"}
		var mode string
		must(t, db.QueryRowContext(ctx, "SELECT "+get[d.Dialect]+" FROM fulfil_orders").Scan(&mode))
		if mode != o.Mode {
			t.Errorf("data must be JSON to the database: mode is %q", mode)
		}
	})
}

// An order comes back with the bytes of its session, whatever text is in it.
func TestSQLStoreOddText(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, _ := openStore(t, d, 4)
		session := `{"z":1.10,"a":"<b>&\u0000\ud800 ✓ 😀","z":2,"big":12345678901234567890.123456789,"pad":"` + strings.Repeat("é", 500_000) + `"}`
		o := &store.Order{ID: "a", CreatedAt: failureTime, Session: json.RawMessage(session)}
		o.Customer.Name = "nul \x00, tab \t, quote ' \" \\ %s ? $1 :x 😀"
		o.Customer.Email = "a\x00@example.com"
		o.Metadata = map[string]string{"": "\u2028"}
		must(t, st.InTx(ctx, func(tx *sql.Tx) error { _, err := st.Insert(ctx, tx, o); return err }))
		found, err := st.Find(ctx, "a")
		must(t, err)
		if string(found.Session) != session {
			t.Errorf("the session must keep its bytes; it has %d of %d", len(found.Session), len(session))
		}
		if found.Customer.Name != o.Customer.Name || found.Customer.Email != o.Customer.Email || found.Metadata[""] != "\u2028" {
			t.Errorf("text must come back as it was: %q, %q", found.Customer, found.Metadata)
		}
		found.Session = json.RawMessage("\"\xff\"") // json.Valid accepts this, though JSON is UTF-8
		must(t, st.InTx(ctx, func(tx *sql.Tx) error { return st.Save(ctx, tx, found) }))
		found, err = st.Find(ctx, "a")
		if err != nil || string(found.Session) != "\"\uFFFD\"" {
			t.Errorf("bytes that are not UTF-8 must be replaced: %q, %v", found.Session, err)
		}
	})
}

// A JSON member of a newer version survives a save.
func TestSQLStoreUnknownMember(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, db := openStore(t, d, 4)
		must(t, st.InTx(ctx, func(tx *sql.Tx) error { _, err := st.Insert(ctx, tx, &store.Order{ID: "a"}); return err }))
		mustExec(t, db, "UPDATE fulfil_orders SET data = "+d.Dialect.Rebind("?"), `{"id":"a","later":{"n":1.50},"attempts":[{"n":1,"later_mark":"m"}]}`)
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			orders, err := st.Lock(ctx, tx, "a")
			if err != nil {
				return err
			}
			orders[0].Attempts[0].Paid = true
			return st.Save(ctx, tx, orders...)
		}))
		var data string
		must(t, db.QueryRowContext(ctx, "SELECT data FROM fulfil_orders").Scan(&data))
		for _, part := range []string{`"later":{"n":1.50}`, `"later_mark":"m"`, `"paid":true`} {
			if !strings.Contains(data, part) {
				t.Errorf("%s is missing: %s", part, data)
			}
		}
	})
}

// An impossible key, which a visitor may put into a URL, is not found. It causes no error and aborts no transaction.
func TestSQLStoreImpossibleKeys(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, _ := openStore(t, d, 4)
		for _, key := range []string{"", "\x00", "a\x00b", "\xff\xfe", "a\xc3", strings.Repeat("x", 100_000)} {
			if _, err := st.Find(ctx, key); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Find(%.10q) must return store.ErrNotFound; it returned: %v", key, err)
			}
			if _, err := st.FindRef(ctx, key); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("FindRef(%.10q) must return store.ErrNotFound; it returned: %v", key, err)
			}
			must(t, st.InTx(ctx, func(tx *sql.Tx) error {
				if orders, err := st.Lock(ctx, tx, key); err != nil || len(orders) != 1 || orders[0] != nil {
					t.Errorf("Lock(%.10q) must answer nil; it answered %v, %v", key, orders, err)
				}
				if _, err := st.Insert(ctx, tx, &store.Order{ID: key}); err == nil || strings.Contains(err.Error(), "SQL") {
					t.Errorf("Insert of order %.10q must be refused before it is sent; it returned: %v", key, err)
				}
				_, err := st.Insert(ctx, tx, &store.Order{ID: fmt.Sprintf("after-%d-%d", len(key), slices.Max([]byte("0"+key)))})
				return err
			}))
		}
		keys := []string{"\x00", "\xff", "\xff\xfe", "a\x00", "a", "a\xc3", strings.Repeat("\xff", 500), "a ", "A"}
		for _, want := range []bool{true, false} {
			must(t, st.InTx(ctx, func(tx *sql.Tx) error {
				first, err := st.Claim(ctx, tx, failureTime, keys...)
				if slices.Contains(first, !want) {
					t.Errorf("a claim's key is any bytes: all must answer %t; they answered %v", want, first)
				}
				return err
			}))
		}
	})
}

// A batch may be larger than one statement takes, and have an order twice.
func TestSQLStoreLargeBatch(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx := t.Context()
		st, db := openStore(t, d, 4)
		const n = 3500 // with 11 columns each, more than 32,766 parameters
		orders, ids := make([]*store.Order, n), make([]string, n)
		for i := range n {
			ids[i] = fmt.Sprint("order-", i)
			orders[i] = &store.Order{ID: ids[i], Attempts: []store.Attempt{{SessionID: "cs_" + ids[i]}}}
		}
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			inserted, err := st.Insert(ctx, tx, orders...)
			if slices.Contains(inserted, false) {
				t.Error("Insert must answer true for every new order")
			}
			return err
		}))
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			locked, err := st.Lock(ctx, tx, ids...)
			if err != nil {
				return err
			}
			for i, o := range locked {
				o.Amounts.Total = int64(i)
			}
			again := *locked[7]
			again.Amounts.Total = -7
			return st.Save(ctx, tx, append(locked, &again)...)
		}))
		var sum int64
		must(t, db.QueryRow("SELECT SUM(total) FROM fulfil_orders").Scan(&sum))
		if want := int64(n*(n-1)/2 - 14); sum != want {
			t.Errorf("all orders must be saved, and the last of one given twice: the sum of totals is %d, not %d", sum, want)
		}
		err := st.InTx(ctx, func(tx *sql.Tx) error {
			return st.Save(ctx, tx, &store.Order{ID: ids[0], Currency: "eur"}, &store.Order{ID: "nobody"})
		})
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Save of an order that does not exist must match store.ErrNotFound: %v", err)
		}
		if o, err := st.Find(ctx, ids[0]); err != nil || o.Currency != "" {
			t.Errorf("a Save that failed must leave the others as they were: %v", err)
		}
	})
}

// Locking most of the orders of a small table does not lock the rest, though the planner may prefer to read the whole table.
func TestSQLStoreLocksNoMore(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Dialect == sqlkit.SQLite {
			t.Skip("SQLite has one lock for all rows")
		}
		t.Parallel()
		ctx := untilDeadline(t)
		st, _ := openStore(t, d, 4)
		ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			for _, id := range append(ids, "z") {
				if _, err := st.Insert(ctx, tx, &store.Order{ID: id}); err != nil {
					return err
				}
			}
			return nil
		}))
		must(t, st.InTx(ctx, func(tx *sql.Tx) error {
			locked, err := st.Lock(ctx, tx, ids...)
			if err != nil {
				return err
			}
			if err := st.Save(ctx, tx, locked...); err != nil {
				return err
			}
			// This runs in the goroutine of the transaction. If it waited for a lock, it would wait for ever.
			return st.InTx(ctx, func(other *sql.Tx) error {
				if _, err := st.Insert(ctx, other, &store.Order{ID: "zz"}); err != nil {
					return fmt.Errorf("to insert beside locked orders: %w", err)
				}
				if _, err := st.Lock(ctx, other, "z"); err != nil {
					return fmt.Errorf("to lock another order: %w", err)
				}
				return nil
			})
		}))
	})
}
