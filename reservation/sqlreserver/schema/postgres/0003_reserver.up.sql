-- +goose Up

-- One row per SKU. The column stocked is the number of units that ever came in, less those that went away without a sale. The
-- column taken is the number of those units that are held or sold. A sale does not change this row:
--   held = sum(fulfil_held.quantity), sold = taken - held, on hand = stocked - sold, available = stocked - taken.
-- Half of each page is left free for new versions of its rows: a SKU in demand has many.
CREATE TABLE IF NOT EXISTS fulfil_stock (
	sku text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(sku) BETWEEN 1 AND 255),
	stocked bigint NOT NULL,
	taken bigint NOT NULL,
	CHECK (taken >= 0 AND taken <= stocked)
) WITH (fillfactor = 50);

-- One row per hold that was ever taken, with its lines as [{"sku": …, "quantity": …}].
CREATE TABLE IF NOT EXISTS fulfil_holds (
	id text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 255),
	state text NOT NULL CHECK (state IN ('held', 'sold', 'released')),
	hold_lines jsonb NOT NULL
);

CREATE INDEX IF NOT EXISTS fulfil_holds_held ON fulfil_holds (id) WHERE state = 'held';

-- The lines of the holds that are neither sold nor released.
CREATE TABLE IF NOT EXISTS fulfil_held (
	sku text COLLATE "C" NOT NULL,
	hold_id text COLLATE "C" NOT NULL,
	quantity bigint NOT NULL CHECK (quantity > 0),
	PRIMARY KEY (sku, hold_id)
);
