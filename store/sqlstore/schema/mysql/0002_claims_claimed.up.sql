-- +goose Up

-- Prune finds old claims by this index.
ALTER TABLE fulfil_claims ADD INDEX fulfil_claims_claimed (claimed_at, claim);
