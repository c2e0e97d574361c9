-- +goose Up
-- The block of the chunk's users; 0 in chunks of earlier releases.
ALTER TABLE job_chunks ADD COLUMN block BIGINT UNSIGNED NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE job_chunks DROP COLUMN block;
