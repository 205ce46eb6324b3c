-- Papers of incidents: handed in or drafted. content is the body in base64.

-- +goose Up
CREATE TABLE documents (
    id          TEXT   NOT NULL PRIMARY KEY,
    incident_id TEXT   NOT NULL REFERENCES incidents (id),
    at          BIGINT NOT NULL,
    body        TEXT   NOT NULL,
    content     TEXT   NOT NULL
);
CREATE INDEX documents_incident ON documents (incident_id, at);

-- +goose Down
DROP TABLE documents;
