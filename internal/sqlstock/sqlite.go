package sqlstock

import "math"

// A transaction on SQLite has the write lock, so no statement locks rows.
const (
	liteKeys = `(SELECT value->>0 FROM json_each(?))`
	liteRead = `SELECT s.sku, s.stocked, s.taken, (SELECT coalesce(sum(h.quantity), 0) FROM fulfil_held h WHERE h.sku = s.sku)
		FROM fulfil_stock s`
)

var sqlite = statements{
	begin: `DELETE FROM fulfil_holds WHERE 0`,

	claim: viaJSON(`INSERT INTO fulfil_holds (id, state, hold_lines)
		SELECT value->>0, 'held', value->>1 FROM json_each(?) WHERE 1 ON CONFLICT (id) DO NOTHING RETURNING id`),
	takeFitting: viaJSON(`UPDATE fulfil_stock SET taken = taken + r.quantity
		FROM (SELECT value->>0 AS sku, value->>1 AS quantity FROM json_each(?1)) r WHERE fulfil_stock.sku = r.sku AND NOT EXISTS (
			SELECT 1 FROM json_each(?1) w LEFT JOIN fulfil_stock s ON s.sku = w.value->>0
			WHERE s.sku IS NULL OR w.value->>1 > s.stocked - s.taken)`),
	fitting:   math.MaxInt,
	unclaim:   viaJSON(`DELETE FROM fulfil_holds WHERE id IN ` + liteKeys),
	lockHolds: viaJSON(`SELECT id, state, hold_lines FROM fulfil_holds WHERE id IN ` + liteKeys),
	sell:      viaJSON(`UPDATE fulfil_holds SET state = 'sold' WHERE id IN ` + liteKeys),
	giveBack:  viaJSON(`UPDATE fulfil_holds SET state = 'released' WHERE id IN ` + liteKeys),
	seeEnded:  viaJSON(`SELECT id FROM fulfil_holds WHERE id IN ` + liteKeys + ` AND state <> 'held'`),
	forget:    viaJSON(`DELETE FROM fulfil_holds WHERE id IN ` + liteKeys + ` AND state <> 'held'`),
	lockStock: viaJSON(`SELECT sku, stocked, taken FROM fulfil_stock WHERE sku IN ` + liteKeys),
	take: viaJSON(`UPDATE fulfil_stock SET taken = taken + r.change
		FROM (SELECT value->>0 AS sku, value->>1 AS change FROM json_each(?)) r WHERE fulfil_stock.sku = r.sku`),
	insertHeld: viaJSON(`INSERT INTO fulfil_held (sku, hold_id, quantity)
		SELECT value->>0, value->>1, value->>2 FROM json_each(?)`),
	deleteHeld: viaJSON(`DELETE FROM fulfil_held WHERE (sku, hold_id) IN (SELECT value->>0, value->>1 FROM json_each(?))`),
	seeStock:   viaJSON(`SELECT sku, stocked, taken FROM fulfil_stock WHERE sku IN ` + liteKeys),
	readStock:  viaJSON(liteRead + ` WHERE s.sku IN ` + liteKeys),

	readAll:    liteRead + ` ORDER BY s.sku`,
	readHolds:  `SELECT id, hold_lines FROM fulfil_holds WHERE state = 'held' AND id > ? ORDER BY id LIMIT ?`,
	makeStock:  `INSERT INTO fulfil_stock (sku, stocked, taken) VALUES (?, ?, 0) ON CONFLICT (sku) DO NOTHING`,
	lockHeld:   `SELECT coalesce(sum(quantity), 0) FROM fulfil_held WHERE sku = ?`,
	sumHeld:    `SELECT coalesce(sum(quantity), 0) FROM fulfil_held`,
	setStocked: `UPDATE fulfil_stock SET stocked = ? WHERE sku = ?`,
}
