-- +goose Up
-- The rejected rows of files, each written in the transaction that counts it.
CREATE TABLE IF NOT EXISTS job_rejects (
  job_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  row_no   BIGINT NOT NULL,
  chunk_no INT NOT NULL,
  line_no  BIGINT NOT NULL,
  code     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  field    VARCHAR(64) NOT NULL,
  message  VARCHAR(500) NOT NULL,
  raw      MEDIUMBLOB NOT NULL,
  PRIMARY KEY (job_id, row_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE job_rejects;
