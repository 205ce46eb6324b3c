package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/report"
)

// KVGet returns a small setting, or engine.ErrNotFound.
func (s *Store) KVGet(ctx context.Context, name string) (string, error) {
	var v string
	if err := s.reader().row(ctx, []any{&v}, `SELECT value FROM kv WHERE name = ?`, name); err != nil {
		return "", fmt.Errorf("read setting %s: %w", name, err)
	}
	return v, nil
}

// KVPut writes a small setting: text, not bytes.
func (s *Store) KVPut(ctx context.Context, name, value string) error {
	_, err := s.exec(ctx, `INSERT INTO kv (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("write setting %s: %w", name, err)
	}
	return nil
}

// KVInit writes a small setting unless it is there, and returns what is there
// then: two nodes that start at once end with the same salt.
func (s *Store) KVInit(ctx context.Context, name, value string) (string, error) {
	if _, err := s.exec(ctx, `INSERT INTO kv (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, value); err != nil {
		return "", fmt.Errorf("write setting %s: %w", name, err)
	}
	return s.KVGet(ctx, name)
}

// KVPutAll writes small settings, all or none.
func (s *Store) KVPutAll(ctx context.Context, values map[string]string) error {
	err := s.tx(ctx, func(h handle) error {
		for _, name := range slices.Sorted(maps.Keys(values)) { // in one order, so that two writers never wait for each other
			if _, err := h.exec(ctx, `INSERT INTO kv (name, value) VALUES (?, ?)
				ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, values[name]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write %d settings: %w", len(values), err)
	}
	return nil
}

// KVList returns the small settings whose names begin with the prefix.
func (s *Store) KVList(ctx context.Context, prefix string) (map[string]string, error) {
	found := map[string]string{}
	// Not LIKE and not a range: both mean different things in the two databases.
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		var name, value string
		if err := r.Scan(&name, &value); err != nil {
			return err
		}
		found[name] = value
		return nil
	}, `SELECT name, value FROM kv WHERE substr(name, 1, ?) = ?`, int64(utf8.RuneCountInString(prefix)), prefix)
	if err != nil {
		return nil, fmt.Errorf("read settings %s*: %w", prefix, err)
	}
	return found, nil
}

// KVDelete deletes small settings, all or none; those that are not there are no
// fault.
func (s *Store) KVDelete(ctx context.Context, names ...string) error {
	err := s.tx(ctx, func(h handle) error {
		for _, name := range slices.Sorted(slices.Values(names)) {
			if _, err := h.exec(ctx, `DELETE FROM kv WHERE name = ?`, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete %d settings: %w", len(names), err)
	}
	return nil
}

// PutReportRow writes an incident's row of the report, replacing an earlier one.
func (s *Store) PutReportRow(ctx context.Context, r report.Row) error {
	b, err := encode(r)
	if err != nil {
		return fmt.Errorf("write report row %s: %w", r.IncidentID, err)
	}
	_, err = s.exec(ctx, `INSERT INTO report_rows (incident_id, opened_at, site, class, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (incident_id) DO UPDATE SET opened_at = excluded.opened_at, site = excluded.site,
			class = excluded.class, body = excluded.body`,
		r.IncidentID, r.OpenedAt, r.Site, r.Class, b)
	if err != nil {
		return fmt.Errorf("write report row %s: %w", r.IncidentID, err)
	}
	return nil
}

// ReportRows returns the rows of incidents opened in [from, to), oldest first;
// a zero time is no limit.
func (s *Store) ReportRows(ctx context.Context, from, to time.Time) ([]report.Row, error) {
	until := int64(1<<63 - 1)
	if !to.IsZero() {
		until = micros(to)
	}
	rows, err := bodies[report.Row](ctx, s.reader(), `SELECT body FROM report_rows
		WHERE opened_at >= ? AND opened_at < ? ORDER BY opened_at, incident_id`, from, until)
	if err != nil {
		return nil, fmt.Errorf("read report rows: %w", err)
	}
	return rows, nil
}
