-- +goose Up
-- Of a job that imports a file: how far it is, whether it only tries, which upload it reads, and what became of the rows
-- that are no new users.
ALTER TABLE jobs
  ADD COLUMN phase VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  ADD COLUMN dry_run BOOLEAN NOT NULL DEFAULT FALSE,
  ADD COLUMN upload_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  ADD COLUMN updated BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN unchanged BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN skipped BIGINT NOT NULL DEFAULT 0,
  ADD INDEX ix_jobs_upload (upload_id);

-- +goose Down
ALTER TABLE jobs
  DROP INDEX ix_jobs_upload,
  DROP COLUMN phase,
  DROP COLUMN dry_run,
  DROP COLUMN upload_id,
  DROP COLUMN updated,
  DROP COLUMN unchanged,
  DROP COLUMN skipped;
