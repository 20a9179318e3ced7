package sqlreserver

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation"
)

// Dialect is the SQL that a database speaks.
type Dialect = sqlkit.Dialect

// The dialects.
const (
	Postgres = sqlkit.Postgres
	MySQL    = sqlkit.MySQL // MariaDB, too
	SQLite   = sqlkit.SQLite
)

//go:embed schema
var files embed.FS

var component = sqlkit.Component{Name: "reserver", Files: files}

// Migrate creates the tables or brings them up to date. Any number of processes may call it at once and at every start.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Migrate(ctx, db, dialect, component)
}

// Schema returns the files that [Migrate] runs, for those who migrate with a tool of their own: one for each version, named
// NUMBER_WORDS.up.sql.
func Schema(dialect Dialect) (fs.FS, error) { return component.Schema(dialect) }

var _ reservation.Reserver[*sql.Tx] = (*Reserver)(nil)

// Reserver is a [reservation.Reserver] whose state is in the database of the transactions that it is given, so that it has
// none itself. Make one with [New].
type Reserver struct {
	sql statements
}

// New returns a Reserver for databases of a dialect. It panics if there is no such dialect.
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
