package sqlorders

import (
	"context"
	"slices"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// A transaction on SQLite has the write lock, so no statement locks rows.
var sqlite = grammar{
	yes:          "1",
	dueText:      "due_at",
	deleteClaims: func(query string) string { return "DELETE FROM fulfil_claims WHERE claim IN (" + query + ")" },
	ignore:       ignoreConflict,
	add:          addReturning(sqlkit.SQLite),
	save: func(ctx context.Context, q sqlkit.Sender, checks bool, rows [][]any, _ beside) (saved int64, err error) {
		if checks {
			if err := sqlkit.CheckTx(ctx, q, sqlkit.SQLite); err != nil {
				return 0, err
			}
		}
		query := "WITH " + updateFrom(sqlkit.Rows(len(rows), len(ordersTable.columns)))
		return saved, q.Send(ctx, sqlkit.Statement{Query: query, Args: slices.Concat(rows...), Changed: &saved})
	},
}
