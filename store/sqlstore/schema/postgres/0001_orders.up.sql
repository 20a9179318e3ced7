-- +goose Up

-- The column data has the whole order, the other columns are for queries. Its type is json, because jsonb would reorder the
-- members of Stripe's JSON and refuse the character U+0000.
-- The fillfactor leaves room on each page, so that an update that changes no indexed column writes no index.
CREATE TABLE fulfil_orders (
	id text COLLATE "C" PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 200),
	status text COLLATE "C" NOT NULL,
	stuck boolean NOT NULL,
	email text NOT NULL,
	currency text COLLATE "C" NOT NULL,
	total bigint NOT NULL,
	livemode boolean NOT NULL,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	due_at timestamptz,
	data json NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX fulfil_orders_created ON fulfil_orders (created_at, id);

CREATE INDEX fulfil_orders_status ON fulfil_orders (status, created_at, id);

CREATE INDEX fulfil_orders_stuck ON fulfil_orders (created_at, id) WHERE stuck;

CREATE INDEX fulfil_orders_due ON fulfil_orders (due_at, id) WHERE due_at IS NOT NULL;

-- The order that a Stripe ID (cs_, pi_, ch_, sub_) leads to.
CREATE TABLE fulfil_refs (
	ref text COLLATE "C" PRIMARY KEY CHECK (octet_length(ref) BETWEEN 1 AND 255),
	order_id text COLLATE "C" NOT NULL
);

-- The claimed keys, compared byte by byte. Old rows can be deleted once their events no longer come again.
CREATE TABLE fulfil_claims (
	claim bytea PRIMARY KEY CHECK (octet_length(claim) BETWEEN 1 AND 500),
	claimed_at timestamptz NOT NULL
);

-- The ID of this installation, and its cursors: how far it has read Stripe's events.
CREATE TABLE fulfil_values (
	name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 255),
	value text NOT NULL
);
