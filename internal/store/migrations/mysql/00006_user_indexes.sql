-- +goose Up
-- One for each field that lists are searched and sorted by, in one pass over the table. InnoDB appends the id to each.
ALTER TABLE users
  ADD INDEX ix_users_first_name (first_name),
  ADD INDEX ix_users_last_name (last_name),
  ADD INDEX ix_users_city (city),
  ADD INDEX ix_users_state (state),
  ADD INDEX ix_users_age (age),
  ADD INDEX ix_users_email (email),
  ADD INDEX ix_users_deleted (deleted);

-- +goose Down
ALTER TABLE users
  DROP INDEX ix_users_first_name,
  DROP INDEX ix_users_last_name,
  DROP INDEX ix_users_city,
  DROP INDEX ix_users_state,
  DROP INDEX ix_users_age,
  DROP INDEX ix_users_email,
  DROP INDEX ix_users_deleted;
