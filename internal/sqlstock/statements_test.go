package sqlstock

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation"
)

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

// With a table of the merchant's own, no statement names fulfil_stock, and none inserts into the table.
func TestStatementsOnAnotherTable(t *testing.T) {
	t.Parallel()
	rows := [][]any{{"a", int64(1), int64(1)}}
	for name, dialect := range map[string]statements{"postgres": postgres, "mysql": mysql, "sqlite": sqlite} {
		other := dialect.onTable("shop.products")
		s := reflect.ValueOf(&other).Elem()
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
			require.NotContains(t, query, "fulfil_stock", "%s: %s", name, field)
			require.NotContains(t, query, "INSERT INTO shop.products", "%s: %s", name, field)
			if strings.Contains(query, "shop.products") {
				named++
			}
		}
		require.GreaterOrEqual(t, named, 6, name)
	}
}
