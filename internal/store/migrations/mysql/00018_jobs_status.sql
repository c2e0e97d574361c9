-- +goose Up
-- Lists of jobs by status, of one owner and of all, page by page, however many jobs are of another.
ALTER TABLE jobs
  ADD INDEX ix_jobs_status (status, id),
  ADD INDEX ix_jobs_owner_status (owner, status, id);

-- +goose Down
ALTER TABLE jobs
  DROP INDEX ix_jobs_status,
  DROP INDEX ix_jobs_owner_status;
