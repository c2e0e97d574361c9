-- +goose Up
-- Of a job that imports a file: how far it is, whether it only tries, which upload it reads, and what became of the rows
-- that are no new users.
ALTER TABLE jobs ADD COLUMN phase TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN dry_run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN upload_id TEXT NULL;
ALTER TABLE jobs ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN unchanged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ix_jobs_upload ON jobs (upload_id);

ALTER TABLE job_chunks ADD COLUMN rows_updated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_chunks ADD COLUMN rows_unchanged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_chunks ADD COLUMN rows_skipped INTEGER NOT NULL DEFAULT 0;

-- The rejected rows of files, each written in the transaction that counts it.
CREATE TABLE job_rejects (
  job_id   TEXT NOT NULL,
  row_no   INTEGER NOT NULL,
  chunk_no INTEGER NOT NULL,
  line_no  INTEGER NOT NULL,
  code     TEXT NOT NULL,
  field    TEXT NOT NULL,
  message  TEXT NOT NULL,
  raw      BLOB NOT NULL,
  PRIMARY KEY (job_id, row_no)
);

-- +goose Down
DROP TABLE job_rejects;
ALTER TABLE job_chunks DROP COLUMN rows_updated;
ALTER TABLE job_chunks DROP COLUMN rows_unchanged;
ALTER TABLE job_chunks DROP COLUMN rows_skipped;
DROP INDEX ix_jobs_upload;
ALTER TABLE jobs DROP COLUMN phase;
ALTER TABLE jobs DROP COLUMN dry_run;
ALTER TABLE jobs DROP COLUMN upload_id;
ALTER TABLE jobs DROP COLUMN updated;
ALTER TABLE jobs DROP COLUMN unchanged;
ALTER TABLE jobs DROP COLUMN skipped;
