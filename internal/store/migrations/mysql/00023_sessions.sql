-- +goose Up
-- Somebody who is signed in to the dashboard: the SHA-256 of the token in the cookie, and the key that it was got with.
CREATE TABLE IF NOT EXISTS sessions (
  token      BINARY(32) NOT NULL PRIMARY KEY,
  key_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at BIGINT NOT NULL,
  KEY ix_sessions_expires (expires_at)
) ENGINE=InnoDB;

-- +goose Down
DROP TABLE sessions;
