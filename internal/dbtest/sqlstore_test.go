package dbtest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
	"github.com/gofulfil/fulfil/store/storetest"
)

// sqlstoreConns is enough for the suite, whose checks read beside an open transaction, and few enough for a shared server.
const sqlstoreConns = 12

func TestSQLStore(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		runStoretest(t, d)
	})
}

// ownTxStore runs transactions as those of the library's own code.
type ownTxStore struct{ *sqlstore.Store }

func (s ownTxStore) InTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return s.InOwnTx(ctx, nil, fn)
}

// TestSQLStoreOwnTx runs the suite with InOwnTx in place of InTx.
func TestSQLStoreOwnTx(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		runSuite(t, d, func(st *sqlstore.Store) store.Store[*sql.Tx] { return ownTxStore{st} })
	})
}

// runStoretest runs the suite on one database and empties it for each check: making a database takes longer than most checks.
func runStoretest(t *testing.T, d Database) {
	runSuite(t, d, func(st *sqlstore.Store) store.Store[*sql.Tx] { return st })
}

func runSuite(t *testing.T, d Database, as func(*sqlstore.Store) store.Store[*sql.Tx]) {
	db := d.Open(t, sqlstoreConns)
	migrateStore(t, db, d)
	open := func(t *testing.T) store.Store[*sql.Tx] {
		for _, table := range []string{"fulfil_orders", "fulfil_refs", "fulfil_terms", "fulfil_claims", "fulfil_values"} {
			mustExec(t, db, "DELETE FROM "+table)
		}
		return as(sqlstore.New(db, d.Dialect))
	}
	if d.Dialect == sqlkit.SQLite {
		storetest.Run(t, open, storetest.OneWriter)
		return
	}
	storetest.Run(t, open)
}

func migrateStore(t testing.TB, db *sql.DB, d Database) {
	t.Helper()
	if err := sqlstore.Migrate(context.Background(), db, d.Dialect); err != nil {
		t.Fatal(err)
	}
}
