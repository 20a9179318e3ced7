package sqlreserver

// The LIMIT tells the planner how many rows to expect. Otherwise it guesses a hundred, and reads the whole table instead of
// looking so many rows up.
const (
	pgRows = `(SELECT r FROM jsonb_array_elements($1::text::jsonb) r LIMIT jsonb_array_length($1::text::jsonb)) AS rows`
	pgKeys = `ANY (ARRAY(SELECT r->>0 FROM ` + pgRows + `))`
	pgRead = `SELECT s.sku, s.stocked, s.taken, (SELECT coalesce(sum(h.quantity), 0)::bigint FROM fulfil_held h WHERE h.sku = s.sku)
		FROM fulfil_stock s`
)

var postgres = statements{
	claim: viaJSON(`INSERT INTO fulfil_holds (id, state, hold_lines)
		SELECT r->>0, 'held', (r->>1)::jsonb FROM ` + pgRows + ` ON CONFLICT (id) DO NOTHING RETURNING id`),
	unclaim:    viaJSON(`DELETE FROM fulfil_holds WHERE id = ` + pgKeys),
	lockHolds:  viaJSON(`SELECT id, state, hold_lines FROM fulfil_holds WHERE id = ` + pgKeys + ` ORDER BY id FOR UPDATE`),
	sell:       viaJSON(`UPDATE fulfil_holds SET state = 'sold' WHERE id = ` + pgKeys),
	giveBack:   viaJSON(`UPDATE fulfil_holds SET state = 'released' WHERE id = ` + pgKeys),
	lockStock:  viaJSON(`SELECT sku, stocked, taken FROM fulfil_stock WHERE sku = ` + pgKeys + ` ORDER BY sku FOR UPDATE`),
	take:       viaJSON(`UPDATE fulfil_stock s SET taken = s.taken + (r->>1)::bigint FROM ` + pgRows + ` WHERE s.sku = r->>0`),
	insertHeld: viaJSON(`INSERT INTO fulfil_held (sku, hold_id, quantity) SELECT r->>0, r->>1, (r->>2)::bigint FROM ` + pgRows),
	deleteHeld: viaJSON(`DELETE FROM fulfil_held h USING ` + pgRows + ` WHERE h.sku = r->>0 AND h.hold_id = r->>1`),
	readStock:  viaJSON(pgRead + ` WHERE s.sku = ` + pgKeys),

	readAll:    pgRead + ` ORDER BY s.sku`,
	readHolds:  `SELECT id, hold_lines FROM fulfil_holds WHERE state = 'held' AND id > $1 ORDER BY id LIMIT $2`,
	makeStock:  `INSERT INTO fulfil_stock (sku, stocked, taken) VALUES ($1, $2, 0) ON CONFLICT (sku) DO NOTHING`,
	lockHeld:   `SELECT coalesce(sum(quantity), 0)::bigint FROM fulfil_held WHERE sku = $1`,
	setStocked: `UPDATE fulfil_stock SET stocked = $1 WHERE sku = $2`,
}
