package dbtest

import (
	"context"
	"database/sql"
	"testing"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/reservationtest"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
)

const reserverConns = 8

func TestSQLReserver(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		runReservationtest(t, d, sql.LevelDefault)
	})
}

// At SERIALIZABLE a database answers with a conflict where it would otherwise wait.
func TestSQLReserverSerializable(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Driver != "pgx" && d.Driver != "mysql" {
			t.Skip("once per server is enough")
		}
		t.Parallel()
		runReservationtest(t, d, sql.LevelSerializable)
	})
}

// At READ COMMITTED, MySQL locks no gaps.
func TestSQLReserverReadCommitted(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		if d.Driver != "mysql" {
			t.Skip("PostgreSQL has this level by default, and SQLite does not have it")
		}
		t.Parallel()
		runReservationtest(t, d, sql.LevelReadCommitted)
	})
}

func runReservationtest(t *testing.T, d Database, level sql.IsolationLevel) {
	db := openReserver(t, d, reserverConns) // one for all checks: making a database takes longer than a check
	r := sqlreserver.New(d.Dialect).WithDB(db)
	reservationtest.Run(t, func(t *testing.T) reservationtest.Subject[*sql.Tx] {
		emptyReserver(t, db)
		return reservationtest.Subject[*sql.Tx]{
			Reserver: r,
			Stock:    r,
			InTx: func(ctx context.Context, fn func(tx *sql.Tx) error) error {
				return sqlkit.InTxLevel(ctx, db, d.Dialect, level, fn)
			},
		}
	})
}

// openReserver opens a new, migrated database.
func openReserver(t testing.TB, d Database, conns int) *sql.DB {
	t.Helper()
	db := d.Open(t, conns)
	if err := sqlreserver.Migrate(context.Background(), db, d.Dialect); err != nil {
		t.Fatal(err)
	}
	return db
}

func emptyReserver(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"fulfil_held", "fulfil_holds", "fulfil_stock"} {
		if _, err := db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
}
