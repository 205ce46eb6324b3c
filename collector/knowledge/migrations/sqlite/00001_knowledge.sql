-- Times are microseconds since the Unix epoch. knowledge_text holds words made
-- by the program, separated by blanks; its rowid is knowledge.ord.

-- +goose Up
CREATE TABLE knowledge (
    ord       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id        TEXT    NOT NULL UNIQUE,
    version   BIGINT  NOT NULL,
    state     TEXT    NOT NULL,
    owner     TEXT    NOT NULL,
    class     TEXT    NOT NULL,
    review_by BIGINT  NOT NULL,
    words     TEXT    NOT NULL,
    body      TEXT    NOT NULL
);
CREATE INDEX knowledge_state ON knowledge (state, review_by);
CREATE INDEX knowledge_class ON knowledge (class, state);
CREATE TABLE knowledge_words (
    word    TEXT   NOT NULL PRIMARY KEY,
    entries BIGINT NOT NULL
);
CREATE TABLE knowledge_models (
    model TEXT NOT NULL,
    id    TEXT NOT NULL,
    PRIMARY KEY (model, id)
);
CREATE VIRTUAL TABLE knowledge_text USING fts5 (title, symptoms, cause, solution, tokenize = "ascii tokenchars '-/._:'");

-- +goose Down
DROP TABLE knowledge_text;
DROP TABLE knowledge_models;
DROP TABLE knowledge_words;
DROP TABLE knowledge;
