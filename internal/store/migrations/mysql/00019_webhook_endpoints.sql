-- +goose Up
-- Who is told of the end of jobs. The one without an address stands for the callbacks of an owner's jobs, each of which has its own.
CREATE TABLE IF NOT EXISTS webhook_endpoints (
  id             CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  owner          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  url            VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  secret         VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  previous       VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  previous_until BIGINT NOT NULL DEFAULT 0,
  disabled_at    BIGINT NOT NULL DEFAULT 0,
  disabled_why   VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  failing_since  BIGINT NOT NULL DEFAULT 0,
  created_at     BIGINT NOT NULL,
  INDEX ix_webhook_endpoints_owner (owner, id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE webhook_endpoints;
