package dbtest

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// The files of both Schemas in one folder are one history: each version exists once, and a tool that runs them by ascending
// version makes all that both packages need.
func TestOneMigrationHistory(t *testing.T) {
	Each(t, func(t *testing.T, d Database) {
		t.Parallel()
		ctx, db := t.Context(), d.Open(t, 2)
		folder, versions := map[string]string{}, map[string]string{}
		for _, schema := range []func(sqlstore.Dialect) (fs.FS, error){sqlstore.Schema, sqlreserver.Schema} {
			files, err := schema(d.Dialect)
			require.NoError(t, err)
			names, err := fs.Glob(files, "*")
			require.NoError(t, err)
			for _, name := range names {
				version, _, _ := strings.Cut(name, "_")
				require.Empty(t, versions[version], "%s has the version of another file", name)
				versions[version] = name
				text, err := fs.ReadFile(files, name)
				require.NoError(t, err)
				folder[name] = string(text)
			}
		}
		require.Len(t, folder, 5)
		for _, name := range slices.Sorted(maps.Keys(folder)) {
			for statement := range strings.SplitSeq(folder[name], ";\n") {
				if strings.TrimSpace(statement) != "" {
					mustExec(t, db, statement)
				}
			}
		}
		if d.Driver == "sqlite" || d.Driver == "sqlite3" {
			require.NoError(t, db.QueryRow("PRAGMA journal_mode = WAL").Scan(new(string)))
		}
		require.NoError(t, sqlstore.Check(ctx, db, d.Dialect))
		require.NoError(t, sqlreserver.Check(ctx, db, d.Dialect))
		worksStore(t, db, d, "a")
	})
}
