-- +goose Up
-- One for each field that lists are searched and sorted by; NOCASE as the searches compare.
CREATE INDEX ix_users_first_name ON users (first_name COLLATE NOCASE);
CREATE INDEX ix_users_last_name ON users (last_name COLLATE NOCASE);
CREATE INDEX ix_users_city ON users (city COLLATE NOCASE);
CREATE INDEX ix_users_state ON users (state COLLATE NOCASE);
CREATE INDEX ix_users_age ON users (age);
CREATE INDEX ix_users_email ON users (email COLLATE NOCASE);
CREATE INDEX ix_users_deleted ON users (deleted) WHERE deleted = 1;

-- +goose Down
DROP INDEX ix_users_first_name;
DROP INDEX ix_users_last_name;
DROP INDEX ix_users_city;
DROP INDEX ix_users_state;
DROP INDEX ix_users_age;
DROP INDEX ix_users_email;
DROP INDEX ix_users_deleted;
