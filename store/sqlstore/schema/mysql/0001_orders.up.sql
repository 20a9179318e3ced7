-- +goose Up

-- The whole of an order is data; the other columns are there to be queried. Its type is not JSON, which MySQL would keep
-- reordered and with other numbers. Times are UTC. Keys are VARBINARY, so that they are told apart to the byte.
-- Token is of the call that wrote the row last: it tells which rows a call has added, and every update changes it, so
-- that every row that an update finds is counted.
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

-- Which order a Stripe ID (cs_, pi_, ch_, sub_) leads to.
CREATE TABLE IF NOT EXISTS fulfil_refs (
	ref VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(ref) > 0),
	order_id VARBINARY(200) NOT NULL
) ENGINE=InnoDB;

-- Keys that were taken. Rows older than anybody repeats what they stand for can be deleted.
CREATE TABLE IF NOT EXISTS fulfil_claims (
	claim VARBINARY(500) NOT NULL PRIMARY KEY CHECK (LENGTH(claim) > 0),
	claimed_at DATETIME(6) NOT NULL,
	token BINARY(26) NOT NULL
) ENGINE=InnoDB;

-- The ID of this installation and how far its event streams were read.
CREATE TABLE IF NOT EXISTS fulfil_values (
	name VARBINARY(255) NOT NULL PRIMARY KEY CHECK (LENGTH(name) > 0),
	value LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
) ENGINE=InnoDB;
