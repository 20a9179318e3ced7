package sqlorders

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
	ignore:      ignoreConflict,
	add:         addReturning(sqlkit.Postgres),
	save:        savePostgres,
	savesBeside: true,
}

// savePostgres joins the table with a list of rows. Their parameters need casts, because no column gives them a type.
func savePostgres(ctx context.Context, q sqlkit.Sender, checks bool, rows [][]any, with beside) (saved int64, err error) {
	const typed = "(?::text, ?::text, ?::boolean, ?::text, ?::text, ?::bigint, ?::boolean, ?::timestamptz, ?::timestamptz, ?::timestamptz, ?::json, ?::json)"
	statement, args := "WITH ", []any{}
	insertWith := func(name string, t table, rows [][]any) {
		if len(rows) > 0 {
			statement += name + " AS (" + insert(t, len(rows)) + ignoreConflict(t) + "), "
			args = append(args, slices.Concat(rows...)...)
		}
	}
	insertWith("new_refs", refsTable, with.refs)
	insertWith("new_terms", termsTable, with.terms)
	statement += updateFrom(strings.Repeat(typed+", ", len(rows)-1) + typed)
	if checks {
		statement += " AND " + sqlkit.PostgresMark
	}
	args = append(args, slices.Concat(rows...)...)
	err = q.Send(ctx, sqlkit.Statement{Query: sqlkit.Postgres.Rebind(statement), Args: args, Changed: &saved})
	if err == nil && saved == 0 && checks {
		err = sqlkit.CheckTx(ctx, q, sqlkit.Postgres)
	}
	return saved, err
}

// updateFrom returns a statement, without the WITH at its beginning, that updates orders from a list of rows.
func updateFrom(values string) string {
	sets := make([]string, 0, len(ordersTable.columns))
	for _, column := range ordersTable.columns[1:] {
		sets = append(sets, column+" = "+newValue(column, "v."+column))
	}
	return "v (" + strings.Join(ordersTable.columns, ", ") + ") AS (VALUES " + values + ") " +
		"UPDATE fulfil_orders SET " + strings.Join(sets, ", ") + " FROM v WHERE fulfil_orders.id = v.id"
}
