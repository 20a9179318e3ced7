package sqlkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Fail adds the action that failed to err. If ctx has ended, the result matches its error, even if err does not. Fail also
// explains a missing table and a pooler. Nil stays nil.
func Fail(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("%s: %w: %w", doing, ctx.Err(), err)
	case missingTable(err):
		return fmt.Errorf("%s: %s: %w", doing, notMigrated, err)
	}
	return fmt.Errorf("%s: %w", doing, explainPooler(err))
}

const notMigrated = "a table is missing: run Migrate on this database"

// missingTable reports whether err says that a table of the library is missing, and lacks the explanation. It looks at the text
// of err, except on PostgreSQL, which may answer in another language.
func missingTable(err error) bool {
	text := err.Error()
	if !strings.Contains(text, "fulfil_") || strings.Contains(text, notMigrated) {
		return false
	}
	var coded interface{ SQLState() string }
	return errors.As(err, &coded) && coded.SQLState() == "42P01" || // undefined_table
		strings.Contains(text, "no such table") || // SQLite
		strings.Contains(text, "doesn't exist") // MySQL
}

// isThere reports whether an index or a column could not be added because it exists. MySQL has no CREATE INDEX IF NOT EXISTS, and no
// ADD COLUMN IF NOT EXISTS.
func isThere(err error) bool {
	switch mysqlNumber(err) {
	case 1060, 1061: // ER_DUP_FIELDNAME, ER_DUP_KEYNAME
		return true
	}
	return false
}
