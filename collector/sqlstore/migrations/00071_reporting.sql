-- What people report, and what they write about incidents.

-- +goose Up
CREATE TABLE fault_reports (
    id          TEXT   NOT NULL PRIMARY KEY,
    link_hash   TEXT   NOT NULL UNIQUE, -- SHA-256 of the private link's secret, hex
    incident_id TEXT   NOT NULL REFERENCES incidents (id),
    at          BIGINT NOT NULL,        -- microseconds since 1970 UTC
    ended       BIGINT NOT NULL,        -- 1: nothing more is told
    body        TEXT   NOT NULL
);
CREATE INDEX fault_reports_incident ON fault_reports (incident_id, at);
CREATE INDEX fault_reports_open ON fault_reports (at) WHERE ended = 0;

CREATE TABLE writeups (
    incident_id TEXT   NOT NULL REFERENCES incidents (id),
    kind        TEXT   NOT NULL,
    version     BIGINT NOT NULL, -- 1, 2, ...: an edition is never changed
    body        TEXT   NOT NULL,
    PRIMARY KEY (incident_id, kind, version)
);

-- +goose Down
DROP TABLE writeups;
DROP TABLE fault_reports;
