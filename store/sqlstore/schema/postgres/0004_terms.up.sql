-- +goose Up

-- The orders of a customer: by the hash of an e-mail address, of a customer's ID, or of a pair of metadata.
CREATE TABLE fulfil_terms (
	term bytea NOT NULL CHECK (octet_length(term) = 32),
	created_at timestamptz NOT NULL,
	order_id text COLLATE "C" NOT NULL,
	PRIMARY KEY (term, created_at, order_id)
);
