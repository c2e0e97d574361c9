-- +goose Up
-- The tries of each delivery.
CREATE TABLE IF NOT EXISTS webhook_attempts (
  delivery_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempt_no  INT NOT NULL,
  at          BIGINT NOT NULL,
  status      INT NOT NULL,
  error       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  answer      VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  took_ms     BIGINT NOT NULL,
  PRIMARY KEY (delivery_id, attempt_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE webhook_attempts;
