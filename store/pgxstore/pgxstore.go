// Package pgxstore keeps orders in PostgreSQL 12 or later, over a pool of pgx. Its transactions are pgx.Tx: the rows that a callback
// writes through one commit together with the order. Where several statements go to the server, they take one round trip.
//
// Make a pool, [Migrate] its database, and make a [Store] of it:
//
//	pool, err := pgxpool.New(ctx, "postgres://shop@localhost/shop?pool_max_conns=8")
//	…
//	if err := pgxstore.Migrate(ctx, pool); err != nil { … }
//	st := pgxstore.New(pool)
//
// The tables are those of package sqlstore, whose documentation also says what a connection must be like, how a transaction is run
// again, and what works behind PgBouncer. Processes with this Store and with that one may share a database. Package pgxreserver keeps
// stock in the same transactions.
package pgxstore

import (
	"context"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gofulfil/fulfil/internal/pgxkit"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/internal/sqlorders"
	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// Errors of a Store's InTx.
var (
	// ErrConflict is matched when a transaction collided with others in all of its tries. It is also matched by the errors of
	// methods that work in a transaction of their own.
	ErrConflict = sqlkit.ErrConflict
	// ErrTxEnded is matched when the transaction ended before its function returned. Either the function did not return the error
	// of a statement, or it ran a COMMIT or a ROLLBACK.
	ErrTxEnded = sqlkit.ErrTxEnded
)

var (
	_ store.Store[pgx.Tx] = (*Store)(nil)
	_ store.OwnTx[pgx.Tx] = (*Store)(nil)
	_ store.Counter       = (*Store)(nil)
)

// Store is a [store.Store] in a PostgreSQL database. Make one with [New]. Beside the methods of
// [store.Store], [store.OwnTx] and [store.Counter] it has
//
//	Index(ctx context.Context, after store.Position, limit int) (next store.Position, err error)
//
// which is that of [sqlstore.Store].
type Store struct{ *orders }

type orders = sqlorders.Store[pgx.Tx]

// New returns a Store for a database whose tables [Migrate] has made. It panics if pool is nil. New does not talk to the database.
// The first use of the Store checks the settings of a connection, and returns an error if they do not suit, as [Check] does. The
// Store never closes the pool.
func New(pool *pgxpool.Pool) *Store {
	if pool == nil {
		panic("pgxstore: the pool is nil")
	}
	return &Store{sqlorders.New("pgxstore", pgxkit.Pool{Pool: pool}, sqlkit.Postgres)}
}

// Migrate creates the Store's tables or brings them up to date, as Migrate of package sqlstore does. Any number of processes may call
// it at once and at every start. It refuses the same connections as [Check].
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	db := pgxkit.Pool{Pool: pool}.OpenDB()
	defer db.Close()
	return sqlstore.Migrate(ctx, db, sqlstore.Postgres)
}

// Check returns an error that names the cure if a table, a column or an index of the Store is missing, or if the database or the
// connection is not in UTF8. A program that migrates with a tool of its own calls Check at its start.
func Check(ctx context.Context, pool *pgxpool.Pool) error {
	db := pgxkit.Pool{Pool: pool}.OpenDB()
	defer db.Close()
	return sqlstore.Check(ctx, db, sqlstore.Postgres)
}

// Schema returns the SQL that [Migrate] runs, for programs that migrate with a tool of their own. Schema of package sqlstore says how
// tools read the files.
func Schema() (fs.FS, error) { return sqlstore.Schema(sqlstore.Postgres) }
