-- Imports of the register, signed inspections with their spot checks, and links
-- by which vendors see their scoreboard. days are text: 2026-11-20.

-- +goose Up
CREATE TABLE register_imports (
    id    TEXT   NOT NULL PRIMARY KEY,
    at    BIGINT NOT NULL,
    body  TEXT   NOT NULL,
    files TEXT   NOT NULL
);
CREATE INDEX register_imports_at ON register_imports (at);

CREATE TABLE inspections (
    site      TEXT   NOT NULL,
    day       TEXT   NOT NULL,
    signed_at BIGINT NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (site, day)
);
CREATE INDEX inspections_day ON inspections (day);

CREATE TABLE inspection_checks (
    id   TEXT   NOT NULL PRIMARY KEY,
    site TEXT   NOT NULL,
    day  TEXT   NOT NULL,
    at   BIGINT NOT NULL,
    body TEXT   NOT NULL
);
CREATE INDEX inspection_checks_day ON inspection_checks (day);

CREATE TABLE scoreboard_links (
    hash       TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);

-- +goose Down
DROP TABLE scoreboard_links;
DROP TABLE inspection_checks;
DROP TABLE inspections;
DROP TABLE register_imports;
