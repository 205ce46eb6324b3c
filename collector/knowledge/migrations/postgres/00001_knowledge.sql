-- Times are microseconds since the Unix epoch. terms holds words made by the
-- program; no text-search configuration of the server is used.

-- +goose Up
CREATE TABLE knowledge (
    ord       BIGINT   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        TEXT     NOT NULL UNIQUE,
    version   BIGINT   NOT NULL,
    state     TEXT     NOT NULL,
    owner     TEXT     NOT NULL,
    class     TEXT     NOT NULL,
    review_by BIGINT   NOT NULL,
    words     TEXT     NOT NULL,
    body      TEXT     NOT NULL,
    terms     TSVECTOR NOT NULL
);
CREATE INDEX knowledge_state ON knowledge (state, review_by);
CREATE INDEX knowledge_class ON knowledge (class, state);
CREATE INDEX knowledge_terms ON knowledge USING GIN (terms);
CREATE TABLE knowledge_words (
    word    TEXT   NOT NULL PRIMARY KEY,
    entries BIGINT NOT NULL
);
CREATE TABLE knowledge_models (
    model TEXT NOT NULL,
    id    TEXT NOT NULL,
    PRIMARY KEY (model, id)
);

-- +goose Down
DROP TABLE knowledge_models;
DROP TABLE knowledge_words;
DROP TABLE knowledge;
