-- +goose Up
CREATE TABLE id_blocks (
  name    TEXT NOT NULL PRIMARY KEY,
  next_id INTEGER NOT NULL
);
INSERT INTO id_blocks (name, next_id) VALUES ('users', 1);

CREATE TABLE users (
  id            INTEGER PRIMARY KEY,
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  email         TEXT NOT NULL,
  city          TEXT NOT NULL,
  state         TEXT NOT NULL,
  age           INTEGER NOT NULL,
  mobile_number TEXT NOT NULL,
  gender        TEXT NOT NULL,
  deleted       INTEGER NOT NULL DEFAULT 0,
  deleted_at    INTEGER NULL
);

-- Times are milliseconds since 1970 UTC; 0 means not yet.
CREATE TABLE jobs (
  id              TEXT NOT NULL PRIMARY KEY,
  user_id         TEXT NOT NULL,
  source          TEXT NOT NULL,
  tier            TEXT NOT NULL,
  status          TEXT NOT NULL,
  version         INTEGER NOT NULL DEFAULT 0,
  requested       INTEGER NOT NULL,
  processed       INTEGER NOT NULL DEFAULT 0,
  rejected        INTEGER NOT NULL DEFAULT 0,
  chunks          INTEGER NOT NULL,
  first_id        INTEGER NOT NULL,
  seed            INTEGER NOT NULL,
  params          TEXT NOT NULL,
  error_code      TEXT NOT NULL DEFAULT '',
  message         TEXT NOT NULL DEFAULT '',
  idempotency_key TEXT NULL,
  request_hash    TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  started_at      INTEGER NOT NULL DEFAULT 0,
  finished_at     INTEGER NOT NULL DEFAULT 0,
  settled_at      INTEGER NOT NULL DEFAULT 0,
  UNIQUE (user_id, idempotency_key)
);
CREATE INDEX ix_jobs_unsettled ON jobs (settled_at, id);
CREATE INDEX ix_jobs_user ON jobs (user_id, id);

CREATE TABLE job_chunks (
  job_id        TEXT NOT NULL,
  chunk_no      INTEGER NOT NULL,
  first_row     INTEGER NOT NULL,
  row_count     INTEGER NOT NULL,
  rows_done     INTEGER NOT NULL DEFAULT 0,
  rows_rejected INTEGER NOT NULL DEFAULT 0,
  state         TEXT NOT NULL DEFAULT 'READY',
  lease_until   INTEGER NOT NULL DEFAULT 0,
  claims        INTEGER NOT NULL DEFAULT 0,
  stalls        INTEGER NOT NULL DEFAULT 0,
  last_error    TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job_id, chunk_no)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE job_chunks;
DROP TABLE jobs;
DROP TABLE users;
DROP TABLE id_blocks;
