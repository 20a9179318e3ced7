package dbtest

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4"
	migratesqlite "github.com/golang-migrate/migrate/v4/database/sqlite"
	_ "github.com/golang-migrate/migrate/v4/source/file" // source "file"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// migrationTools bring a database up to date with the files of a folder, each in its own way.
var migrationTools = map[string]func(t *testing.T, db *sql.DB, folder string, last int){
	"golang-migrate": func(t *testing.T, db *sql.DB, folder string, last int) {
		driver, err := migratesqlite.WithInstance(db, &migratesqlite.Config{})
		require.NoError(t, err)
		m, err := migrate.NewWithDatabaseInstance("file://"+folder, "sqlite", driver)
		require.NoError(t, err)
		require.NoError(t, m.Up())
		version, dirty, err := m.Version()
		require.NoError(t, err)
		require.EqualValues(t, last, version)
		require.False(t, dirty)
	},
	"goose": func(t *testing.T, db *sql.DB, folder string, last int) {
		p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS(folder))
		require.NoError(t, err)
		results, err := p.Up(context.Background())
		require.NoError(t, err)
		require.NotEmpty(t, results)
		version, err := p.GetDBVersion(context.Background())
		require.NoError(t, err)
		require.EqualValues(t, last, version)
	},
}

// The files that "fulfil schema -into" writes suit other migration tools, from nothing and from an earlier version on. What they make
// passes the check of the Store, of the Reserver and of the command.
func TestMigrationTools(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "fulfil")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../cmd/fulfil"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(program, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	for name, migrateUp := range migrationTools {
		t.Run(name, func(t *testing.T) {
			folder, path := t.TempDir(), filepath.Join(t.TempDir(), "shop.db")
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
			require.NoError(t, err)
			defer db.Close()
			for _, file := range strings.Fields(run("schema", "-into", folder, "-dialect", "sqlite")) {
				if filepath.Base(file) > "0003" {
					require.NoError(t, os.Remove(file)) // as of an earlier version of the library
				}
			}
			migrateUp(t, db, folder, 2)
			require.Error(t, exec.Command(program, "schema", "-database", "file:"+path).Run(), "the schema is behind")
			run("schema", "-into", folder, "-dialect", "sqlite", "-from", "3")
			migrateUp(t, db, folder, 4)
			require.NoError(t, sqlstore.Check(t.Context(), db, sqlstore.SQLite))
			require.NoError(t, sqlreserver.Check(t.Context(), db, sqlreserver.SQLite))
			require.Contains(t, run("schema", "-database", "file:"+path), "The schema is up to date.")
		})
	}
}
