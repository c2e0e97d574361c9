-- +goose Up
-- The files that export jobs have written, each in the transaction that ends its chunk. An object that no row names is one
-- whose worker died or was too late.
CREATE TABLE IF NOT EXISTS export_files (
  job_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chunk_no  INT NOT NULL,
  file_no   INT NOT NULL,
  object    VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  row_count BIGINT NOT NULL,
  bytes     BIGINT NOT NULL,
  sha256    CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (job_id, chunk_no, file_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE export_files;
