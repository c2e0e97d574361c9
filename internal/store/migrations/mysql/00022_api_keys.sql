-- +goose Up
-- An API key: its SHA-256, never the key itself. slot is 1 or 2 while it counts, so that no more than two of one owner and
-- name do, and NULL when it is revoked, or was expired when the next one was made.
CREATE TABLE IF NOT EXISTS api_keys (
  id           CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  owner        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name         VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  slot         TINYINT NULL,
  prefix       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  hash         BINARY(32) NOT NULL,
  scopes       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at   BIGINT NOT NULL,
  expires_at   BIGINT NOT NULL DEFAULT 0,
  revoked_at   BIGINT NOT NULL DEFAULT 0,
  last_used_at BIGINT NOT NULL DEFAULT 0,
  UNIQUE KEY uq_api_keys_hash (hash),
  UNIQUE KEY uq_api_keys_slot (owner, name, slot),
  KEY ix_api_keys_owner (owner, id)
) ENGINE=InnoDB;

-- +goose Down
DROP TABLE api_keys;
