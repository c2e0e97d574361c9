-- +goose Up
-- Lists of jobs by status, of one owner and of all, page by page, however many jobs are of another.
CREATE INDEX ix_jobs_status ON jobs (status, id);
CREATE INDEX ix_jobs_owner_status ON jobs (owner, status, id);

-- +goose Down
DROP INDEX ix_jobs_status;
DROP INDEX ix_jobs_owner_status;
