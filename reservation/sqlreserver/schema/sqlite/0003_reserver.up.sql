-- +goose Up

-- One row per SKU. The column stocked is the number of units that ever came in, less those that went away without a sale. The
-- column taken is the number of those units that are held or sold. A sale does not change this row:
--   held = sum(fulfil_held.quantity), sold = taken - held, on hand = stocked - sold, available = stocked - taken.
CREATE TABLE IF NOT EXISTS fulfil_stock (
	sku TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(sku AS BLOB)) BETWEEN 1 AND 255),
	stocked INTEGER NOT NULL,
	taken INTEGER NOT NULL,
	CHECK (taken >= 0 AND taken <= stocked)
) STRICT, WITHOUT ROWID;

-- One row per hold that was ever taken, with its lines as [{"sku": …, "quantity": …}].
CREATE TABLE IF NOT EXISTS fulfil_holds (
	id TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 255),
	state TEXT NOT NULL CHECK (state IN ('held', 'sold', 'released')),
	hold_lines TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS fulfil_holds_held ON fulfil_holds (id) WHERE state = 'held';

-- The lines of the holds that are neither sold nor released.
CREATE TABLE IF NOT EXISTS fulfil_held (
	sku TEXT NOT NULL,
	hold_id TEXT NOT NULL,
	quantity INTEGER NOT NULL CHECK (quantity > 0),
	PRIMARY KEY (sku, hold_id)
) STRICT, WITHOUT ROWID;
