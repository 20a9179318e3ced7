package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/internal/sqlorders"
)

//go:embed schema
var files embed.FS

var component = sqlkit.Component{Name: "store", Files: files, Needs: sqlorders.Needs}

// Migrate creates the Store's tables or brings them up to date. Any number of processes may call it at once and as often as
// they like: they take turns, and each step is done once. After a crash the next call continues where the last one stopped.
//
// Migrate refuses the same connections as [Check].
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Migrate(ctx, db, dialect, component)
}

// Check returns an error that names the cure if a table, a column or an index of the Store is missing, or if the connection does
// not suit the Store. A program that migrates with a tool of its own calls Check at its start. Check refuses
//
//   - an encoding that can't hold every name: on MySQL and MariaDB any but utf8mb4 for the connection, on PostgreSQL any but
//     UTF8 for the database or the connection;
//   - on MySQL and MariaDB a sql_mode that is not strict, and autocommit=0;
//   - an SQLite database without busy_timeout, and one in a file without the write-ahead log.
func Check(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Check(ctx, db, dialect, component)
}

// Schema returns the SQL that [Migrate] runs, for programs that migrate with a tool of their own. Each version is one file,
// named for golang-migrate (0001_orders.up.sql) and annotated for goose. Statements end with a semicolon at the end of a line.
// For MySQL, golang-migrate needs multiStatements=true in the DSN.
//
// The versions of this Schema and of sqlreserver's are one sequence. Both fit into one folder, and each new version has a
// higher number than all before it. Use either Migrate or the files on a database, never both, and call [Check] at the start of
// the program. On SQLite, run PRAGMA journal_mode = WAL once: a migration file can't do that.
func Schema(dialect Dialect) (fs.FS, error) { return component.Schema(dialect) }
