-- +goose Up
-- A job's move is written to its row first and to its chunks second: chunk_rows says which chunks there must be, and
-- chunks_version which version of the job they have to follow.
ALTER TABLE jobs
  RENAME COLUMN user_id TO owner,
  RENAME COLUMN settled_at TO finalized_at,
  RENAME COLUMN message TO wait_reason,
  RENAME INDEX ix_jobs_unsettled TO ix_jobs_unfinalized,
  RENAME INDEX ix_jobs_user TO ix_jobs_owner,
  ADD COLUMN chunk_rows BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN chunks_version BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE jobs
  RENAME COLUMN owner TO user_id,
  RENAME COLUMN finalized_at TO settled_at,
  RENAME COLUMN wait_reason TO message,
  RENAME INDEX ix_jobs_unfinalized TO ix_jobs_unsettled,
  RENAME INDEX ix_jobs_owner TO ix_jobs_user,
  DROP COLUMN chunk_rows,
  DROP COLUMN chunks_version;
