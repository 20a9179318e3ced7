package sqlorders

import (
	"context"
	"crypto/rand"
	"database/sql"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

var mysql = grammar{
	yes:        "1",
	dueText:    "DATE_FORMAT(due_at, '%Y-%m-%dT%H:%i:%s.%fZ')",
	byKey:      mysqlByKey,
	lock:       " FOR UPDATE",
	skipLocked: " FOR UPDATE SKIP LOCKED",
	// REPEATABLE READ would also lock the gaps between due orders or old claims, and deadlock with transactions that insert
	// there.
	skipLevel: sql.LevelReadCommitted,
	// A DELETE with a list of keys accepts no index hint and would read the whole of a small table.
	deleteClaims: func(query string) string {
		return "DELETE fulfil_claims FROM (" + query + ") AS old STRAIGHT_JOIN fulfil_claims ON fulfil_claims.claim = old.claim"
	},
	ignore: ignoreDuplicate,
	add:    addToken,
	save:   saveCase,
}

// mysqlByKey makes MySQL look up a list of keys one by one. Otherwise the planner reads, and locks, the whole of a small table.
const mysqlByKey = " FORCE INDEX (PRIMARY)"

// ignoreDuplicate ends an INSERT that leaves a row with a taken key as it is. INSERT IGNORE would also cut values that do not
// fit.
func ignoreDuplicate(t table) string { return "ON DUPLICATE KEY UPDATE " + t.key() + " = " + t.key() }

// addToken inserts rows with a token of this call and reads back which rows have the token: MySQL has no RETURNING. The read
// locks its rows, although the INSERT has locked them before: a read without a lock would take the transaction's snapshot too
// early for the caller.
func addToken(ctx context.Context, q sqlkit.Sender, t table, rows [][]any) (added map[string]bool, err error) {
	marked := tokenTable(t)
	added = map[string]bool{}
	for chunk := range slices.Chunk(rows, maxParams/len(marked.columns)) {
		token := rand.Text()
		var args, keys []any
		for _, row := range chunk {
			args = append(append(args, row...), token)
			keys = append(keys, row[0])
		}
		if err := q.Send(ctx, sqlkit.Statement{Query: insert(marked, len(chunk)) + ignoreDuplicate(t), Args: args}); err != nil {
			return nil, err
		}
		query := "SELECT " + t.key() + " FROM " + t.name + mysqlByKey +
			" WHERE " + t.key() + " IN " + sqlkit.List(len(keys)) + " AND token = ? FOR UPDATE"
		if err := addKeys(ctx, q, query, append(keys, token), added); err != nil {
			return nil, err
		}
	}
	return added, nil
}

// tokenTable returns t with the column token, which names the call that wrote the row.
func tokenTable(t table) table { return table{t.name, append(slices.Clone(t.columns), "token")} }

// saveCase picks each row's values by its ID, because MySQL and MariaDB share no syntax to join with a list of rows. The new
// token changes every row, so that MySQL counts each row it found as affected. saveCase need not check that the transaction is
// still open: InTx turns autocommit off and rolls back everything after the transaction's end.
func saveCase(ctx context.Context, q sqlkit.Sender, _ bool, rows [][]any, _ beside) (saved int64, err error) {
	var statement strings.Builder
	var args []any
	statement.WriteString("UPDATE fulfil_orders" + mysqlByKey + " SET ")
	for n, column := range ordersTable.columns[1:] {
		statement.WriteString(column + " = " + newValue(column, "CASE id"+strings.Repeat(" WHEN ? THEN ?", len(rows))+" END") + ", ")
		for _, row := range rows {
			args = append(args, row[0], row[n+1])
		}
	}
	statement.WriteString("token = ? WHERE id IN " + sqlkit.List(len(rows)))
	args = append(args, rand.Text())
	for _, row := range rows {
		args = append(args, row[0])
	}
	return saved, q.Send(ctx, sqlkit.Statement{Query: statement.String(), Args: args, Changed: &saved})
}
