package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

var postgres = grammar{
	yes:        "true",
	dueText:    `to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
	lock:       " FOR UPDATE",
	skipLocked: " FOR UPDATE SKIP LOCKED",
	skipLevel:  sql.LevelReadCommitted,
	deleteClaims: func(query string) string {
		return "DELETE FROM fulfil_claims WHERE claim = ANY (ARRAY (" + query + "))" // IN might scan the whole table for a join
	},
	ignore:    ignoreConflict,
	ignoreRow: "ON CONFLICT DO NOTHING",
	add:       addReturning(Postgres),
	save:      savePostgres,
}

// savePostgres joins the table with a list of rows. Their parameters need casts, because no column gives them a type.
func savePostgres(ctx context.Context, tx *sql.Tx, marked bool, rows [][]any) (saved int64, err error) {
	const typed = "(?::text, ?::text, ?::boolean, ?::text, ?::text, ?::bigint, ?::boolean, ?::timestamptz, ?::timestamptz, ?::timestamptz, ?::json)"
	values := strings.Repeat(typed+", ", len(rows)-1) + typed
	statement := updateFrom(values)
	if marked {
		statement += " AND " + sqlkit.PostgresMark
	}
	saved, err = exec(ctx, tx, Postgres.Rebind(statement), slices.Concat(rows...))
	if err == nil && saved == 0 && marked {
		err = sqlkit.CheckTx(ctx, tx, Postgres)
	}
	return saved, err
}

// updateFrom returns a statement that updates orders from a list of rows.
func updateFrom(values string) string {
	sets := make([]string, 0, len(ordersTable.columns))
	for _, column := range ordersTable.columns[1:] {
		sets = append(sets, column+" = v."+column)
	}
	return "WITH v (" + strings.Join(ordersTable.columns, ", ") + ") AS (VALUES " + values + ") " +
		"UPDATE fulfil_orders SET " + strings.Join(sets, ", ") + " FROM v WHERE fulfil_orders.id = v.id"
}

func exec(ctx context.Context, tx *sql.Tx, statement string, args []any) (affected int64, err error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
