package sqlreserver

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/internal/sqlstock"
)

//go:embed schema
var files embed.FS

var component = sqlkit.Component{Name: "reserver", Files: files, Needs: sqlstock.Needs}

// Migrate creates the tables or brings them up to date. Any number of processes may call it at once and at every start. Migrate
// refuses the same connections as [Check].
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Migrate(ctx, db, dialect, component)
}

// Check returns an error that names the cure if a table, a column or an index of the Reserver is missing, or if Check of
// package sqlstore would refuse the connection. A program that migrates with a tool of its own calls Check at its start.
func Check(ctx context.Context, db *sql.DB, dialect Dialect) error {
	return sqlkit.Check(ctx, db, dialect, component)
}

// Schema returns the files that [Migrate] runs, for programs that migrate with a tool of their own. Each version is one file,
// named NUMBER_WORDS.up.sql. The versions of this Schema and of sqlstore's are one sequence, and both fit into one folder.
// Schema of package sqlstore says how tools read the files.
func Schema(dialect Dialect) (fs.FS, error) { return component.Schema(dialect) }
