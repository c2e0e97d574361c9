-- +goose Up
-- Locks of keys of users, such as an e-mail address, also of users who are not there yet. Each row is written and deleted
-- by one transaction, the holder, so nobody ever sees any.
CREATE TABLE IF NOT EXISTS key_locks (
  lock_key BINARY(16) NOT NULL PRIMARY KEY,
  holder   BIGINT NOT NULL,
  INDEX ix_key_locks_holder (holder)
) ENGINE=InnoDB;

-- +goose Down
DROP TABLE key_locks;
