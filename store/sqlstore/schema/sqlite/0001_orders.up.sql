-- +goose Up

-- The statements that Migrate has run. Every transaction takes the write lock through this table, so it exists even if another
-- tool migrates.
CREATE TABLE IF NOT EXISTS fulfil_schema (
	component VARCHAR(32) NOT NULL,
	version INTEGER NOT NULL,
	statement INTEGER NOT NULL,
	PRIMARY KEY (component, version, statement)
);

-- The column data has the whole order, the other columns are for queries. Times are UTC, as 2026-03-01T12:00:00.123456Z.
CREATE TABLE fulfil_orders (
	id TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 200),
	status TEXT NOT NULL,
	stuck INTEGER NOT NULL CHECK (stuck IN (0, 1)),
	email TEXT NOT NULL,
	currency TEXT NOT NULL,
	total INTEGER NOT NULL,
	livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
	created_at TEXT NOT NULL CHECK (length(created_at) = 27),
	updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
	due_at TEXT CHECK (length(due_at) = 27),
	data TEXT NOT NULL
);

CREATE INDEX fulfil_orders_created ON fulfil_orders (created_at, id);

CREATE INDEX fulfil_orders_status ON fulfil_orders (status, created_at, id);

CREATE INDEX fulfil_orders_stuck ON fulfil_orders (created_at, id) WHERE stuck = 1;

CREATE INDEX fulfil_orders_due ON fulfil_orders (due_at, id) WHERE due_at IS NOT NULL;

-- The order that a Stripe ID (cs_, pi_, ch_, sub_) leads to.
CREATE TABLE fulfil_refs (
	ref TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(ref AS BLOB)) BETWEEN 1 AND 255),
	order_id TEXT NOT NULL
) WITHOUT ROWID;

-- The claimed keys. Old rows can be deleted once their events no longer come again.
CREATE TABLE fulfil_claims (
	claim BLOB NOT NULL PRIMARY KEY CHECK (typeof(claim) = 'blob' AND length(claim) BETWEEN 1 AND 500),
	claimed_at TEXT NOT NULL CHECK (length(claimed_at) = 27)
) WITHOUT ROWID;

-- The ID of this installation, and its cursors: how far it has read Stripe's events.
CREATE TABLE fulfil_values (
	name TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255),
	value TEXT NOT NULL
) WITHOUT ROWID;
