package sqlstore

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
	// At REPEATABLE READ the gaps between due orders, or old claims, would be locked, too, and deadlock with those who write.
	skipLevel: sql.LevelReadCommitted,
	// A DELETE by a list of keys takes no hint, and would read all of a small table.
	deleteClaims: func(query string) string {
		return "DELETE fulfil_claims FROM (" + query + ") AS old STRAIGHT_JOIN fulfil_claims ON fulfil_claims.claim = old.claim"
	},
	ignore: ignoreDuplicate,
	add:    addToken,
	save:   saveCase,
}

// mysqlByKey has MySQL look up a list of keys one by one. The planner would rather read the whole of a small table, and lock
// all of it.
const mysqlByKey = " FORCE INDEX (PRIMARY)"

// ignoreDuplicate ends an INSERT that changes nothing where a key is taken. INSERT IGNORE would also cut values that do not
// fit.
func ignoreDuplicate(key string) string { return "ON DUPLICATE KEY UPDATE " + key + " = " + key }

// addToken inserts rows with a token of this call and finds out by the token which rows are new: MySQL has no RETURNING. It
// locks the rows that it reads back. They are locked already, and a read without a lock would take the transaction's snapshot
// too early for the caller.
func addToken(ctx context.Context, tx *sql.Tx, t table, rows [][]any) (added map[string]bool, err error) {
	marked := tokenTable(t)
	added = map[string]bool{}
	for chunk := range slices.Chunk(rows, maxParams/len(marked.columns)) {
		token := rand.Text()
		var args, keys []any
		for _, row := range chunk {
			args = append(append(args, row...), token)
			keys = append(keys, row[0])
		}
		if _, err := tx.ExecContext(ctx, insert(marked, len(chunk))+ignoreDuplicate(t.key()), args...); err != nil {
			return nil, err
		}
		query := "SELECT " + t.key() + " FROM " + t.name + mysqlByKey +
			" WHERE " + t.key() + " IN " + sqlkit.List(len(keys)) + " AND token = ? FOR UPDATE"
		if err := addKeys(ctx, tx, query, append(keys, token), added); err != nil {
			return nil, err
		}
	}
	return added, nil
}

// tokenTable adds the column that says which call wrote a row.
func tokenTable(t table) table { return table{t.name, append(slices.Clone(t.columns), "token")} }

// saveCase picks each row's values by its ID, as MySQL and MariaDB have no list of rows to join with in common. Token
// changes every row, so that every row found counts as affected. SaveCase need not look whether the transaction goes on: InTx
// turns autocommit off, and rolls back what came after the end.
func saveCase(ctx context.Context, tx *sql.Tx, _ bool, rows [][]any) (saved int64, err error) {
	var statement strings.Builder
	var args []any
	statement.WriteString("UPDATE fulfil_orders" + mysqlByKey + " SET ")
	for n, column := range ordersTable.columns[1:] {
		statement.WriteString(column + " = CASE id" + strings.Repeat(" WHEN ? THEN ?", len(rows)) + " END, ")
		for _, row := range rows {
			args = append(args, row[0], row[n+1])
		}
	}
	statement.WriteString("token = ? WHERE id IN " + sqlkit.List(len(rows)))
	args = append(args, rand.Text())
	for _, row := range rows {
		args = append(args, row[0])
	}
	return exec(ctx, tx, statement.String(), args)
}
