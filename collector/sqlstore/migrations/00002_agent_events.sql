-- What agents told besides samples: kept as evidence, known by its id.

-- +goose Up
CREATE TABLE agent_events (
    id     TEXT   NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    agent  TEXT   NOT NULL,
    site   TEXT   NOT NULL,
    device TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    body   TEXT   NOT NULL
);
CREATE INDEX agent_events_at ON agent_events (at);
CREATE INDEX agent_events_device ON agent_events (device, at);

-- +goose Down
DROP TABLE agent_events;
