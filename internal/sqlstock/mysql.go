package sqlstock

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// At REPEATABLE READ, the default, every row that a locking statement reads stays locked. So all locking statements look up
// existing rows by ascending primary key. Without FORCE INDEX the optimizer would read the whole of a small table, and a
// missing key would lock the gap around it. Decisions use locking reads only: other reads may be older than the lock.
const mysqlRead = `SELECT s.sku, s.stocked, s.taken,
		(SELECT CAST(COALESCE(SUM(h.quantity), 0) AS SIGNED) FROM fulfil_held h WHERE h.sku = s.sku)
	FROM fulfil_stock s`

var mysql = statements{
	rows: 1000, // a row takes at most 2 KB, and a server accepts 16 MB by default

	claim: mysqlRows(`INSERT INTO fulfil_holds (id, state, hold_lines) VALUES `, `(?, 'held', _utf8mb4 ?)`, `, `,
		` ON DUPLICATE KEY UPDATE repeats = repeats + 1`),
	fresh:       mysqlKeys(`SELECT id FROM fulfil_holds FORCE INDEX (PRIMARY) WHERE id IN `, ` AND repeats = 0`),
	takeFitting: mysqlTakeFitting,
	fitting:     1,
	unclaim:     mysqlKeys(`DELETE h FROM fulfil_holds h FORCE INDEX (PRIMARY) WHERE h.id IN `, ``),
	lockHolds:   mysqlKeys(`SELECT id, state, hold_lines FROM fulfil_holds FORCE INDEX (PRIMARY) WHERE id IN `, ` ORDER BY id FOR UPDATE`),
	sell:        mysqlKeys(`UPDATE fulfil_holds FORCE INDEX (PRIMARY) SET state = 'sold' WHERE id IN `, ``),
	giveBack:    mysqlKeys(`UPDATE fulfil_holds FORCE INDEX (PRIMARY) SET state = 'released' WHERE id IN `, ``),
	seeEnded:    mysqlKeys(`SELECT id FROM fulfil_holds FORCE INDEX (PRIMARY) WHERE id IN `, ` AND state <> 'held'`),
	forget:      mysqlKeys(`DELETE h FROM fulfil_holds h FORCE INDEX (PRIMARY) WHERE h.id IN `, ` AND h.state <> 'held'`),
	lockStock:   mysqlKeys(`SELECT sku, stocked, taken FROM fulfil_stock FORCE INDEX (PRIMARY) WHERE sku IN `, ` ORDER BY sku FOR UPDATE`),
	take:        mysqlTake,
	insertHeld:  mysqlRows(`INSERT INTO fulfil_held (sku, hold_id, quantity) VALUES `, `(?, ?, ?)`, `, `, ``),
	deleteHeld: mysqlRows(`DELETE h FROM fulfil_held h FORCE INDEX (PRIMARY) WHERE `,
		`(h.sku = ? AND h.hold_id = ?)`, ` OR `, ``),
	seeStock:  mysqlKeys(`SELECT sku, stocked, taken FROM fulfil_stock FORCE INDEX (PRIMARY) WHERE sku IN `, ``),
	readStock: mysqlKeys(mysqlRead+` WHERE s.sku IN `, ``),

	readAll:    mysqlRead + ` ORDER BY s.sku`,
	readHolds:  `SELECT id, hold_lines FROM fulfil_holds WHERE state = 'held' AND id > ? ORDER BY id LIMIT ?`,
	makeStock:  `INSERT INTO fulfil_stock (sku, stocked, taken) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE sku = sku`,
	lockHeld:   `SELECT CAST(COALESCE(SUM(quantity), 0) AS SIGNED) FROM fulfil_held FORCE INDEX (PRIMARY) WHERE sku = ? LOCK IN SHARE MODE`,
	sumHeld:    `SELECT CAST(COALESCE(SUM(quantity), 0) AS SIGNED) FROM fulfil_held`,
	setStocked: `UPDATE fulfil_stock SET stocked = ? WHERE sku = ?`,
}

// mysqlRows returns a statement that repeats the text row for each row, with between in between. A question mark in the text
// stands for a value of the row. The values are in the text of the statement: with parameters the driver would prepare each
// statement, which takes a round trip more.
func mysqlRows(before, row, between, after string) statement {
	parts := strings.Split(row, "?")
	return func(rows [][]any) (string, []any, error) {
		var b strings.Builder
		b.WriteString(before)
		for i, r := range rows {
			if i > 0 {
				b.WriteString(between)
			}
			for column, part := range parts[:len(parts)-1] {
				b.WriteString(part)
				mysqlValue(&b, r[column])
			}
			b.WriteString(parts[len(parts)-1])
		}
		b.WriteString(after)
		return b.String(), nil, nil
	}
}

// mysqlValue writes a value as a literal. Text is in hexadecimal digits, so that it needs no quoting in any mode of the server.
func mysqlValue(b *strings.Builder, value any) {
	switch v := value.(type) {
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case string:
		b.WriteString("x'")
		b.WriteString(hex.EncodeToString([]byte(v)))
		b.WriteByte('\'')
	}
}

// mysqlKeys returns a statement with a list of the rows' first columns.
func mysqlKeys(before, after string) statement {
	return mysqlRows(before+`(`, `?`, `, `, `)`+after)
}

func mysqlTake(rows [][]any) (string, []any, error) {
	cases, _, _ := mysqlRows(`UPDATE fulfil_stock FORCE INDEX (PRIMARY) SET taken = taken + CASE sku `, `WHEN ? THEN ?`, ` `, ` END`)(rows)
	keys, _, _ := mysqlKeys(` WHERE sku IN `, ``)(rows)
	return cases + keys, nil, nil
}

// mysqlTakeFitting is for one row. Of several rows it would change those that fit and no others.
func mysqlTakeFitting(rows [][]any) (string, []any, error) {
	sku, quantity := rows[0][0], rows[0][1]
	return mysqlRows(`UPDATE fulfil_stock FORCE INDEX (PRIMARY) SET `, `taken = taken + ? WHERE sku = ? AND ? <= stocked - taken`, ``, ``)(
		[][]any{{quantity, sku, quantity}})
}
