-- +goose Up
ALTER TABLE jobs ADD COLUMN idle_ms INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE jobs DROP COLUMN idle_ms;
