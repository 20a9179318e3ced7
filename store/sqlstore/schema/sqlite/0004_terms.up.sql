-- +goose Up

-- The orders of a customer: by the hash of an e-mail address, of a customer's ID, or of a pair of metadata.
CREATE TABLE fulfil_terms (
	term BLOB NOT NULL CHECK (typeof(term) = 'blob' AND length(term) = 32),
	created_at TEXT NOT NULL CHECK (length(created_at) = 27),
	order_id TEXT NOT NULL,
	PRIMARY KEY (term, created_at, order_id)
) WITHOUT ROWID;
