package sqlstore_test

import (
	"database/sql"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/store"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// These tests need no database. The tests in internal/dbtest run the Store on real ones.

var dialects = []sqlstore.Dialect{sqlstore.Postgres, sqlstore.MySQL, sqlstore.SQLite}

// Other tools use the files unchanged: golang-migrate reads their names, goose their first line.
func TestSchema(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^\d{4}_[a-z_]+\.up\.sql$`)
	versions := map[string]int{}
	for _, d := range dialects {
		files, err := sqlstore.Schema(d)
		require.NoError(t, err)
		entries, err := fs.ReadDir(files, ".")
		require.NoError(t, err)
		require.NotEmpty(t, entries)
		for _, e := range entries {
			require.Regexp(t, name, e.Name())
			versions[e.Name()]++
			text, err := fs.ReadFile(files, e.Name())
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(text), "-- +goose Up\n"), "%s of %s", e.Name(), d)
			for _, created := range regexp.MustCompile(`(?m)^CREATE \w+ (IF NOT EXISTS )?(\w+)`).FindAllStringSubmatch(string(text), -1) {
				require.True(t, strings.HasPrefix(created[2], "fulfil_"), created[2])
				if d == sqlstore.MySQL {
					require.NotEmpty(t, created[1], "%s of %s: the statement must also succeed when it is run again", created[2], d)
				}
			}
		}
	}
	for name, n := range versions {
		require.Equal(t, len(dialects), n, "%s must exist for every dialect", name)
	}
}

func TestUnknownDialect(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "sqlstore: unknown dialect 9", func() { sqlstore.New(new(sql.DB), 9) })
	require.PanicsWithValue(t, "sqlstore: unknown dialect 0", func() { sqlstore.New(new(sql.DB), 0) })
	require.PanicsWithValue(t, "sqlstore: the database is nil", func() { sqlstore.New(nil, sqlstore.Postgres) })
	require.ErrorContains(t, sqlstore.Migrate(t.Context(), new(sql.DB), 9), "unknown dialect 9")
}

// Methods that come from an internal type do not show in go doc, so the comment of Store names those that no interface has.
func TestTheDocumentationOfStoreNamesItsMethods(t *testing.T) {
	t.Parallel()
	st := reflect.TypeFor[*sqlstore.Store]()
	known := map[string]bool{}
	for _, i := range []reflect.Type{reflect.TypeFor[store.Store[*sql.Tx]](), reflect.TypeFor[store.OwnTx[*sql.Tx]](), reflect.TypeFor[store.Counter]()} {
		for m := range i.NumMethod() {
			known[i.Method(m).Name] = true
		}
	}
	text, err := os.ReadFile("sqlstore.go")
	require.NoError(t, err)
	for m := range st.NumMethod() {
		if name := st.Method(m).Name; !known[name] {
			require.Contains(t, string(text), "//\t"+name+"(")
		}
	}
}

// The methods of an alias do not show in go doc, so its comment names each.
func TestTheDocumentationOfDialectNamesItsMethods(t *testing.T) {
	t.Parallel()
	dialect := reflect.TypeFor[sqlstore.Dialect]()
	require.Positive(t, dialect.NumMethod())
	for _, path := range []string{"sqlstore.go", "../../reservation/sqlreserver/sqlreserver.go"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range dialect.NumMethod() {
			require.Contains(t, string(text), "//\t"+dialect.Method(i).Name+"(", path)
		}
	}
}
