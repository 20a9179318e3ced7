package sqlreserver

import (
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{Postgres, MySQL, SQLite} {
		require.NotNil(t, New(d))
	}
	require.PanicsWithValue(t, "sqlreserver: unknown dialect 0", func() { New(0) })
}

// With a table of the merchant's own, no statement names fulfil_stock, and none inserts into the table.
func TestStatementsOnAnotherTable(t *testing.T) {
	t.Parallel()
	rows := [][]any{{"a", int64(1), int64(1)}}
	for _, d := range []Dialect{Postgres, MySQL, SQLite} {
		s := reflect.ValueOf(&New(d).WithTable("shop.products").sql).Elem()
		named := 0
		for i := range s.NumField() {
			field, value := s.Type().Field(i).Name, s.Field(i)
			var query string
			switch {
			case value.Kind() == reflect.String:
				query = value.String()
			case value.Kind() == reflect.Func && !value.IsNil():
				args := make([]reflect.Value, value.Type().NumIn())
				for i := range args {
					args[i] = reflect.ValueOf(rows)
				}
				value = reflect.NewAt(value.Type(), unsafe.Pointer(value.UnsafeAddr())).Elem()
				query = value.Call(args)[0].String()
			}
			require.NotContains(t, query, "fulfil_stock", "%v: %s", d, field)
			require.NotContains(t, query, "INSERT INTO shop.products", "%v: %s", d, field)
			if strings.Contains(query, "shop.products") {
				named++
			}
		}
		require.GreaterOrEqual(t, named, 6, d)
	}
	for _, name := range []string{"", "a b", "products;", "a.b.c", "1a", `"products"`, "products.", "prodücts"} {
		require.Panics(t, func() { New(Postgres).WithTable(name) }, name)
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

// On MySQL every value of every row must meet its place in the text, and a text must be written so that no server reads it as
// SQL.
func TestMySQLValues(t *testing.T) {
	t.Parallel()
	rows := [][]any{{"a'", "b", int64(1)}, {`\`, "d", int64(-2)}}
	for name, c := range map[string]struct {
		build statement
		want  string
	}{
		"claim":      {mysql.claim, "VALUES (x'6127', 'held', _utf8mb4 x'62'), (x'5c', 'held', _utf8mb4 x'64') ON"},
		"lockHolds":  {mysql.lockHolds, "WHERE id IN (x'6127', x'5c') ORDER BY id FOR UPDATE"},
		"insertHeld": {mysql.insertHeld, "VALUES (x'6127', x'62', 1), (x'5c', x'64', -2)"},
		"deleteHeld": {mysql.deleteHeld, "WHERE (h.sku = x'6127' AND h.hold_id = x'62') OR (h.sku = x'5c' AND h.hold_id = x'64')"},
		"readStock":  {mysql.readStock, "WHERE s.sku IN (x'6127', x'5c')"},
	} {
		query, args, err := c.build(rows)
		require.NoError(t, err)
		require.Empty(t, args, name)
		require.Contains(t, query, c.want, name)
	}
	changes := [][]any{{"a", int64(1)}, {"b", int64(-2)}}
	query, _, err := mysql.take(changes)
	require.NoError(t, err)
	require.Contains(t, query, "CASE sku WHEN x'61' THEN 1 WHEN x'62' THEN -2 END WHERE sku IN (x'61', x'62')")
	query, _, err = mysql.takeFitting(changes[:1])
	require.NoError(t, err)
	require.Contains(t, query, "SET taken = taken + 1 WHERE sku = x'61' AND 1 <= stocked - taken")
}

// On PostgreSQL a text must be written so that an array holds it as it is.
func TestPostgresArrays(t *testing.T) {
	t.Parallel()
	rows := [][]any{{`a"b\c`, int64(1)}, {`{,}`, int64(-2)}, {"NULL", int64(3)}}
	require.Equal(t, []any{`{"a\"b\\c","{,}","NULL"}`, `{1,-2,3}`}, pgColumns(rows, 2))
	require.Equal(t, []any{`{}`, `{}`}, pgColumns(nil, 2))
}

func TestLinesOfAHold(t *testing.T) {
	t.Parallel()
	lines := []reservation.Line{{SKU: `a "quoted" <b> \ é✓`, Quantity: 1<<63 - 1}, {SKU: "tee", Quantity: 1}}
	text, err := encode(lines)
	require.NoError(t, err)
	back, err := decode([]byte(text))
	require.NoError(t, err)
	require.Equal(t, lines, back)
	_, err = decode([]byte("{"))
	require.Error(t, err)
}
