-- +goose Up
-- What a sharded database keeps users apart by (docs/adr/0034). Here it is computed, so that adding it takes no time, and
-- invisible, so that the release before, which copies whole rows to learn of its rights, does not meet it.
ALTER TABLE users ADD COLUMN block BIGINT UNSIGNED AS (id >> 17) VIRTUAL INVISIBLE;

-- +goose Down
ALTER TABLE users DROP COLUMN block;
