-- +goose Up

-- Stripe's session of the order, which data had before: a save of the order writes it only when it has changed. NULL and null: the
-- order has none, or it was saved before and has it in data.
ALTER TABLE fulfil_orders ADD COLUMN session TEXT;
