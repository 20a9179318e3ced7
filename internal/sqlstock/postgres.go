package sqlstock

import (
	"strconv"
	"strings"
)

// On PostgreSQL each step is one statement with common table expressions. All of its parts see the rows as they were when the
// statement began, except for rows that the statement locks: PostgreSQL reads those again once it has the lock. So decisions and
// new values come only from rows that "FOR UPDATE" returned. An UPDATE of stock sets both columns from them: it would check the
// table's constraint once on the old row, before it finds the current one.
//
// The parameters are arrays: the planner then knows how many rows to expect. Otherwise it guesses a hundred, and reads the whole
// table instead of looking so many rows up.
const (
	pgRead = `SELECT s.sku, s.stocked, s.taken, (SELECT coalesce(sum(h.quantity), 0)::bigint FROM fulfil_held h WHERE h.sku = s.sku)
		FROM fulfil_stock s`

	// pgTake inserts holds. If all of them are new, it locks their stock, and if all of them fit, it takes the stock. The SKUs are
	// sorted, so that transactions lock in one sequence. The parameters are the IDs and lines of the holds, the SKUs and their
	// total quantities, and the SKUs, hold IDs and quantities for fulfil_held.
	pgTake = `WITH fresh AS (
		INSERT INTO fulfil_holds (id, state, hold_lines)
		SELECT r.id, 'held', r.hold_lines::jsonb FROM unnest($1::text::text[], $2::text::text[]) AS r (id, hold_lines)
		ON CONFLICT (id) DO NOTHING RETURNING id
	), stock AS MATERIALIZED (
		SELECT s.sku, s.stocked, s.taken, r.quantity
		FROM unnest($3::text::text[], $4::text::bigint[]) AS r (sku, quantity) JOIN fulfil_stock s ON s.sku = r.sku
		WHERE (SELECT count(*) FROM fresh) = cardinality($1::text::text[])
		ORDER BY s.sku FOR UPDATE OF s
	), fits AS MATERIALIZED (
		SELECT count(*) = cardinality($3::text::text[]) AS every FROM stock WHERE quantity <= stocked - taken
	), took AS (
		UPDATE fulfil_stock s SET stocked = stock.stocked, taken = stock.taken + stock.quantity
		FROM stock WHERE s.sku = stock.sku AND (SELECT every FROM fits)
	), held AS (
		INSERT INTO fulfil_held (sku, hold_id, quantity)
		SELECT r.sku, r.hold_id, r.quantity
		FROM unnest($5::text::text[], $6::text::text[], $7::text::bigint[]) AS r (sku, hold_id, quantity)
		WHERE (SELECT every FROM fits)
	)
	SELECT 'all', '', 0, 0 FROM fits WHERE every
	UNION ALL SELECT 'hold', id, 0, 0 FROM fresh WHERE NOT (SELECT every FROM fits)
	UNION ALL SELECT 'stock', sku, stocked, taken FROM stock WHERE NOT (SELECT every FROM fits)`

	// pgKeep deletes refused holds (ID), changes locked stock (SKU, change) and writes fulfil_held (SKU, hold ID, quantity).
	pgKeep = `WITH refused AS (
		DELETE FROM fulfil_holds WHERE id = ANY ($1::text::text[])
	), took AS (
		UPDATE fulfil_stock s SET taken = s.taken + r.change
		FROM unnest($2::text::text[], $3::text::bigint[]) AS r (sku, change) WHERE s.sku = r.sku
	)
	INSERT INTO fulfil_held (sku, hold_id, quantity)
	SELECT r.sku, r.hold_id, r.quantity
	FROM unnest($4::text::text[], $5::text::text[], $6::text::bigint[]) AS r (sku, hold_id, quantity)`

	// pgEnd locks holds (ID), ends those that stand, and deletes their rows of fulfil_held. It looks the rows up one by one: OFFSET
	// keeps the planner from a join, for which it would read the whole table, as it expects a hundred lines of each hold. No other
	// transaction touches the rows, since the hold is locked.
	pgEnd = `WITH known AS MATERIALIZED (
		SELECT id, state, hold_lines FROM fulfil_holds WHERE id = ANY ($1::text::text[]) ORDER BY id FOR UPDATE
	), ended AS (
		UPDATE fulfil_holds h SET state = '$state' FROM known
		WHERE h.id = ANY ($1::text::text[]) AND h.id = known.id AND known.state = 'held'
	), line AS MATERIALIZED (
		SELECT l->>'sku' AS sku, known.id AS hold_id, (l->>'quantity')::bigint AS quantity
		FROM known, jsonb_array_elements(known.hold_lines) AS l WHERE known.state = 'held'
	), over AS (
		DELETE FROM fulfil_held WHERE ctid = ANY (ARRAY(
			SELECT h.ctid FROM line CROSS JOIN LATERAL (
				SELECT ctid FROM fulfil_held WHERE sku = line.sku AND hold_id = line.hold_id OFFSET 0) h))
	)`

	pgSell = pgEnd + ` SELECT id, state, 0 FROM known`

	pgGiveBack = pgEnd + `, total AS MATERIALIZED (
		SELECT sku, sum(quantity)::bigint AS quantity FROM line GROUP BY sku
	), stock AS MATERIALIZED (
		SELECT s.sku, s.stocked, s.taken, total.quantity FROM total JOIN fulfil_stock s ON s.sku = total.sku
		ORDER BY s.sku FOR UPDATE OF s
	), back AS (
		UPDATE fulfil_stock s SET stocked = stock.stocked, taken = stock.taken - stock.quantity
		FROM stock WHERE s.sku = stock.sku
	)
	SELECT id, state, (SELECT count(*) FROM total) - (SELECT count(*) FROM stock) FROM known`
)

