package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/reporter"
	"github.com/faultline/faultline/collector/writeup"
)

var (
	_ reporter.Store = (*Store)(nil)
	_ writeup.Store  = (*Store)(nil)
)

// Pools returns the pools for packages with tables of their own; on PostgreSQL
// both are the same. They stay the store's to close.
func (s *Store) Pools() (read, write *sql.DB, postgres bool) {
	return s.read, s.write, s.dialect.postgres
}

// PutReport implements reporter.Store.
func (s *Store) PutReport(ctx context.Context, r reporter.Report, hash string) error {
	b, err := encode(r)
	if err == nil {
		_, err = s.exec(ctx, `INSERT INTO fault_reports (id, link_hash, incident_id, at, ended, body) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body, ended = excluded.ended`, r.ID, hash, r.IncidentID, r.At, number(r.Over), b)
	}
	if err != nil {
		return fmt.Errorf("write report %s: %w", r.ID, s.dialect.explain(err))
	}
	return nil
}

// UpdateReport implements reporter.Store.
func (s *Store) UpdateReport(ctx context.Context, r reporter.Report) error {
	b, err := encode(r)
	if err == nil {
		var n int64
		if n, err = s.exec(ctx, `UPDATE fault_reports SET body = ?, ended = ? WHERE id = ?`, b, number(r.Over), r.ID); err == nil && n == 0 {
			err = engine.ErrNotFound
		}
	}
	if err != nil {
		return fmt.Errorf("update report %s: %w", r.ID, s.dialect.explain(err))
	}
	return nil
}

// ReportByLink implements reporter.Store.
func (s *Store) ReportByLink(ctx context.Context, hash string) (reporter.Report, error) {
	return body[reporter.Report](ctx, s.reader(), `SELECT body FROM fault_reports WHERE link_hash = ?`, hash)
}

// ReportsOf implements reporter.Store.
func (s *Store) ReportsOf(ctx context.Context, incidentID string) ([]reporter.Report, error) {
	return bodies[reporter.Report](ctx, s.reader(), `SELECT body FROM fault_reports WHERE incident_id = ? ORDER BY at, id`, incidentID)
}

// ReportsToTell implements reporter.Store.
func (s *Store) ReportsToTell(ctx context.Context, limit int) ([]reporter.Report, error) {
	return bodies[reporter.Report](ctx, s.reader(), fmt.Sprintf(`SELECT body FROM fault_reports WHERE ended = 0 ORDER BY at, id LIMIT %d`, limit))
}

// PutEdition implements writeup.Store.
func (s *Store) PutEdition(ctx context.Context, e writeup.Edition) error {
	b, err := encode(e)
	if err == nil {
		var n int64
		n, err = s.exec(ctx, `INSERT INTO writeups (incident_id, kind, version, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, e.IncidentID, e.Kind, int64(e.Version), b)
		if err == nil && n == 0 {
			err = engine.ErrConflict
		}
	}
	if err != nil {
		return fmt.Errorf("write %s of incident %s: %w", e.Kind, e.IncidentID, s.dialect.explain(err))
	}
	return nil
}

// Editions implements writeup.Store.
func (s *Store) Editions(ctx context.Context, incidentID, kind string) ([]writeup.Edition, error) {
	return bodies[writeup.Edition](ctx, s.reader(), `SELECT body FROM writeups WHERE incident_id = ? AND kind = ? ORDER BY version`, incidentID, kind)
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
