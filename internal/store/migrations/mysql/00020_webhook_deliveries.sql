-- +goose Up
-- What is to be told, and to whom: written in the transaction that ends the job. The payload is made before the first attempt.
CREATE TABLE IF NOT EXISTS webhook_deliveries (
  id          VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  owner       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  endpoint_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  url         VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  event       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  job_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  job_version BIGINT NOT NULL DEFAULT 0,
  payload     BLOB NULL,
  state       VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempts    INT NOT NULL DEFAULT 0,
  tries       INT NOT NULL DEFAULT 0,
  next_at     BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0,
  claims      BIGINT NOT NULL DEFAULT 0,
  created_at  BIGINT NOT NULL,
  INDEX ix_webhook_deliveries_due (state, endpoint_id, next_at),
  INDEX ix_webhook_deliveries_owner (owner, id),
  INDEX ix_webhook_deliveries_created (created_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE webhook_deliveries;
