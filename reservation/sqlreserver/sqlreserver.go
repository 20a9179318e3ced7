package sqlreserver

import (
	"database/sql"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/internal/sqlstock"
	"github.com/gofulfil/fulfil/reservation"
)

// Dialect is the SQL that a database speaks. The dialects of sqlstore and sqlreserver are the same type. It has the methods
//
//	String() string                // the name in lower case: postgres, mysql or sqlite
//	Rebind(query string) string    // replaces question marks by the dialect's placeholders: $1, $2 … on PostgreSQL
//	Time(t time.Time) string       // t in UTC to the microsecond, as a parameter for a column of times
type Dialect = sqlkit.Dialect

// The dialects.
const (
	Postgres = sqlkit.Postgres
	MySQL    = sqlkit.MySQL // and MariaDB
	SQLite   = sqlkit.SQLite
)

var (
	_ reservation.Reserver[*sql.Tx] = (*Reserver)(nil)
	_ reservation.Previewer         = (*Reserver)(nil)

	_ reservation.Forgetter[*sql.Tx] = (*Reserver)(nil)
)

// Reserver is a [reservation.Reserver] that keeps its state in the database of the transaction that it receives. Make one with
// [New]. Beside the methods of [reservation.Reserver], [reservation.Previewer] and [reservation.Forgetter] it has
//
//	Set(ctx context.Context, tx *sql.Tx, sku string, onHand int64) error
//	SetNew(ctx context.Context, tx *sql.Tx, sku string, onHand int64) error
//	Adjust(ctx context.Context, tx *sql.Tx, sku string, delta int64) error
//	Stock(ctx context.Context, tx *sql.Tx, skus ...string) ([]reservation.Stock, error)
//	Holds(ctx context.Context, tx *sql.Tx, after string, limit int) ([]reservation.Hold, error)
//	Held(ctx context.Context) (units int64, err error)
//
// Set records the physical stock of a SKU, as after an inventory count: the units on the shelf, with held units and without sold
// units. SetNew does so only for a SKU whose stock was never set; a program calls it at every start for the SKUs of its catalog.
// Adjust adds units that came in, or takes off units that went away without a sale. Their errors match
// [reservation.ErrInvalidStock], [reservation.ErrBelowHeld] and, from Adjust, [reservation.ErrUnknownSKU].
//
// Stock returns the stock of each SKU, without any SKU of all of them, sorted by SKU. Holds returns at most limit of the holds that
// are neither sold nor released, sorted by ID, beginning behind the ID after. Both lock nothing.
// Held returns the number of units that are held, of all SKUs. It needs [Reserver.WithDB].
//
// On MySQL at REPEATABLE READ a transaction sees the rows that it changed as they are now, and all others as they were at its first
// read. So in a [reservation.Stock] there, Held and Sold are right only if the transaction changed stock before its first read.
// Available is always right.
type Reserver struct {
	*stock
	dialect Dialect
	table   string // the merchant's own; empty: fulfil_stock
}

type stock = sqlstock.Reserver[*sql.Tx]

// New returns a Reserver for databases of a dialect. It panics if the dialect is unknown.
func New(dialect Dialect) *Reserver {
	return &Reserver{stock: sqlstock.New("sqlreserver", sqlkit.SQL{}.In, nil, dialect), dialect: dialect}
}

// WithDB returns a Reserver that can also preview holds, as [reservation.Previewer] says, and count them by Held. The database must be
// the one of the transactions that the Reserver receives. WithDB panics if db is nil.
func (r *Reserver) WithDB(db *sql.DB) *Reserver {
	if db == nil {
		panic("sqlreserver: the database is nil")
	}
	kit := sqlkit.SQL{DB: db, Dialect: r.dialect}
	withDB := &Reserver{stock: sqlstock.New("sqlreserver", kit.In, kit, r.dialect), dialect: r.dialect}
	if r.table != "" {
		return withDB.WithTable(r.table)
	}
	return withDB
}

// WithTable returns a Reserver that keeps the stock in a table of the merchant's own, such as products, instead of fulfil_stock. The
// table is in the same database, and may have any other columns. It must have these:
//
//   - sku, the primary key: text that is compared byte by byte (on PostgreSQL COLLATE "C", on MySQL VARBINARY)
//   - stocked and taken, 64-bit integers that are never NULL: see [Tables]. Give them the constraint
//     CHECK (taken >= 0 AND taken <= stocked).
//
// The rows are the merchant's: the Reserver changes stocked and taken and neither inserts nor deletes rows. So Set and SetNew answer
// [reservation.ErrUnknownSKU] for a SKU without a row. Insert a product with the number of its units in stocked and 0 in taken. Change
// the number later by Set and Adjust alone. Delete no row whose SKU a hold that stands has.
//
// The name may have a schema before it, as in shop.products. It is written into SQL as it is; WithTable panics unless it consists of
// letters, digits and underscores. [Migrate] and [Check] know fulfil_stock alone.
//
// [Tables]: https://pkg.go.dev/github.com/gofulfil/fulfil/reservation/sqlreserver#hdr-Tables
func (r *Reserver) WithTable(name string) *Reserver {
	return &Reserver{stock: sqlstock.OnTable(r.stock, name), dialect: r.dialect, table: name}
}
