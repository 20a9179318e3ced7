package dbtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

var failureTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// writeOrder inserts an order, claims a key and saves the order with a reference, in one transaction. It calls between before
// each of these steps and before the commit.
func writeOrder(ctx context.Context, st *sqlstore.Store, id string, session json.RawMessage, between func(tx *sql.Tx, step int)) error {
	return st.InTx(ctx, func(tx *sql.Tx) error {
		o := &store.Order{ID: id, CreatedAt: failureTime, DueAt: failureTime}
		between(tx, 0)
		if _, err := st.Insert(ctx, tx, o); err != nil {
			return err
		}
		between(tx, 1)
		if _, err := st.Claim(ctx, tx, failureTime, "evt_"+id); err != nil {
			return err
		}
		between(tx, 2)
		o.Attempts, o.Session = []store.Attempt{{SessionID: "cs_" + id}}, session
		if err := st.Save(ctx, tx, o); err != nil {
			return err
		}
		between(tx, 3)
		return nil
	})
}

// unwrittenOrder fails if a row of writeOrder exists.
func unwrittenOrder(t *testing.T, db *sql.DB, id string) {
	t.Helper()
	for _, query := range []string{
		"SELECT count(*) FROM fulfil_orders WHERE id = '%s'", "SELECT count(*) FROM fulfil_refs WHERE order_id = '%s'",
		"SELECT count(*) FROM fulfil_claims",
	} {
		var n int
		if strings.Contains(query, "%") {
			query = fmt.Sprintf(query, id)
		}
		must(t, db.QueryRow(query).Scan(&n))
		if n != 0 {
			t.Errorf("after a failure nothing may be written: %s is %d", query, n)
		}
	}
}

// failed fails unless err contains one of the causes.
func failed(t *testing.T, err error, causes ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("there must be an error with one of %q; there is none", causes)
	}
	for _, cause := range causes {
		if strings.Contains(err.Error(), cause) {
			t.Log(err)
			return
		}
	}
	t.Errorf("the error must say one of %q; it is: %v", causes, err)
}

// If a connection breaks before the commit, InTx runs its function again, whichever statement was next.
func TestSQLStoreKilledConnection(t *testing.T) {
	for _, d := range All() {
		if d.Dialect == sqlkit.SQLite {
			continue // SQLite has no connection to lose
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			db := d.Open(t, 2)
			migrateStore(t, db, d)
			st := sqlstore.New(db, d.Dialect)
			own, kill := "SELECT pg_backend_pid()", "SELECT pg_terminate_backend(%d)"
			if d.Dialect == sqlkit.MySQL {
				own, kill = "SELECT CONNECTION_ID()", "KILL %d"
			}
			for step := range 4 {
				id, kills := fmt.Sprint("order-", step), 0
				must(t, writeOrder(t.Context(), st, id, nil, func(tx *sql.Tx, at int) {
					if at != step || kills > 0 {
						return
					}
					kills++
					var conn int64
					must(t, tx.QueryRow(own).Scan(&conn))
					mustExec(t, db, fmt.Sprintf(kill, conn))
				}))
				if _, err := st.FindRef(t.Context(), "cs_"+id); err != nil || kills != 1 {
					t.Errorf("after %d kills before step %d, the order must be there: %v", kills, step, err)
				}
			}
			// A read works, too, if the pool gives it a dead connection.
			alive, err := db.Conn(t.Context())
			must(t, err)
			dead, err := db.Conn(t.Context())
			must(t, err)
			var conn int64
			must(t, dead.QueryRowContext(t.Context(), own).Scan(&conn))
			_, err = alive.ExecContext(t.Context(), fmt.Sprintf(kill, conn))
			must(t, err)
			must(t, alive.Close())
			must(t, dead.Close())
			if _, err := st.Find(t.Context(), "order-1"); err != nil {
				t.Errorf("Find after a kill: %v", err)
			}
		})
	}
}

// A connection to a server that refuses to write is closed, so that the pool finds a server that writes.
func TestSQLStoreReadOnlyConnections(t *testing.T) {
	for _, d := range All() {
		if d.Dialect == sqlkit.SQLite || d.Driver == "postgres" {
			continue // lib/pq begins every transaction READ WRITE, which only a real replica refuses
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			const conns = 4
			ctx, db := t.Context(), d.Open(t, conns)
			migrateStore(t, db, d)
			readOnly := map[sqlkit.Dialect]string{
				sqlkit.Postgres: "SET default_transaction_read_only = on", sqlkit.MySQL: "SET SESSION TRANSACTION READ ONLY",
			}[d.Dialect]
			var old []*sql.Conn
			for range conns {
				conn, err := db.Conn(ctx)
				must(t, err)
				_, err = conn.ExecContext(ctx, readOnly)
				must(t, err)
				old = append(old, conn)
			}
			for _, conn := range old {
				must(t, conn.Close())
			}
			must(t, writeOrder(ctx, sqlstore.New(db, d.Dialect), "a", nil, func(*sql.Tx, int) {}))
		})
	}
}

