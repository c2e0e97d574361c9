-- +goose Up
-- A job's move is written to its row first and to its chunks second: chunk_rows says which chunks there must be,
-- chunks_version which version of the job they have to follow, and job_version which one a chunk has followed.
ALTER TABLE jobs RENAME COLUMN user_id TO owner;
ALTER TABLE jobs RENAME COLUMN settled_at TO finalized_at;
ALTER TABLE jobs RENAME COLUMN message TO wait_reason;
ALTER TABLE jobs ADD COLUMN chunk_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN chunks_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_chunks ADD COLUMN job_version INTEGER NOT NULL DEFAULT 0;
DROP INDEX ix_jobs_unsettled;
DROP INDEX ix_jobs_user;
CREATE INDEX ix_jobs_unfinalized ON jobs (finalized_at, id);
CREATE INDEX ix_jobs_owner ON jobs (owner, id);

-- The counts of a paused job stood in its chunks only: finalizing it again puts them into its row. What the column said
-- before were sentences.
UPDATE jobs SET wait_reason = '', finalized_at = CASE WHEN status = 'PAUSED' THEN 0 ELSE finalized_at END;

-- +goose Down
DROP INDEX ix_jobs_unfinalized;
DROP INDEX ix_jobs_owner;
ALTER TABLE job_chunks DROP COLUMN job_version;
ALTER TABLE jobs DROP COLUMN chunk_rows;
ALTER TABLE jobs DROP COLUMN chunks_version;
ALTER TABLE jobs RENAME COLUMN owner TO user_id;
ALTER TABLE jobs RENAME COLUMN finalized_at TO settled_at;
ALTER TABLE jobs RENAME COLUMN wait_reason TO message;
CREATE INDEX ix_jobs_unsettled ON jobs (settled_at, id);
CREATE INDEX ix_jobs_user ON jobs (user_id, id);
