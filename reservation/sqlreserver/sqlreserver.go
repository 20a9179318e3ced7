package sqlreserver

import (
	"database/sql"
	"fmt"
	"regexp"

	"github.com/gofulfil/fulfil/internal/sqlkit"
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
// [New].
type Reserver struct {
	sql statements
	db  *sql.DB // for Preview; may be nil
}

// New returns a Reserver for databases of a dialect. It panics if the dialect is unknown.
func New(dialect Dialect) *Reserver {
	switch dialect {
	case Postgres:
		return &Reserver{sql: postgres}
	case MySQL:
		return &Reserver{sql: mysql}
	case SQLite:
		return &Reserver{sql: sqlite}
	}
	panic(fmt.Sprintf("sqlreserver: %v", dialect))
}

// WithDB returns a Reserver that can also [Reserver.Preview] holds and count them ([Reserver.Held]). The database must be the one of the
// transactions that the Reserver receives.
func (r *Reserver) WithDB(db *sql.DB) *Reserver { return &Reserver{sql: r.sql, db: db} }

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
	if !tableName.MatchString(name) {
		panic(fmt.Sprintf("sqlreserver: the table %q: its name must consist of letters, digits and underscores, with at most one point", name))
	}
	return &Reserver{sql: r.sql.onTable(name), db: r.db}
}

var tableName = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$`)
