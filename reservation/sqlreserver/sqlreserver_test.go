package sqlreserver

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
