-- +goose Up
-- Jobs that are submitted again and again. Times are milliseconds since 1970 UTC by the database's clock; 0 means not.
CREATE TABLE IF NOT EXISTS schedules (
  id           CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  owner        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name         VARCHAR(100) NOT NULL,
  cron         VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  time_zone    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  catch_up     VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  overlaps     VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  action       JSON NOT NULL,
  version      BIGINT NOT NULL DEFAULT 0,
  paused_at    BIGINT NOT NULL DEFAULT 0,
  next_fire_at BIGINT NOT NULL DEFAULT 0,
  last_job_id  VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  created_at   BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL,
  KEY ix_schedules_owner (owner, id),
  KEY ix_schedules_due (next_fire_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE schedules;