func TestSQLStoreFullDisk(t *testing.T) {
	for _, d := range All() {
		if d.Dialect != sqlkit.SQLite {
			continue // the tests can't fill the disk of a server
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			db := d.Open(t, 1) // the limit belongs to the connection
			migrateStore(t, db, d)
			st := sqlstore.New(db, d.Dialect)
			var pages int
			must(t, db.QueryRow("PRAGMA page_count").Scan(&pages))
			must(t, db.QueryRow(fmt.Sprintf("PRAGMA max_page_count = %d", pages+10)).Scan(new(int)))
			big := json.RawMessage(`"` + strings.Repeat("x", 100_000) + `"`)
			err := writeOrder(t.Context(), st, "a", big, func(*sql.Tx, int) {})
			failed(t, err, "sqlstore: save orders: database or disk is full")
			unwrittenOrder(t, db, "a")
			must(t, db.QueryRow("PRAGMA max_page_count = 1000000").Scan(new(int)))
			must(t, writeOrder(t.Context(), st, "a", big, func(*sql.Tx, int) {}))
			o, err := st.FindRef(t.Context(), "cs_a")
			if err != nil || string(o.Session) != string(big) {
				t.Errorf("with room again, the order must be as it was saved: %v", err)
			}
		})
	}
}

func TestSQLStoreReadOnly(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Driver == "postgres" {
			t.Skip("lib/pq begins every transaction READ WRITE, which only a real replica refuses")
		}
		t.Parallel()
		ctx, dsn := t.Context(), d.Create(t)
		db := d.Connect(t, dsn, 2)
		migrateStore(t, db, d)
		worksStore(t, db, d, "old")
		shop, err := sqlstore.New(db, d.Dialect).ShopID(ctx, "shop-1")
		must(t, err)
		mustExec(t, db, "DELETE FROM fulfil_claims")

		option := map[sqlkit.Dialect]string{sqlkit.SQLite: "mode=ro", sqlkit.Postgres: "default_transaction_read_only=on", sqlkit.MySQL: "transaction_read_only=1"}[d.Dialect]
		if d.Dialect == sqlkit.MySQL && isMariaDB(t, d) {
			option = "tx_read_only=1"
		}
		readOnly := withOptions(Database{Create: func(testing.TB) string { return dsn }}, option)
		st := sqlstore.New(d.Connect(t, readOnly.Create(t), 2), d.Dialect)
		causes := []string{"readonly", "25006", "READ ONLY", "read-only"}
		failed(t, writeOrder(ctx, st, "a", nil, func(*sql.Tx, int) {}), causes...)
		_, err = st.Due(ctx, failureTime, time.Minute, 10)
		failed(t, err, causes...)
		failed(t, st.SetCursor(ctx, "events", "evt_9"), causes...)
		unwrittenOrder(t, db, "a")

		if o, err := st.FindRef(ctx, "cs_old"); err != nil || o.ID != "old" {
			t.Errorf("a replica must answer reads: FindRef returned %v, %v", o, err)
		}
		if all, err := st.List(ctx, store.Query{}); err != nil || len(all) != 1 {
			t.Errorf("a replica must answer reads: List returned %d, %v", len(all), err)
		}
		if again, err := st.ShopID(ctx, "shop-2"); err != nil || again != shop {
			t.Errorf("a stored shop ID needs no write: ShopID returned %q, %v", again, err)
		}
	})
}

func TestSQLStoreMissingTables(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx, db := t.Context(), d.Open(t, 2)
		st := sqlstore.New(db, d.Dialect)
		_, find := st.Find(ctx, "a")
		_, ref := st.FindRef(ctx, "cs_a")
		_, list := st.List(ctx, store.Query{})
		_, prune := st.Prune(ctx, failureTime, 10)
		_, due := st.Due(ctx, failureTime, time.Minute, 10)
		_, shop := st.ShopID(ctx, "shop-1")
		_, cursor := st.Cursor(ctx, "events")
		set := st.SetCursor(ctx, "events", "evt_1")
		write := writeOrder(ctx, st, "a", nil, func(*sql.Tx, int) {})
		for _, err := range []error{find, ref, list, prune, due, shop, cursor, set, write} {
			failed(t, err, "a table is missing: run Migrate on this database: ")
			if err != nil && (!strings.Contains(err.Error(), "fulfil_") || errors.Is(err, store.ErrNotFound)) {
				t.Errorf("the error must name the table: %v", err)
			}
		}
		migrateStore(t, db, d)
		worksStore(t, db, d, "a")
	})
}
