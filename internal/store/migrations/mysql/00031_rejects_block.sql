-- +goose Up
-- The block of the chunk that the row is of.
ALTER TABLE job_rejects ADD COLUMN block BIGINT UNSIGNED NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE job_rejects DROP COLUMN block;
