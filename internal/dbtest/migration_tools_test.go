package dbtest

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	atlas "ariga.io/atlas/sql/migrate"
	atlassqlite "ariga.io/atlas/sql/sqlite"
	"ariga.io/atlas/sql/sqltool"
	"github.com/golang-migrate/migrate/v4"
	migratesqlite "github.com/golang-migrate/migrate/v4/database/sqlite"
	_ "github.com/golang-migrate/migrate/v4/source/file" // source "file"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// atlasHistory is what atlas has applied. Its command keeps that in a table.
type atlasHistory struct{ revisions []*atlas.Revision }

func (h *atlasHistory) Ident() *atlas.TableIdent {
	return &atlas.TableIdent{Name: "atlas_schema_revisions"}
}

func (h *atlasHistory) ReadRevisions(context.Context) ([]*atlas.Revision, error) {
	return h.revisions, nil
}

func (h *atlasHistory) ReadRevision(_ context.Context, version string) (*atlas.Revision, error) {
	for _, r := range h.revisions {
		if r.Version == version {
			return r, nil
		}
	}
	return nil, atlas.ErrRevisionNotExist
}

func (h *atlasHistory) WriteRevision(ctx context.Context, r *atlas.Revision) error {
	_ = h.DeleteRevision(ctx, r.Version)
	h.revisions = append(h.revisions, r)
	return nil
}

func (h *atlasHistory) DeleteRevision(_ context.Context, version string) error {
	h.revisions = slices.DeleteFunc(h.revisions, func(r *atlas.Revision) bool { return r.Version == version })
	return nil
}

// migrateWithAtlas is atlas migrate hash, and then atlas migrate apply, for a folder of golang-migrate's format.
func migrateWithAtlas() func(t *testing.T, db *sql.DB, folder string, last int) {
	history := &atlasHistory{}
	return func(t *testing.T, db *sql.DB, folder string, last int) {
		dir, err := sqltool.NewGolangMigrateDir(folder)
		require.NoError(t, err)
		sum, err := dir.Checksum()
		require.NoError(t, err)
		require.NoError(t, atlas.WriteSumFile(dir, sum))
		driver, err := atlassqlite.Open(db)
		require.NoError(t, err)
		executor, err := atlas.NewExecutor(driver, dir, history)
		require.NoError(t, err)
		require.NoError(t, executor.ExecuteN(t.Context(), 0))
		version, err := strconv.Atoi(history.revisions[len(history.revisions)-1].Version)
		require.NoError(t, err)
		require.Equal(t, last, version)
	}
}

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
	"atlas": migrateWithAtlas(),
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
			migrateUp(t, db, folder, 5)
			require.NoError(t, sqlstore.Check(t.Context(), db, sqlstore.SQLite))
			require.NoError(t, sqlreserver.Check(t.Context(), db, sqlreserver.SQLite))
			require.Contains(t, run("schema", "-database", "file:"+path), "The schema is up to date.")
		})
	}
}
