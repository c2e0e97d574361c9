-- +goose Up
-- One row, which the first process makes: a random id, by which two deployments on one Redis know each other.
CREATE TABLE IF NOT EXISTS deployment (
  row_no TINYINT NOT NULL PRIMARY KEY,
  id     VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
) ENGINE=InnoDB;

-- +goose Down
DROP TABLE deployment;
