package sqlreserver

import (
	"io/fs"
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

// On MySQL every value of every row must meet its placeholder, in the right sequence.
func TestMySQLPlaceholders(t *testing.T) {
	t.Parallel()
	rows := [][]any{{"a", "b", int64(1)}, {"c", "d", int64(2)}, {"e", "f", int64(3)}}
	for name, build := range map[string]statement{
		"claim": mysql.claim, "fresh": mysql.fresh, "unclaim": mysql.unclaim, "lockHolds": mysql.lockHolds, "sell": mysql.sell,
		"giveBack": mysql.giveBack, "lockStock": mysql.lockStock, "take": mysql.take, "insertHeld": mysql.insertHeld,
		"deleteHeld": mysql.deleteHeld, "readStock": mysql.readStock,
	} {
		query, args, err := build(rows)
		require.NoError(t, err)
		require.Equal(t, strings.Count(query, "?"), len(args), name)
		require.LessOrEqual(t, len(args)/len(rows)*mysql.rows, 65535, name)
	}
	query, args, err := mysql.take([][]any{{"a", int64(1)}, {"b", int64(-2)}})
	require.NoError(t, err)
	require.Contains(t, query, "CASE sku WHEN ? THEN CAST(? AS SIGNED) WHEN ? THEN CAST(? AS SIGNED) END WHERE sku IN (?, ?)")
	require.Equal(t, []any{"a", int64(1), "b", int64(-2), "a", "b"}, args)
	query, args, err = mysql.deleteHeld(rows[:2])
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(query, "WHERE (h.sku = ? AND h.hold_id = ?) OR (h.sku = ? AND h.hold_id = ?)"), query)
	require.Equal(t, []any{"a", "b", "c", "d"}, args)
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
