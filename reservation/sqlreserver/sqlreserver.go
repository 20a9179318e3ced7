package sqlreserver

import (
	"database/sql"
	"fmt"

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
