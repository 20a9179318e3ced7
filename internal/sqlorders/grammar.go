package sqlorders

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// grammar holds the parts of statements that differ between the dialects.
type grammar struct {
	// dueText is the column due_at as RFC 3339 text. Drivers disagree about what a column of times scans into.
	dueText string
	// yes is the literal for true in a boolean column.
	yes string
	// byKey follows the table's name in a statement that looks up rows by a list of primary keys.
	byKey string
	// lock ends a SELECT that locks its rows. skipLocked ends a SELECT that also leaves out rows that other transactions have
	// locked.
	lock, skipLocked string
	// skipLevel is the isolation level of transactions that begin with a skipLocked SELECT.
	skipLevel sql.IsolationLevel
	// deleteClaims returns a DELETE of the claims that a query returns. The DELETE looks each up by its key.
	deleteClaims func(query string) string
	// ignore ends an INSERT that leaves a row with a taken key as it is. The INSERT waits for a transaction that is taking the
	// key.
	ignore func(t table) string
	// add inserts the rows whose keys are free and returns those keys.
	add func(ctx context.Context, q sqlkit.Sender, t table, rows [][]any) (added map[string]bool, err error)
	// save updates rows of ordersTable and counts those that exist. It takes at most saveRows rows, each ID once. If checks is
	// set, the transaction is one of InTx, and save changes nothing after that transaction has ended. If savesBeside is set, the
	// same statement writes the references and terms of with, at most saveRows, unless checks is set.
	save        func(ctx context.Context, q sqlkit.Sender, checks bool, rows [][]any, with beside) (saved int64, err error)
	savesBeside bool
}

var grammars = map[sqlkit.Dialect]grammar{sqlkit.Postgres: postgres, sqlkit.MySQL: mysql, sqlkit.SQLite: sqlite}

const (
	// maxParams is the largest number of parameters in a statement. SQLite has the lowest limit.
	maxParams = 32766
	// saveRows is the largest number of orders in one UPDATE. MySQL scans the whole list of them for each order.
	saveRows = 100
)

// insert returns a statement that inserts n rows.
func insert(t table, n int) string {
	return "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES " + sqlkit.Rows(n, len(t.columns)) + " "
}

// keep returns the statements that insert the rows whose keys are free.
func (s *Store[Tx]) keep(t table, rows [][]any) (statements []sqlkit.Statement) {
	for chunk := range slices.Chunk(rows, maxParams/len(t.columns)) {
		query := s.dialect.Rebind(insert(t, len(chunk)) + s.grammar.ignore(t))
		statements = append(statements, sqlkit.Statement{Query: query, Args: slices.Concat(chunk...)})
	}
	return statements
}

// addReturning makes grammar.add for a dialect with RETURNING.
func addReturning(d sqlkit.Dialect) func(ctx context.Context, q sqlkit.Sender, t table, rows [][]any) (added map[string]bool, err error) {
	return func(ctx context.Context, q sqlkit.Sender, t table, rows [][]any) (added map[string]bool, err error) {
		added = map[string]bool{}
		for chunk := range slices.Chunk(rows, maxParams/len(t.columns)) {
			statement := insert(t, len(chunk)) + ignoreConflict(t) + " RETURNING " + t.key()
			if err := addKeys(ctx, q, d.Rebind(statement), slices.Concat(chunk...), added); err != nil {
				return nil, err
			}
		}
		return added, nil
	}
}

func ignoreConflict(t table) string { return "ON CONFLICT (" + t.keys() + ") DO NOTHING" }

// addKeys adds the keys that a query returns to keys.
func addKeys(ctx context.Context, q sqlkit.Sender, query string, args []any, keys map[string]bool) error {
	return q.Send(ctx, sqlkit.Statement{Query: query, Args: args, Row: func(scan sqlkit.Scan) error {
		var key []byte // a claim is no text
		err := scan(&key)
		keys[string(key)] = true
		return err
	}})
}

// texts returns strings as arguments of a query.
func texts[T ~string](texts []T) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = string(text)
	}
	return all
}
