-- +goose Up

-- The column data has the whole order, the other columns are for queries. Its type is not JSON, because MySQL would reorder
-- members and change numbers. Times are UTC. Keys are VARBINARY, so that MySQL compares them byte by byte.
-- The column token names the call that wrote the row last. It tells which rows a call has added. Every update changes it, so
-- that MySQL counts every row that an update finds.
CREATE TABLE IF NOT EXISTS fulfil_orders (
	id VARBINARY(200) NOT NULL PRIMARY KEY CHECK (LENGTH(id) > 0),
	status VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	stuck BOOLEAN NOT NULL,
	email TEXT CHARACTER SET utf8mb4 NOT NULL,
	currency VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	total BIGINT NOT NULL,
	livemode BOOLEAN NOT NULL,
	created_at DATETIME(6) NOT NULL,
	updated_at DATETIME(6) NOT NULL,
	due_at DATETIME(6) NULL,
	data LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
	token BINARY(26) NOT NULL,
	KEY fulfil_orders_created (created_at, id),
	KEY fulfil_orders_status (status, created_at, id),
	KEY fulfil_orders_stuck (stuck, created_at, id),
	KEY fulfil_orders_due (due_at, id)
) ENGINE=InnoDB;

-- The order that a Stripe ID (cs_, pi_, ch_, sub_) leads to.
CREATE TABLE IF NOT EXISTS fulfil_refs (
	ref VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(ref) > 0),
	order_id VARBINARY(200) NOT NULL
) ENGINE=InnoDB;

-- The claimed keys. Old rows can be deleted once their events no longer come again.
CREATE TABLE IF NOT EXISTS fulfil_claims (
	claim VARBINARY(500) NOT NULL PRIMARY KEY CHECK (LENGTH(claim) > 0),
	claimed_at DATETIME(6) NOT NULL,
	token BINARY(26) NOT NULL
) ENGINE=InnoDB;

-- The ID of this installation, and its cursors: how far it has read Stripe's events.
CREATE TABLE IF NOT EXISTS fulfil_values (
	name VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(name) > 0),
	value LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
) ENGINE=InnoDB;
