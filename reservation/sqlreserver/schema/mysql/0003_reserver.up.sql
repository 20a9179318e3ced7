-- +goose Up

-- One row per SKU. The column stocked is the number of units that ever came in, less those that went away without a sale. The
-- column taken is the number of those units that are held or sold. A sale does not change this row:
--   held = sum(fulfil_held.quantity), sold = taken - held, on hand = stocked - sold, available = stocked - taken.
-- IDs and SKUs are binary, because MySQL and MariaDB share no collation that compares strings byte by byte with their trailing
-- spaces.
CREATE TABLE IF NOT EXISTS fulfil_stock (
	sku VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(sku) > 0),
	stocked BIGINT NOT NULL,
	taken BIGINT NOT NULL,
	CHECK (taken >= 0 AND taken <= stocked)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row per hold that was ever taken, with its lines as [{"sku": …, "quantity": …}]. The column repeats counts how often the
-- same ID was held again. It is 0 for the rows that an INSERT has added.
CREATE TABLE IF NOT EXISTS fulfil_holds (
	id VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(id) > 0),
	state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL CHECK (state IN ('held', 'sold', 'released')),
	hold_lines JSON NOT NULL,
	repeats BIGINT NOT NULL DEFAULT 0,
	INDEX fulfil_holds_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The lines of the holds that are neither sold nor released.
CREATE TABLE IF NOT EXISTS fulfil_held (
	sku VARBINARY(255) NOT NULL,
	hold_id VARBINARY(255) NOT NULL,
	quantity BIGINT NOT NULL CHECK (quantity > 0),
	PRIMARY KEY (sku, hold_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
