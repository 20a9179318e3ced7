package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

//go:embed schema
var files embed.FS

var component = sqlkit.Component{Name: "store", Files: files, Needs: needs}

// Migrate creates the Store's tables or brings them up to date. Any number of processes may call it at once and as often
// as they like: they take turns, and no step is done twice. After a crash the next call goes on where that one ended.
//
// Migrate refuses a connection that does not suit the Store, as [Check] does.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Migrate(ctx, db, dialect, component)
}

// Check returns an error that names the cure unless the tables, columns and indexes of the Store are there and the connection
// suits the Store. A program that migrates with a tool of its own calls Check at its start. Check refuses
//
//   - a connection in whose encoding some names can't be kept: on MySQL and MariaDB any but utf8mb4, on PostgreSQL any but
//     UTF8, of the database or of the connection;
//   - a sql_mode of MySQL or MariaDB that is not strict, and autocommit=0;
//   - an SQLite without busy_timeout, and one in a file without the write-ahead log. A database in memory needs none.
func Check(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Check(ctx, db, dialect, component)
}

// Schema returns what [Migrate] runs as plain SQL for programs that migrate with a tool of their own. Each version is one
// file, named for golang-migrate (0001_orders.up.sql) and annotated for goose. Statements end with a semicolon at the end of a
// line. golang-migrate needs multiStatements=true in the DSN for MySQL.
//
// The versions of this Schema and those of sqlreserver's are one sequence: both fit into one folder, and a later version of
// either has a higher number than all before. Use either Migrate or the files on a database, never both, and call [Check] at
// the start of the program. On SQLite, run PRAGMA journal_mode = WAL once, as no file can.
func Schema(dialect Dialect) (fs.FS, error) { return component.Schema(dialect) }

// needs returns the tables and indexes that the Store uses.
func needs(d Dialect) (tables []sqlkit.Table, indexes []string) {
	for _, t := range []table{ordersTable, refsTable, claimsTable, valuesTable} {
		columns := t.columns
		if d == MySQL && (t.name == ordersTable.name || t.name == claimsTable.name) {
			columns = tokenTable(t).columns
		}
		tables = append(tables, sqlkit.Table{Name: t.name, Columns: columns})
	}
	if d == SQLite { // through which each transaction takes the write lock
		tables = append(tables, sqlkit.Table{Name: "fulfil_schema", Columns: []string{"component", "version", "statement"}})
	}
	return tables, []string{
		"fulfil_orders_created", "fulfil_orders_status", "fulfil_orders_stuck", "fulfil_orders_due", "fulfil_claims_claimed",
	}
}
