package sqlstore

import (
	"context"
	"fmt"
	"time"

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
	_, err := s.writer().exec(ctx, `INSERT INTO kv (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("write setting %s: %w", name, err)
	}
	return nil
}

// KVInit writes a small setting unless it is there, and returns what is there
// then: two nodes that start at once end with the same salt.
func (s *Store) KVInit(ctx context.Context, name, value string) (string, error) {
	if _, err := s.writer().exec(ctx, `INSERT INTO kv (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, value); err != nil {
		return "", fmt.Errorf("write setting %s: %w", name, err)
	}
	return s.KVGet(ctx, name)
}

// PutReportRow writes an incident's row of the report, replacing an earlier one.
func (s *Store) PutReportRow(ctx context.Context, r report.Row) error {
	b, err := encode(r)
	if err != nil {
		return fmt.Errorf("write report row %s: %w", r.IncidentID, err)
	}
	_, err = s.writer().exec(ctx, `INSERT INTO report_rows (incident_id, opened_at, site, class, body) VALUES (?, ?, ?, ?, ?)
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
