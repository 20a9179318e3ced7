-- +goose Up

-- One row per SKU. Of the goods that were ever stocked, less those that went away without a sale, some are taken: held for
-- a customer who is paying, or sold. What is held is the sum over fulfil_held, so that a sale need not touch this row:
--   held = sum(fulfil_held.quantity), sold = taken - held, on hand = stocked - sold, available = stocked - taken.
-- IDs and SKUs are binary, as the collations that tell strings apart byte by byte, spaces at their end included, are
-- not the same on MySQL and MariaDB.
CREATE TABLE IF NOT EXISTS fulfil_stock (
	sku VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(sku) > 0),
	stocked BIGINT NOT NULL,
	taken BIGINT NOT NULL,
	CHECK (taken >= 0 AND taken <= stocked)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row per hold that was ever taken, with its lines as [{"sku": …, "quantity": …}]. Repeats counts how often the same
-- ID was held again: by it an INSERT of many rows tells which of them were new.
CREATE TABLE IF NOT EXISTS fulfil_holds (
	id VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(id) > 0),
	state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('held', 'sold', 'released')),
	hold_lines JSON NOT NULL,
	repeats BIGINT NOT NULL DEFAULT 0,
	INDEX fulfil_holds_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The lines of the holds that stand, by SKU.
CREATE TABLE IF NOT EXISTS fulfil_held (
	sku VARBINARY(255) NOT NULL,
	hold_id VARBINARY(255) NOT NULL,
	quantity BIGINT NOT NULL CHECK (quantity > 0),
	PRIMARY KEY (sku, hold_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
