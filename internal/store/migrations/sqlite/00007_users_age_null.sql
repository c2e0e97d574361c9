-- +goose Up
-- NULL: the age is unknown. SQLite changes no column, so the table and its indexes are made anew.
CREATE TABLE users_new (
  id            INTEGER PRIMARY KEY,
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  email         TEXT NOT NULL,
  city          TEXT NOT NULL,
  state         TEXT NOT NULL,
  age           INTEGER NULL,
  mobile_number TEXT NOT NULL,
  gender        TEXT NOT NULL,
  deleted       INTEGER NOT NULL DEFAULT 0,
  deleted_at    INTEGER NULL
);
INSERT INTO users_new (id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted, deleted_at)
SELECT id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted, deleted_at
  FROM users
 ORDER BY id;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
CREATE INDEX ix_users_first_name ON users (first_name COLLATE NOCASE);
CREATE INDEX ix_users_last_name ON users (last_name COLLATE NOCASE);
CREATE INDEX ix_users_city ON users (city COLLATE NOCASE);
CREATE INDEX ix_users_state ON users (state COLLATE NOCASE);
CREATE INDEX ix_users_age ON users (age);
CREATE INDEX ix_users_email ON users (email COLLATE NOCASE);
CREATE INDEX ix_users_deleted ON users (deleted) WHERE deleted = 1;

-- +goose Down
-- Refused, with nothing changed, while there are users of unknown age: the schema before has no place for them.
CREATE TABLE users_new (
  id            INTEGER PRIMARY KEY,
  first_name    TEXT NOT NULL,
  last_name     TEXT NOT NULL,
  email         TEXT NOT NULL,
  city          TEXT NOT NULL,
  state         TEXT NOT NULL,
  age           INTEGER NOT NULL,
  mobile_number TEXT NOT NULL,
  gender        TEXT NOT NULL,
  deleted       INTEGER NOT NULL DEFAULT 0,
  deleted_at    INTEGER NULL
);
INSERT INTO users_new (id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted, deleted_at)
SELECT id, first_name, last_name, email, city, state, age, mobile_number, gender, deleted, deleted_at
  FROM users
 ORDER BY id;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
CREATE INDEX ix_users_first_name ON users (first_name COLLATE NOCASE);
CREATE INDEX ix_users_last_name ON users (last_name COLLATE NOCASE);
CREATE INDEX ix_users_city ON users (city COLLATE NOCASE);
CREATE INDEX ix_users_state ON users (state COLLATE NOCASE);
CREATE INDEX ix_users_age ON users (age);
CREATE INDEX ix_users_email ON users (email COLLATE NOCASE);
CREATE INDEX ix_users_deleted ON users (deleted) WHERE deleted = 1;
