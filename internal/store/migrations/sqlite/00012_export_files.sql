-- +goose Up
-- The files that export jobs have written, each in the transaction that ends its chunk. An object that no row names is one
-- whose worker died or was too late.
CREATE TABLE export_files (
  job_id    TEXT NOT NULL,
  chunk_no  INTEGER NOT NULL,
  file_no   INTEGER NOT NULL,
  object    TEXT NOT NULL,
  row_count INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,
  sha256    TEXT NOT NULL,
  PRIMARY KEY (job_id, chunk_no, file_no)
);

-- What links to files are signed with, made by the first process that signs one; empty: nobody has yet.
ALTER TABLE deployment ADD COLUMN link_key TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE deployment DROP COLUMN link_key;
DROP TABLE export_files;
