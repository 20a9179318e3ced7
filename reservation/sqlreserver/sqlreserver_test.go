package sqlreserver

import (
	"database/sql"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{Postgres, MySQL, SQLite} {
		require.NotNil(t, New(d))
	}
	require.PanicsWithValue(t, "sqlreserver: unknown dialect 0", func() { New(0) })
	require.PanicsWithValue(t, "sqlreserver: the database is nil", func() { New(Postgres).WithDB(nil) }, "and not when something is sold out")
}

func TestNamesOfTables(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "products;", "a.b.c", "1a", `"products"`, "products.", "prodücts"} {
		require.Panics(t, func() { New(Postgres).WithTable(name) }, name)
	}
	require.NotPanics(t, func() { New(Postgres).WithTable("shop.products").WithDB(new(sql.DB)) })
}

// Methods that come from an internal type do not show in go doc, so the comment of Reserver names those that no interface has.
func TestTheDocumentationOfReserverNamesItsMethods(t *testing.T) {
	t.Parallel()
	r := reflect.TypeFor[*Reserver]()
	known := map[string]bool{"WithDB": true, "WithTable": true}
	for _, i := range []reflect.Type{
		reflect.TypeFor[reservation.Reserver[*sql.Tx]](), reflect.TypeFor[reservation.Previewer](), reflect.TypeFor[reservation.Forgetter[*sql.Tx]](),
	} {
		for m := range i.NumMethod() {
			known[i.Method(m).Name] = true
		}
	}
	text, err := os.ReadFile("sqlreserver.go")
	require.NoError(t, err)
	for m := range r.NumMethod() {
		if name := r.Method(m).Name; !known[name] {
			require.Contains(t, string(text), "//\t"+name+"(")
		}
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	table := regexp.MustCompile(`(?m)^CREATE TABLE IF NOT EXISTS (\w+) \($`)
	for _, d := range []Dialect{Postgres, MySQL, SQLite} {
		files, err := Schema(d)
		require.NoError(t, err)
		text, err := fs.ReadFile(files, "0003_reserver.up.sql")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "-- +goose Up\n"), "goose needs its annotation in the first line")
		var tables []string
		for _, m := range table.FindAllStringSubmatch(string(text), -1) {
			tables = append(tables, m[1])
		}
		require.Equal(t, []string{"fulfil_stock", "fulfil_holds", "fulfil_held"}, tables, d)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "CREATE") {
				require.Contains(t, line, " IF NOT EXISTS ", "a statement must also succeed when it is run again")
			}
			if strings.Contains(line, "--") {
				require.True(t, strings.HasPrefix(line, "--"), "a comment must be a line of its own")
			}
		}
	}
	_, err := fs.ReadFile(files, "schema/oracle/0003_reserver.up.sql")
	require.ErrorIs(t, err, fs.ErrNotExist)
}