var postgres = statements{
	takeAtOnce: func(holds, totals, held [][]any) (string, []any, error) {
		return pgTake, append(append(pgColumns(holds, 2), pgColumns(totals, 2)...), pgColumns(held, 3)...), nil
	},
	keepAtOnce: func(refused, changes, held [][]any) (string, []any, error) {
		return pgKeep, append(append(pgColumns(refused, 1), pgColumns(changes, 2)...), pgColumns(held, 3)...), nil
	},
	sellAtOnce:     viaArray(strings.Replace(pgSell, "$state", stateSold, 1)),
	giveBackAtOnce: viaArray(strings.Replace(pgGiveBack, "$state", stateReleased, 1)),

	lockHolds: viaArray(`SELECT id, state, hold_lines FROM fulfil_holds WHERE id = ANY ($1::text::text[]) ORDER BY id FOR UPDATE`),
	seeEnded:  viaArray(`SELECT id FROM fulfil_holds WHERE id = ANY ($1::text::text[]) AND state <> 'held'`),
	forget:    viaArray(`DELETE FROM fulfil_holds WHERE id = ANY ($1::text::text[]) AND state <> 'held'`),
	lockStock: viaArray(`SELECT sku, stocked, taken FROM fulfil_stock WHERE sku = ANY ($1::text::text[]) ORDER BY sku FOR UPDATE`),
	seeStock:  viaArray(`SELECT sku, stocked, taken FROM fulfil_stock WHERE sku = ANY ($1::text::text[])`),
	readStock: viaArray(pgRead + ` WHERE s.sku = ANY ($1::text::text[])`),

	readAll:    pgRead + ` ORDER BY s.sku`,
	readHolds:  `SELECT id, hold_lines FROM fulfil_holds WHERE state = 'held' AND id > $1 ORDER BY id LIMIT $2`,
	makeStock:  `INSERT INTO fulfil_stock (sku, stocked, taken) VALUES ($1, $2, 0) ON CONFLICT (sku) DO NOTHING`,
	lockHeld:   `SELECT coalesce(sum(quantity), 0)::bigint FROM fulfil_held WHERE sku = $1`,
	sumHeld:    `SELECT coalesce(sum(quantity), 0)::bigint FROM fulfil_held`,
	setStocked: `UPDATE fulfil_stock SET stocked = $1 WHERE sku = $2`,
}

// viaArray returns a statement that takes the rows' only column in one parameter.
func viaArray(query string) statement {
	return func(rows [][]any) (string, []any, error) { return query, pgColumns(rows, 1), nil }
}

// pgColumns returns each column of rows as the text of an array (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
// Drivers disagree about parameters that are slices.
func pgColumns(rows [][]any, columns int) []any {
	texts := make([]any, columns)
	for c := range columns {
		var b strings.Builder
		b.WriteByte('{')
		for i, row := range rows {
			if i > 0 {
				b.WriteByte(',')
			}
			switch v := row[c].(type) {
			case int64:
				b.WriteString(strconv.FormatInt(v, 10))
			case string:
				b.WriteByte('"')
				_, _ = pgQuote.WriteString(&b, v)
				b.WriteByte('"')
			}
		}
		b.WriteByte('}')
		texts[c] = b.String()
	}
	return texts
}

var pgQuote = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
