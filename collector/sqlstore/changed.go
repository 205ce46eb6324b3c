package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// changedAtOnce is how many changed incidents are read by their ids; of more,
// all are read.
const changedAtOnce = 200

// IncidentVersions returns the versions of all incidents opened since a time, by id.
func (s *Store) IncidentVersions(ctx context.Context, since time.Time) (map[string]int64, error) {
	versions := map[string]int64{}
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		var id string
		var version int64
		if err := r.Scan(&id, &version); err != nil {
			return err
		}
		versions[id] = version
		return nil
	}, `SELECT id, version FROM incidents WHERE opened_at >= ?`, since)
	if err != nil {
		return nil, fmt.Errorf("read versions of incidents: %w", err)
	}
	return versions, nil
}

// ChangedIncidents returns the versions of all incidents opened since a time, by
// id, and whole those that are not at the version known.
func (s *Store) ChangedIncidents(ctx context.Context, since time.Time, known map[string]int64) (versions map[string]int64, changed []incident.Incident, err error) {
	versions, err = s.IncidentVersions(ctx, since)
	if err != nil {
		return nil, nil, err
	}
	var ids []any
	for id, version := range versions {
		if v, ok := known[id]; !ok || v != version {
			ids = append(ids, id)
		}
	}
	switch {
	case len(ids) == 0:
	case len(ids) > changedAtOnce:
		changed, err = s.incidents(ctx, `SELECT version, body FROM incidents WHERE opened_at >= ?`, since)
	default:
		changed, err = s.incidents(ctx, `SELECT version, body FROM incidents WHERE id IN (?`+strings.Repeat(", ?", len(ids)-1)+`)`, ids...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read changed incidents: %w", err)
	}
	return versions, changed, nil
}
