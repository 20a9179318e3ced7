package sqlkit_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gofulfil/fulfil/internal/sqlkit"
	"github.com/gofulfil/fulfil/reservation/sqlreserver"
	"github.com/gofulfil/fulfil/store/sqlstore"
)

// While a shop is upgraded, processes of the old version read and write the tables that the new version has migrated. So a migration
// only adds: tables, indexes, and columns that an INSERT of the old version can leave out.
var additive = []*regexp.Regexp{
	regexp.MustCompile(`^CREATE TABLE (IF NOT EXISTS )?fulfil_`),
	regexp.MustCompile(`^CREATE INDEX (IF NOT EXISTS )?fulfil_`),
	regexp.MustCompile(`^ALTER TABLE fulfil_\w+ ADD INDEX fulfil_\w+ \([^)]*\)$`),
	regexp.MustCompile(`^ALTER TABLE fulfil_\w+ ADD COLUMN (IF NOT EXISTS )?[^,]*$`),
}

// required is a new column that an old INSERT must fill.
var required = regexp.MustCompile(`ADD COLUMN .*NOT NULL`)

// refuse says why a statement of a migration breaks processes of the old version; "": it does not.
func refuse(statement string) string {
	statement = strings.Join(strings.Fields(statement), " ")
	adds := false
	for _, form := range additive {
		adds = adds || form.MatchString(statement)
	}
	switch {
	case !adds:
		return "does something else than to add a table, an index or a column"
	case strings.Contains(statement, "ADD COLUMN") && regexp.MustCompile(`\b(UNIQUE|PRIMARY|CHECK|REFERENCES)\b`).MatchString(statement):
		return "adds a column with a constraint, which what the old version writes may violate"
	case required.MatchString(statement) && !strings.Contains(statement, "DEFAULT"):
		return "adds a column that is NOT NULL and has no DEFAULT, so that an INSERT of the old version fails"
	}
	return ""
}

// Every migration is additive.
func TestMigrationsAreAdditive(t *testing.T) {
	t.Parallel()
	for _, d := range []sqlkit.Dialect{sqlkit.Postgres, sqlkit.MySQL, sqlkit.SQLite} {
		for _, schema := range []func(sqlkit.Dialect) (fs.FS, error){sqlstore.Schema, sqlreserver.Schema} {
			files, err := schema(d)
			require.NoError(t, err)
			names, err := fs.Glob(files, "*.up.sql")
			require.NoError(t, err)
			require.NotEmpty(t, names)
			for _, name := range names {
				text, err := fs.ReadFile(files, name)
				require.NoError(t, err)
				for statement := range strings.SplitSeq(withoutComments(string(text)), ";") {
					if statement = strings.TrimSpace(statement); statement != "" {
						require.Empty(t, refuse(statement), fmt.Sprintf("%s %s: %s", d, name, statement))
					}
				}
			}
		}
	}
}

// withoutComments removes the lines that are comments.
func withoutComments(text string) string {
	return regexp.MustCompile(`(?m)^\s*--.*$|\s--\s.*$`).ReplaceAllString(text, "")
}

// The rule refuses what would break a process of the old version.
func TestMigrationsThatAreNotAdditive(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"DROP TABLE fulfil_claims",
		"ALTER TABLE fulfil_orders DROP COLUMN email",
		"ALTER TABLE fulfil_orders RENAME COLUMN email TO mail",
		"ALTER TABLE fulfil_orders ALTER COLUMN total TYPE numeric",
		"ALTER TABLE fulfil_orders MODIFY total DECIMAL(20)",
		"ALTER TABLE fulfil_orders ADD COLUMN region text NOT NULL",
		"ALTER TABLE fulfil_orders ADD COLUMN region text UNIQUE",
		"ALTER TABLE fulfil_orders ADD COLUMN region text, DROP COLUMN email",
		"ALTER TABLE fulfil_orders ADD CONSTRAINT positive CHECK (total >= 0)",
		"CREATE UNIQUE INDEX fulfil_orders_email ON fulfil_orders (email)",
		"UPDATE fulfil_orders SET email = ''",
	} {
		require.NotEmpty(t, refuse(statement), statement)
	}
	for _, statement := range []string{
		"ALTER TABLE fulfil_orders ADD COLUMN region text",
		"ALTER TABLE fulfil_orders ADD COLUMN region text NOT NULL DEFAULT ''",
		"CREATE INDEX fulfil_orders_email ON fulfil_orders (email)",
	} {
		require.Empty(t, refuse(statement), statement)
	}
}
