package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store/sqlstore"
)

// schemaAnswer is what schema -json prints.
type schemaAnswer struct {
	Schema, Problem string
	Files           []file
	Newer           []int `json:"newer_versions"`
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for name, address := range databases(t) {
		t.Run(name, func(t *testing.T) {
			s := &testShop{t: t, env: map[string]string{"DATABASE_URL": address}}
			if name == "sqlite" {
				require.Contains(t, s.refused(exitFailed, "schema"), "does not answer", "a name that is mistyped makes no file")
				require.NoFileExists(t, strings.TrimPrefix(address, "file:"))
				require.NoError(t, os.WriteFile(strings.TrimPrefix(address, "file:"), nil, 0o600))
			}
			r := s.run("schema", "-json")
			require.Equal(t, exitFound, r.code, r.stderr)
			answer := lines[schemaAnswer](t, r.stdout)[0]
			require.Equal(t, "behind", answer.Schema)
			require.Len(t, answer.Files, 5)
			require.Contains(t, s.refused(exitFailed, "orders", "list"), "the schema of the database is behind this program: run fulfil migrate")

			require.Contains(t, s.ok("migrate"), "applied 0001_orders.up.sql\n")
			require.NotContains(t, s.ok("migrate"), "applied", "it is up to date")
			require.Equal(t, "fine", lines[schemaAnswer](t, s.ok("schema", "-json"))[0].Schema)
			require.Contains(t, golden(s.ok("schema")), "VERSION  FILE  STATE\n1  0001_orders.up.sql  applied\n")

			src, err := parseDatabase(address, false)
			require.NoError(t, err)
			db, err := sql.Open(src.driver, src.dsn)
			require.NoError(t, err)
			defer db.Close()
			exec := func(statement string) {
				t.Helper()
				_, err := db.Exec(statement)
				require.NoError(t, err)
			}
			exec("INSERT INTO fulfil_schema (component, version, statement) VALUES ('store', 99, 1)")
			r = s.run("schema", "-json")
			require.Equal(t, exitFound, r.code)
			require.Equal(t, []int{99}, lines[schemaAnswer](t, r.stdout)[0].Newer)
			require.Contains(t, s.run("orders", "list").stderr, "update the program", "a newer schema is no reason to refuse")
			exec("DELETE FROM fulfil_schema WHERE version IN (4, 99)")
			exec("DROP TABLE fulfil_terms")
			r = s.run("schema")
			require.Equal(t, exitFound, r.code)
			require.Regexp(t, `4 +0004_terms.up.sql +missing`, r.stdout)
			require.Contains(t, s.refused(exitFailed, "erase", "order-1", "-yes"), "run fulfil migrate")
			require.Equal(t, "applied 0004_terms.up.sql\n", strings.SplitAfter(s.ok("migrate"), "\n")[0])
			require.Equal(t, "fine", lines[schemaAnswer](t, s.ok("schema", "-json"))[0].Schema)
		})
	}
}

// Another tool gets the same SQL, from any version on, and a database that it migrated is fine.
func TestSchemaForAnotherTool(t *testing.T) {
	t.Parallel()
	s := &testShop{t: t, env: map[string]string{}}
	for _, d := range []sqlstore.Dialect{sqlstore.Postgres, sqlstore.MySQL, sqlstore.SQLite} {
		whole := s.ok("schema", "-print", "-dialect", d.String())
		require.Contains(t, whole, "-- 0001_orders.up.sql\n-- +goose Up\n")
		require.Contains(t, whole, "fulfil_orders (\n\tid ")
		later := s.ok("schema", "-print", "-dialect", d.String(), "-from", "4")
		require.NotContains(t, later, "0001")
		require.True(t, strings.HasSuffix(whole, later))
		require.NotContains(t, s.ok("schema", "-print", "-dialect", d.String(), "-no-stock"), "0003")
	}
	require.Contains(t, s.run("schema", "-print", "-dialect", "sqlite", "-from", "99").stderr, "the last is 5")
	require.Contains(t, s.refused(exitUsage, "schema", "-print"), "name the -dialect")
	require.Contains(t, s.refused(exitUsage, "schema", "-print", "-dialect", "oracle"), "postgres, mysql or sqlite")

	folder := t.TempDir()
	written := strings.Fields(s.ok("schema", "-into", folder, "-dialect", "sqlite"))
	require.Len(t, written, 5)
	s.ok("schema", "-into", folder, "-dialect", "sqlite") // the same files stay
	require.Contains(t, s.refused(exitFailed, "schema", "-into", folder, "-dialect", "mysql"), "has another text")

	path := filepath.Join(t.TempDir(), "shop.db")
	s.env["DATABASE_URL"] = "file:" + path
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("PRAGMA journal_mode = WAL")
	require.NoError(t, err)
	for _, name := range written {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		_, err = db.Exec(string(text))
		require.NoError(t, err)
	}
	require.Contains(t, s.ok("schema"), "made elsewhere")
	require.Contains(t, s.refused(exitFailed, "migrate"), "another tool migrated this database")
	s.ok("orders", "list")
}
