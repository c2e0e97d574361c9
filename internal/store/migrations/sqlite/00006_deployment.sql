-- +goose Up
-- One row, which the first process makes: a random id, by which two deployments on one Redis know each other.
CREATE TABLE deployment (
  row_no INTEGER NOT NULL PRIMARY KEY,
  id     TEXT NOT NULL
);

-- +goose Down
DROP TABLE deployment;
