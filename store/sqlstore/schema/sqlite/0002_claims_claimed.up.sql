-- +goose Up

-- By which old claims are found, to be pruned.
CREATE INDEX fulfil_claims_claimed ON fulfil_claims (claimed_at, claim);
