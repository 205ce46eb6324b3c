-- Times are microseconds since the Unix epoch, 0 is "not yet"; truths are 0 or 1.
-- body columns hold JSON as text: events are hash-chained, so their bytes count.
-- Only types and syntax that SQLite and PostgreSQL share.

-- +goose Up
CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    writes     BIGINT NOT NULL
);

CREATE TABLE incidents (
    id        TEXT   NOT NULL PRIMARY KEY,
    number    TEXT   UNIQUE,
    version   BIGINT NOT NULL,
    state     TEXT   NOT NULL,
    site      TEXT   NOT NULL,
    class     TEXT   NOT NULL,
    practice  BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    body      TEXT   NOT NULL
);
CREATE INDEX incidents_opened ON incidents (opened_at, id);
CREATE INDEX incidents_state ON incidents (state, opened_at);

CREATE TABLE events (
    incident_id TEXT   NOT NULL REFERENCES incidents (id),
    seq         BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    body        TEXT   NOT NULL,
    PRIMARY KEY (incident_id, seq)
);

CREATE TABLE seen (
    id TEXT   NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX seen_at ON seen (at);

CREATE TABLE alerts (
    fingerprint TEXT NOT NULL PRIMARY KEY,
    state       TEXT NOT NULL,
    body        TEXT NOT NULL
);

CREATE TABLE effects (
    effect_key  TEXT   NOT NULL PRIMARY KEY,
    incident_id TEXT   NOT NULL REFERENCES incidents (id),
    kind        TEXT   NOT NULL,
    lane        TEXT   NOT NULL,
    ord         BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    attempts    BIGINT NOT NULL,
    ambiguous   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    claimed_by  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    problem     TEXT   NOT NULL,
    body        TEXT   NOT NULL
);
CREATE INDEX effects_due ON effects (state, next_at);
CREATE INDEX effects_lane ON effects (incident_id, lane, ord);

CREATE TABLE numbers (
    day  TEXT   NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE report_rows (
    incident_id TEXT   NOT NULL PRIMARY KEY,
    opened_at   BIGINT NOT NULL,
    site        TEXT   NOT NULL,
    class       TEXT   NOT NULL,
    body        TEXT   NOT NULL
);
CREATE INDEX report_rows_opened ON report_rows (opened_at);

CREATE TABLE users (
    id   TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);

CREATE TABLE sessions (
    token      TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    data       TEXT   NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE tokens (
    hash       TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);

CREATE TABLE audit (
    id     TEXT   NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    action TEXT   NOT NULL,
    body   TEXT   NOT NULL
);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE kv (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- +goose Down
DROP TABLE kv;
DROP TABLE audit;
DROP TABLE tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE report_rows;
DROP TABLE numbers;
DROP TABLE effects;
DROP TABLE alerts;
DROP TABLE seen;
DROP TABLE events;
DROP TABLE incidents;
DROP TABLE leases;
