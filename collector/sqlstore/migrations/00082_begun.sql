-- An effect that was claimed and one that had begun are told apart. 1: what it
-- does may have left, as of every row written before this was kept.
-- +goose Up
ALTER TABLE effects ADD COLUMN begun BIGINT NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE effects DROP COLUMN begun;
