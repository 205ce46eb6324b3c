-- Every version of an entry as it was stored, for reading back and undoing.

-- +goose Up
CREATE TABLE knowledge_history (
    id      TEXT   NOT NULL,
    version BIGINT NOT NULL,
    body    TEXT   NOT NULL,
    PRIMARY KEY (id, version)
);
INSERT INTO knowledge_history (id, version, body) SELECT id, version, body FROM knowledge;

-- +goose Down
DROP TABLE knowledge_history;
