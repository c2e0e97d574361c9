-- +goose Up
ALTER TABLE job_chunks
  ADD COLUMN rows_updated BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN rows_unchanged BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN rows_skipped BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE job_chunks
  DROP COLUMN rows_updated,
  DROP COLUMN rows_unchanged,
  DROP COLUMN rows_skipped;
