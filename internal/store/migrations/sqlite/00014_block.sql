-- +goose Up
-- What a sharded database keeps users and chunks apart by; here only so that statements are the same.
ALTER TABLE users ADD COLUMN block INTEGER AS (id >> 17) VIRTUAL;
ALTER TABLE job_chunks ADD COLUMN block INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_rejects ADD COLUMN block INTEGER NOT NULL DEFAULT 0;
ALTER TABLE export_files ADD COLUMN block INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE export_files DROP COLUMN block;
ALTER TABLE job_rejects DROP COLUMN block;
ALTER TABLE job_chunks DROP COLUMN block;
ALTER TABLE users DROP COLUMN block;
