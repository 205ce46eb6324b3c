-- Lists are chosen from an index alone, before any incident is read whole.
-- +goose Up
DROP INDEX incidents_state;
CREATE INDEX incidents_state ON incidents (state, opened_at, id, site, class);

-- +goose Down
DROP INDEX incidents_state;
CREATE INDEX incidents_state ON incidents (state, opened_at);
