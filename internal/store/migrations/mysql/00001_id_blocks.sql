-- +goose Up
-- UPDATE then SELECT in one transaction reserves a contiguous block of ids.
CREATE TABLE IF NOT EXISTS id_blocks (
  name    VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  next_id BIGINT NOT NULL
) ENGINE=InnoDB;

-- +goose Down
DROP TABLE id_blocks;
