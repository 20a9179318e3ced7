// Package pgxreserver keeps stock in PostgreSQL 12 or later, over a pool of pgx. A hold commits together with its order, or not at
// all. A call takes one round trip, however many holds it has, and a Hold of which not every part fits takes two.
//
// Call [Migrate] and SetNew of the [Reserver] at every start. Give a Flow the Reserver and the Store of package pgxstore on the same
// pool, as the example shows.
//
// The tables are those of package sqlreserver, whose documentation also says how transactions wait for each other. Processes with
// this Reserver and with that one may share a database.
package pgxreserver

import (
	"context"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gofulfil/fulfil/internal/pgxkit"
	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/internal/sqlstock"
	"github.com/gofulfil/fulfil/reservation"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
)

var (
	_ reservation.Reserver[pgx.Tx]  = (*Reserver)(nil)
	_ reservation.Previewer         = (*Reserver)(nil)
	_ reservation.Forgetter[pgx.Tx] = (*Reserver)(nil)
)

// Reserver is a [reservation.Reserver] that keeps its state in a PostgreSQL database. Make one with [New]. Beside the methods of
// [reservation.Reserver], [reservation.Previewer] and [reservation.Forgetter] it has
//
//	Set(ctx context.Context, tx pgx.Tx, sku string, onHand int64) error
//	SetNew(ctx context.Context, tx pgx.Tx, sku string, onHand int64) error
//	Adjust(ctx context.Context, tx pgx.Tx, sku string, delta int64) error
//	Stock(ctx context.Context, tx pgx.Tx, skus ...string) ([]reservation.Stock, error)
//	Holds(ctx context.Context, tx pgx.Tx, after string, limit int) ([]reservation.Hold, error)
//	Held(ctx context.Context) (units int64, err error)
//
// which are those of [sqlreserver.Reserver].
type Reserver struct{ *stock }

type stock = sqlstock.Reserver[pgx.Tx]

// New returns a Reserver for transactions of the pool's database. It reads previews of holds from the pool. New panics if pool is
// nil. It does not talk to the database. The Reserver never closes the pool.
func New(pool *pgxpool.Pool) *Reserver {
	if pool == nil {
		panic("pgxreserver: the pool is nil")
	}
	kit := pgxkit.Pool{Pool: pool}
	return &Reserver{sqlstock.New("pgxreserver", kit.In, kit, sqlkit.Postgres)}
}

// WithTable returns a Reserver that keeps the stock in a table of the merchant's own, such as products, instead of fulfil_stock.
// WithTable of [sqlreserver.Reserver] says which columns the table must have, and whose its rows are. [Migrate] and [Check] know
// fulfil_stock alone. WithTable panics unless the name consists of letters, digits and underscores, with at most one point.
func (r *Reserver) WithTable(name string) *Reserver {
	return &Reserver{sqlstock.OnTable(r.stock, name)}
}

// Migrate creates the tables or brings them up to date. Any number of processes may call it at once and at every start. Migrate
// refuses the same connections as [Check].
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	db := pgxkit.Pool{Pool: pool}.OpenDB()
	defer db.Close()
	return sqlreserver.Migrate(ctx, db, sqlreserver.Postgres)
}

// Check returns an error that names the cure if a table, a column or an index of the Reserver is missing, or if the database or the
// connection is not in UTF8. A program that migrates with a tool of its own calls Check at its start.
func Check(ctx context.Context, pool *pgxpool.Pool) error {
	db := pgxkit.Pool{Pool: pool}.OpenDB()
	defer db.Close()
	return sqlreserver.Check(ctx, db, sqlreserver.Postgres)
}

// Schema returns the SQL that [Migrate] runs, for programs that migrate with a tool of their own. The versions of this Schema and of
// pgxstore's are one sequence, and both fit into one folder.
func Schema() (fs.FS, error) { return sqlreserver.Schema(sqlreserver.Postgres) }
