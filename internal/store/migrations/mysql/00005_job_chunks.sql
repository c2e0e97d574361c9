-- +goose Up
CREATE TABLE IF NOT EXISTS job_chunks (
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chunk_no      INT NOT NULL,
  first_row     BIGINT NOT NULL,
  row_count     BIGINT NOT NULL,
  rows_done     BIGINT NOT NULL DEFAULT 0,
  rows_rejected BIGINT NOT NULL DEFAULT 0,
  state         VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'READY',
  lease_until   BIGINT NOT NULL DEFAULT 0,
  claims        BIGINT NOT NULL DEFAULT 0,
  stalls        INT NOT NULL DEFAULT 0,
  last_error    VARCHAR(500) NOT NULL DEFAULT '',
  PRIMARY KEY (job_id, chunk_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE job_chunks;
