-- +goose Up
-- Jobs that are submitted again and again. Times are milliseconds since 1970 UTC by the database's clock; 0 means not.
CREATE TABLE schedules (
  id           TEXT NOT NULL PRIMARY KEY,
  owner        TEXT NOT NULL,
  name         TEXT NOT NULL,
  cron         TEXT NOT NULL,
  time_zone    TEXT NOT NULL,
  catch_up     TEXT NOT NULL,
  overlaps     TEXT NOT NULL,
  action       TEXT NOT NULL,
  version      INTEGER NOT NULL DEFAULT 0,
  paused_at    INTEGER NOT NULL DEFAULT 0,
  next_fire_at INTEGER NOT NULL DEFAULT 0,
  last_job_id  TEXT NOT NULL DEFAULT '',
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
);
CREATE INDEX ix_schedules_owner ON schedules (owner, id);
CREATE INDEX ix_schedules_due ON schedules (next_fire_at);

-- What became of each fire time of a schedule. That there is one row of each decides that it fires once.
CREATE TABLE schedule_runs (
  schedule_id TEXT NOT NULL,
  fire_at     INTEGER NOT NULL,
  manual      INTEGER NOT NULL,
  state       TEXT NOT NULL,
  job_id      TEXT NOT NULL DEFAULT '',
  code        TEXT NOT NULL DEFAULT '',
  attempts    INTEGER NOT NULL DEFAULT 0,
  try_at      INTEGER NOT NULL DEFAULT 0,
  finished_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (schedule_id, fire_at)
);
CREATE INDEX ix_schedule_runs_state ON schedule_runs (state, try_at);
CREATE INDEX ix_schedule_runs_finished ON schedule_runs (finished_at);

-- +goose Down
DROP TABLE schedule_runs;
DROP TABLE schedules;
