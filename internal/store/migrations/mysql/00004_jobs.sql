-- +goose Up
-- Times are milliseconds since 1970 UTC by the database's clock; 0 means not yet.
CREATE TABLE IF NOT EXISTS jobs (
  id              CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  user_id         VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  source          VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  tier            VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status          VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  version         BIGINT NOT NULL DEFAULT 0,
  requested       BIGINT NOT NULL,
  processed       BIGINT NOT NULL DEFAULT 0,
  rejected        BIGINT NOT NULL DEFAULT 0,
  chunks          INT NOT NULL,
  first_id        BIGINT NOT NULL,
  seed            BIGINT NOT NULL,
  params          JSON NOT NULL,
  error_code      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  message         VARCHAR(500) NOT NULL DEFAULT '',
  idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
  request_hash    CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at      BIGINT NOT NULL,
  started_at      BIGINT NOT NULL DEFAULT 0,
  finished_at     BIGINT NOT NULL DEFAULT 0,
  settled_at      BIGINT NOT NULL DEFAULT 0,
  UNIQUE KEY uq_jobs_idempotency (user_id, idempotency_key),
  KEY ix_jobs_unsettled (settled_at, id),
  KEY ix_jobs_user (user_id, id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE jobs;
