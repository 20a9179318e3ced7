-- +goose Up

-- The orders of a customer: by the hash of an e-mail address, of a customer's ID, or of a pair of metadata.
CREATE TABLE IF NOT EXISTS fulfil_terms (
	term BINARY(32) NOT NULL,
	created_at DATETIME(6) NOT NULL,
	order_id VARBINARY(200) NOT NULL,
	PRIMARY KEY (term, created_at, order_id)
) ENGINE=InnoDB;
