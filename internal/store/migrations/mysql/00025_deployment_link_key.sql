-- +goose Up
-- What links to files are signed with, made by the first process that signs one; empty: nobody has yet.
ALTER TABLE deployment ADD COLUMN link_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE deployment DROP COLUMN link_key;
