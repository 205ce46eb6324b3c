-- +goose Up
CREATE TABLE notices (
    notice_key  TEXT   NOT NULL PRIMARY KEY,
    incident_id TEXT   NOT NULL,
    receiver    TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    body        TEXT   NOT NULL
);
CREATE INDEX notices_at ON notices (at);
CREATE INDEX notices_incident ON notices (incident_id, at);
CREATE INDEX notices_state ON notices (state, at);

-- +goose Down
DROP TABLE notices;
