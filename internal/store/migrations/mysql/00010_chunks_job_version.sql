-- +goose Up
-- The version of the job whose move the chunk has followed.
ALTER TABLE job_chunks ADD COLUMN job_version BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE job_chunks DROP COLUMN job_version;
