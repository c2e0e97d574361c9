-- +goose Up
-- No AUTO_INCREMENT: ids come in blocks, so that parallel imports share neither a lock nor a page.
CREATE TABLE IF NOT EXISTS users (
  id            BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  first_name    VARCHAR(100) NOT NULL,
  last_name     VARCHAR(100) NOT NULL,
  email         VARCHAR(255) NOT NULL,
  city          VARCHAR(100) NOT NULL,
  state         VARCHAR(100) NOT NULL,
  age           SMALLINT UNSIGNED NOT NULL,
  mobile_number VARCHAR(32) NOT NULL,
  gender        VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  deleted       BOOLEAN NOT NULL DEFAULT FALSE,
  deleted_at    BIGINT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- +goose Down
DROP TABLE users;
