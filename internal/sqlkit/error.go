package sqlkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Fail adds the action that failed to err. The result matches the error of a context that has ended, whatever the driver made
// of that, and a missing table or a pooler is explained. Nil stays nil.
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

const notMigrated = "a table is missing, Migrate has not been run on this database"

// missingTable reports whether err is of a missing table of the library, and does not explain that yet. It tells by the text of
// err, except on PostgreSQL, which may answer in another language.
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

// hasIndex reports whether an index could not be added because it is there. MySQL has no CREATE INDEX IF NOT EXISTS.
func hasIndex(err error) bool { return mysqlNumber(err) == 1061 } // ER_DUP_KEYNAME
