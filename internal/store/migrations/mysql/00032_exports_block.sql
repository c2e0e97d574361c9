-- +goose Up
-- The block of the chunk that the file is of.
ALTER TABLE export_files ADD COLUMN block BIGINT UNSIGNED NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE export_files DROP COLUMN block;
