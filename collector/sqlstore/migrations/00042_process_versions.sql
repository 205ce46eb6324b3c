-- Versions of processes: published by one person, approved by another. A row is
-- never deleted, and its text never changes.

-- +goose Up
CREATE TABLE process_versions (
    id     TEXT   NOT NULL,
    number BIGINT NOT NULL,
    state  TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (id, number)
);

-- +goose Down
DROP TABLE process_versions;
