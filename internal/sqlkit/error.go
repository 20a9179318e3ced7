package sqlkit

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Fail says what was being done when err came. The error of a context that has ended is matched whatever the driver made
// of it, and a missing table is explained. Nil stays nil.
func Fail(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("%s: %w: %w", doing, ctx.Err(), err)
	case missingTable(err.Error()):
		return fmt.Errorf("%s: a table is missing, Migrate has not been run on this database: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// missingTable tells by the text, which the databases do not translate by default, as the drivers' errors have no code in
// common.
func missingTable(text string) bool {
	if !strings.Contains(text, "fulfil_") {
		return false
	}
	for _, said := range []string{"no such table", "does not exist", "doesn't exist"} { // SQLite, PostgreSQL, MySQL
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}
