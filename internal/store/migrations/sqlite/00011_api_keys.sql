-- +goose Up
-- An API key: its SHA-256, never the key itself. slot is 1 or 2 while it counts, so that no more than two of one owner and
-- name do, and NULL when it is revoked, or was expired when the next one was made.
CREATE TABLE api_keys (
  id           TEXT NOT NULL PRIMARY KEY,
  owner        TEXT NOT NULL,
  name         TEXT NOT NULL,
  slot         INTEGER NULL,
  prefix       TEXT NOT NULL,
  hash         BLOB NOT NULL,
  scopes       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL DEFAULT 0,
  revoked_at   INTEGER NOT NULL DEFAULT 0,
  last_used_at INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX uq_api_keys_hash ON api_keys (hash);
CREATE UNIQUE INDEX uq_api_keys_slot ON api_keys (owner, name, slot);
CREATE INDEX ix_api_keys_owner ON api_keys (owner, id);

-- Somebody who is signed in to the dashboard: the SHA-256 of the token in the cookie, and the key that it was got with.
CREATE TABLE sessions (
  token      BLOB NOT NULL PRIMARY KEY,
  key_id     TEXT NOT NULL,
  expires_at INTEGER NOT NULL
);
CREATE INDEX ix_sessions_expires ON sessions (expires_at);

-- +goose Down
DROP TABLE sessions;
DROP TABLE api_keys;
