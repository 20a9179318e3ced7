package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// A transaction on SQLite has the write lock, so no statement locks rows.
var sqlite = grammar{
	yes:          "1",
	dueText:      "due_at",
	deleteClaims: func(query string) string { return "DELETE FROM fulfil_claims WHERE claim IN (" + query + ")" },
	ignore:       ignoreConflict,
	add:          addReturning(SQLite),
	save: func(ctx context.Context, tx *sql.Tx, checks bool, rows [][]any, _ beside) (saved int64, err error) {
		if checks {
			if err := sqlkit.CheckTx(ctx, tx, SQLite); err != nil {
				return 0, err
			}
		}
		return exec(ctx, tx, "WITH "+updateFrom(sqlkit.Rows(len(rows), len(ordersTable.columns))), slices.Concat(rows...))
	},
}
