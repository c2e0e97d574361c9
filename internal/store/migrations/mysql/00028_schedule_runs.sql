-- +goose Up
-- What became of each fire time of a schedule. That there is one row of each decides that it fires once.
CREATE TABLE IF NOT EXISTS schedule_runs (
  schedule_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  fire_at     BIGINT NOT NULL,
  manual      BOOLEAN NOT NULL,
  state       VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  job_id      VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  code        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  attempts    BIGINT NOT NULL DEFAULT 0,
  try_at      BIGINT NOT NULL DEFAULT 0,
  finished_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (schedule_id, fire_at),
  KEY ix_schedule_runs_state (state, try_at),
  KEY ix_schedule_runs_finished (finished_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE schedule_runs;
