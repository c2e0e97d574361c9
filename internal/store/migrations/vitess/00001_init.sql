-- +goose NO TRANSACTION
-- +goose Up
-- The tables as they are after migration 32 of MySQL. Those whose rows have a block are in the sharded keyspace muster_users;
-- deployments/vitess has the VSchema and the routing rules. Vitess has no transaction for changes of its schema, so each
-- statement may run again.
CREATE TABLE IF NOT EXISTS id_blocks (
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  next_id BIGINT NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS muster_users.users (
  id BIGINT UNSIGNED NOT NULL,
  first_name VARCHAR(100) NOT NULL,
  last_name VARCHAR(100) NOT NULL,
  email VARCHAR(255) NOT NULL,
  city VARCHAR(100) NOT NULL,
  state VARCHAR(100) NOT NULL,
  age SMALLINT UNSIGNED DEFAULT NULL,
  mobile_number VARCHAR(32) NOT NULL,
  gender VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  deleted BOOLEAN NOT NULL DEFAULT 0,
  deleted_at BIGINT DEFAULT NULL,
  block BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id),
  KEY ix_users_first_name (first_name),
  KEY ix_users_last_name (last_name),
  KEY ix_users_city (city),
  KEY ix_users_state (state),
  KEY ix_users_age (age),
  KEY ix_users_email (email),
  KEY ix_users_deleted (deleted)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS jobs (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  source VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  tier VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  version BIGINT NOT NULL DEFAULT 0,
  requested BIGINT NOT NULL,
  processed BIGINT NOT NULL DEFAULT 0,
  rejected BIGINT NOT NULL DEFAULT 0,
  chunks INT NOT NULL,
  first_id BIGINT NOT NULL,
  seed BIGINT NOT NULL,
  params JSON NOT NULL,
  error_code VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  wait_reason VARCHAR(500) NOT NULL DEFAULT '',
  idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  request_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL DEFAULT 0,
  finished_at BIGINT NOT NULL DEFAULT 0,
  finalized_at BIGINT NOT NULL DEFAULT 0,
  deadline_at BIGINT NOT NULL DEFAULT 0,
  paused_at BIGINT NOT NULL DEFAULT 0,
  undo_at BIGINT NOT NULL DEFAULT 0,
  undo_rows BIGINT NOT NULL DEFAULT 0,
  undone_at BIGINT NOT NULL DEFAULT 0,
  idle_ms BIGINT NOT NULL DEFAULT 0,
  chunk_rows BIGINT NOT NULL DEFAULT 0,
  chunks_version BIGINT NOT NULL DEFAULT 0,
  phase VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  dry_run BOOLEAN NOT NULL DEFAULT 0,
  upload_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  updated BIGINT NOT NULL DEFAULT 0,
  unchanged BIGINT NOT NULL DEFAULT 0,
  skipped BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY uq_jobs_idempotency (owner,idempotency_key),
  KEY ix_jobs_unfinalized (finalized_at,id),
  KEY ix_jobs_owner (owner,id),
  KEY ix_jobs_upload (upload_id),
  KEY ix_jobs_status (status,id),
  KEY ix_jobs_owner_status (owner,status,id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS muster_users.job_chunks (
  job_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chunk_no INT NOT NULL,
  first_row BIGINT NOT NULL,
  row_count BIGINT NOT NULL,
  rows_done BIGINT NOT NULL DEFAULT 0,
  rows_rejected BIGINT NOT NULL DEFAULT 0,
  state VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'READY',
  lease_until BIGINT NOT NULL DEFAULT 0,
  claims BIGINT NOT NULL DEFAULT 0,
  stalls INT NOT NULL DEFAULT 0,
  last_error VARCHAR(500) NOT NULL DEFAULT '',
  job_version BIGINT NOT NULL DEFAULT 0,
  rows_updated BIGINT NOT NULL DEFAULT 0,
  rows_unchanged BIGINT NOT NULL DEFAULT 0,
  rows_skipped BIGINT NOT NULL DEFAULT 0,
  block BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (job_id,chunk_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS deployment (
  row_no TINYINT NOT NULL,
  id VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  link_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  PRIMARY KEY (row_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS muster_users.job_rejects (
  job_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  row_no BIGINT NOT NULL,
  chunk_no INT NOT NULL,
  line_no BIGINT NOT NULL,
  code VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  field VARCHAR(64) NOT NULL,
  message VARCHAR(500) NOT NULL,
  raw MEDIUMBLOB NOT NULL,
  block BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (job_id,row_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS key_locks (
  lock_key BINARY(16) NOT NULL,
  holder BIGINT NOT NULL,
  PRIMARY KEY (lock_key),
  KEY ix_key_locks_holder (holder)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS webhook_endpoints (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  url VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  secret VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  previous VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  previous_until BIGINT NOT NULL DEFAULT 0,
  disabled_at BIGINT NOT NULL DEFAULT 0,
  disabled_why VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  failing_since BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY ix_webhook_endpoints_owner (owner,id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS webhook_deliveries (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  endpoint_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  url VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  job_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  job_version BIGINT NOT NULL DEFAULT 0,
  payload BLOB,
  state VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempts INT NOT NULL DEFAULT 0,
  tries INT NOT NULL DEFAULT 0,
  next_at BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0,
  claims BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY ix_webhook_deliveries_due (state,endpoint_id,next_at),
  KEY ix_webhook_deliveries_owner (owner,id),
  KEY ix_webhook_deliveries_created (created_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS webhook_attempts (
  delivery_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempt_no INT NOT NULL,
  at BIGINT NOT NULL,
  status INT NOT NULL,
  error VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  answer VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  took_ms BIGINT NOT NULL,
  PRIMARY KEY (delivery_id,attempt_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS api_keys (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  slot TINYINT DEFAULT NULL,
  prefix VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  hash BINARY(32) NOT NULL,
  scopes VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL DEFAULT 0,
  revoked_at BIGINT NOT NULL DEFAULT 0,
  last_used_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY uq_api_keys_hash (hash),
  UNIQUE KEY uq_api_keys_slot (owner,name,slot),
  KEY ix_api_keys_owner (owner,id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS sessions (
  token BINARY(32) NOT NULL,
  key_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (token),
  KEY ix_sessions_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS muster_users.export_files (
  job_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chunk_no INT NOT NULL,
  file_no INT NOT NULL,
  object VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  row_count BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  block BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (job_id,chunk_no,file_no)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS schedules (
  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(100) NOT NULL,
  cron VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  time_zone VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  catch_up VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  overlaps VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  action JSON NOT NULL,
  version BIGINT NOT NULL DEFAULT 0,
  paused_at BIGINT NOT NULL DEFAULT 0,
  next_fire_at BIGINT NOT NULL DEFAULT 0,
  last_job_id VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (id),
  KEY ix_schedules_owner (owner,id),
  KEY ix_schedules_due (next_fire_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS schedule_runs (
  schedule_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  fire_at BIGINT NOT NULL,
  manual BOOLEAN NOT NULL,
  state VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  job_id VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  code VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  attempts BIGINT NOT NULL DEFAULT 0,
  try_at BIGINT NOT NULL DEFAULT 0,
  finished_at BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (schedule_id,fire_at),
  KEY ix_schedule_runs_state (state,try_at),
  KEY ix_schedule_runs_finished (finished_at)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

INSERT INTO id_blocks (name, next_id) VALUES ('users', 1) ON DUPLICATE KEY UPDATE next_id = next_id;

-- +goose Down
DROP TABLE IF EXISTS schedule_runs;
DROP TABLE IF EXISTS schedules;
DROP TABLE IF EXISTS muster_users.export_files;
DROP TABLE IF EXISTS sessions;
DROP TABLE IF EXISTS api_keys;
DROP TABLE IF EXISTS webhook_attempts;
DROP TABLE IF EXISTS webhook_deliveries;
DROP TABLE IF EXISTS webhook_endpoints;
DROP TABLE IF EXISTS key_locks;
DROP TABLE IF EXISTS muster_users.job_rejects;
DROP TABLE IF EXISTS deployment;
DROP TABLE IF EXISTS muster_users.job_chunks;
DROP TABLE IF EXISTS jobs;
DROP TABLE IF EXISTS muster_users.users;
DROP TABLE IF EXISTS id_blocks;
