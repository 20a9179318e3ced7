-- +goose Up

-- By which old claims are found, to be pruned.
ALTER TABLE fulfil_claims ADD INDEX fulfil_claims_claimed (claimed_at, claim);
