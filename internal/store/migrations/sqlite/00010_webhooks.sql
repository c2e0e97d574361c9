-- +goose Up
-- Who is told of the end of jobs. The one without an address stands for the callbacks of an owner's jobs, each of which has its own.
CREATE TABLE webhook_endpoints (
  id             TEXT NOT NULL PRIMARY KEY,
  owner          TEXT NOT NULL,
  url            TEXT NOT NULL,
  secret         TEXT NOT NULL,
  previous       TEXT NOT NULL DEFAULT '',
  previous_until INTEGER NOT NULL DEFAULT 0,
  disabled_at    INTEGER NOT NULL DEFAULT 0,
  disabled_why   TEXT NOT NULL DEFAULT '',
  failing_since  INTEGER NOT NULL DEFAULT 0,
  created_at     INTEGER NOT NULL
);
CREATE INDEX ix_webhook_endpoints_owner ON webhook_endpoints (owner, id);

-- What is to be told, and to whom: written in the transaction that ends the job. The payload is made before the first attempt.
CREATE TABLE webhook_deliveries (
  id          TEXT NOT NULL PRIMARY KEY,
  owner       TEXT NOT NULL,
  endpoint_id TEXT NOT NULL,
  url         TEXT NOT NULL DEFAULT '',
  event       TEXT NOT NULL,
  job_id      TEXT NOT NULL DEFAULT '',
  job_version INTEGER NOT NULL DEFAULT 0,
  payload     BLOB NULL,
  state       TEXT NOT NULL,
  attempts    INTEGER NOT NULL DEFAULT 0,
  tries       INTEGER NOT NULL DEFAULT 0,
  next_at     INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER NOT NULL DEFAULT 0,
  claims      INTEGER NOT NULL DEFAULT 0,
  created_at  INTEGER NOT NULL
);
CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (state, endpoint_id, next_at);
CREATE INDEX ix_webhook_deliveries_owner ON webhook_deliveries (owner, id);
CREATE INDEX ix_webhook_deliveries_created ON webhook_deliveries (created_at);

-- The tries of each delivery.
CREATE TABLE webhook_attempts (
  delivery_id TEXT NOT NULL,
  attempt_no  INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  status      INTEGER NOT NULL,
  error       TEXT NOT NULL,
  answer      TEXT NOT NULL,
  took_ms     INTEGER NOT NULL,
  PRIMARY KEY (delivery_id, attempt_no)
);

-- +goose Down
DROP TABLE webhook_attempts;
DROP TABLE webhook_deliveries;
DROP TABLE webhook_endpoints;
