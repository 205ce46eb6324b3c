package sqlstore

import (
	"context"
	"fmt"

	"github.com/faultline/faultline/collector/process/versions"
)

var _ versions.Store = ProcessVersions{}

// ProcessVersions returns the store of processes' versions.
func (s *Store) ProcessVersions() ProcessVersions { return ProcessVersions{s} }

// ProcessVersions keeps processes' versions.
type ProcessVersions struct{ s *Store }

// Versions implements versions.Store; id "" is every process.
func (x ProcessVersions) Versions(ctx context.Context, id string) ([]versions.Version, error) {
	list, err := bodies[versions.Version](ctx, x.s.reader(), `SELECT body FROM process_versions WHERE id = ? OR ? = '' ORDER BY id, number`, id, id)
	if err != nil {
		return nil, fmt.Errorf("read versions of process %s: %w", id, err)
	}
	return list, nil
}

// Add implements versions.Store.
func (x ProcessVersions) Add(ctx context.Context, v versions.Version) error {
	b, err := encode(v)
	var n int64
	if err == nil {
		n, err = x.s.exec(ctx, `INSERT INTO process_versions (id, number, state, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (id, number) DO NOTHING`, v.ID, int64(v.Number), string(v.State), b)
	}
	if err == nil && n == 0 {
		err = versions.ErrExists
	}
	if err != nil {
		return fmt.Errorf("write version %s: %w", v.Ref, err)
	}
	return nil
}

// Decide implements versions.Store.
func (x ProcessVersions) Decide(ctx context.Context, v versions.Version) error {
	b, err := encode(v)
	var n int64
	if err == nil {
		n, err = x.s.exec(ctx, `UPDATE process_versions SET state = ?, body = ? WHERE id = ? AND number = ? AND state = ?`,
			string(v.State), b, v.ID, int64(v.Number), string(versions.Published))
	}
	if err == nil && n == 0 {
		err = versions.ErrState
	}
	if err != nil {
		return fmt.Errorf("decide version %s: %w", v.Ref, err)
	}
	return nil
}
