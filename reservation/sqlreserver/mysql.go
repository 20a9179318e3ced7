package sqlreserver

import (
	"strings"

	"github.com/gofulfil/fulfil/internal/sqlkit"
)

// At REPEATABLE READ, the default, every row that a locking statement reads stays locked. So all locking statements look up
// existing rows by ascending primary key. Without FORCE INDEX the optimizer would read the whole of a small table, and a
// missing key would lock the gap around it. Decisions use locking reads only: other reads may be older than the lock.
const mysqlRead = `SELECT s.sku, s.stocked, s.taken,
		(SELECT CAST(COALESCE(SUM(h.quantity), 0) AS SIGNED) FROM fulfil_held h WHERE h.sku = s.sku)
	FROM fulfil_stock s`

var mysql = statements{
	rows: 1000, // at most three placeholders each; MySQL allows 65,535 in a statement

	claim: mysqlRows(`INSERT INTO fulfil_holds (id, state, hold_lines) VALUES `, `(?, 'held', ?)`, `, `,
		` ON DUPLICATE KEY UPDATE repeats = repeats + 1`),
	fresh:      mysqlKeys(`SELECT id FROM fulfil_holds FORCE INDEX (PRIMARY) WHERE id IN `, ` AND repeats = 0`),
	unclaim:    mysqlKeys(`DELETE h FROM fulfil_holds h FORCE INDEX (PRIMARY) WHERE h.id IN `, ``),
	lockHolds:  mysqlKeys(`SELECT id, state, hold_lines FROM fulfil_holds FORCE INDEX (PRIMARY) WHERE id IN `, ` ORDER BY id FOR UPDATE`),
	sell:       mysqlKeys(`UPDATE fulfil_holds FORCE INDEX (PRIMARY) SET state = 'sold' WHERE id IN `, ``),
	giveBack:   mysqlKeys(`UPDATE fulfil_holds FORCE INDEX (PRIMARY) SET state = 'released' WHERE id IN `, ``),
	lockStock:  mysqlKeys(`SELECT sku, stocked, taken FROM fulfil_stock FORCE INDEX (PRIMARY) WHERE sku IN `, ` ORDER BY sku FOR UPDATE`),
	take:       mysqlTake,
	insertHeld: mysqlRows(`INSERT INTO fulfil_held (sku, hold_id, quantity) VALUES `, `(?, ?, ?)`, `, `, ``),
	deleteHeld: mysqlRows(`DELETE h FROM fulfil_held h FORCE INDEX (PRIMARY) WHERE `,
		`(h.sku = ? AND h.hold_id = ?)`, ` OR `, ``),
	readStock: mysqlKeys(mysqlRead+` WHERE s.sku IN `, ``),

	readAll:    mysqlRead + ` ORDER BY s.sku`,
	readHolds:  `SELECT id, hold_lines FROM fulfil_holds WHERE state = 'held' AND id > ? ORDER BY id LIMIT ?`,
	makeStock:  `INSERT INTO fulfil_stock (sku, stocked, taken) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE sku = sku`,
	lockHeld:   `SELECT CAST(COALESCE(SUM(quantity), 0) AS SIGNED) FROM fulfil_held FORCE INDEX (PRIMARY) WHERE sku = ? LOCK IN SHARE MODE`,
	setStocked: `UPDATE fulfil_stock SET stocked = ? WHERE sku = ?`,
}

// mysqlRows returns a statement that repeats the text row for each row, with between in between. A row supplies as many
// arguments as that text has placeholders.
func mysqlRows(before, row, between, after string) statement {
	return func(rows [][]any) (string, []any, error) {
		columns := strings.Count(row, "?")
		args := make([]any, 0, len(rows)*columns)
		for _, r := range rows {
			args = append(args, r[:columns]...)
		}
		return before + strings.TrimSuffix(strings.Repeat(row+between, len(rows)), between) + after, args, nil
	}
}

// mysqlKeys returns a statement with a list of the rows' first columns.
func mysqlKeys(before, after string) statement {
	return func(rows [][]any) (string, []any, error) {
		return before + sqlkit.List(len(rows)) + after, firsts(rows), nil
	}
}

func mysqlTake(rows [][]any) (string, []any, error) {
	cases, args, err := mysqlRows(`UPDATE fulfil_stock FORCE INDEX (PRIMARY) SET taken = taken + CASE sku `,
		`WHEN ? THEN CAST(? AS SIGNED)`, ` `, ` END WHERE sku IN `+sqlkit.List(len(rows)))(rows)
	return cases, append(args, firsts(rows)...), err
}

func firsts(rows [][]any) []any {
	values := make([]any, len(rows))
	for i, r := range rows {
		values[i] = r[0]
	}
	return values
}
