-- +goose Up

-- Prune finds old claims by this index.
CREATE INDEX fulfil_claims_claimed ON fulfil_claims (claimed_at, claim);
