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

// ChangedIncidents returns the versions of all incidents opened since a time, by
// id, and whole those that are not at the version known.
func (s *Store) ChangedIncidents(ctx context.Context, since time.Time, known map[string]int64) (versions map[string]int64, changed []incident.Incident, err error) {
	versions = map[string]int64{}
	var ids []any
	err = s.reader().each(ctx, func(r *sql.Rows) error {
		var id string
		var version int64
		if err := r.Scan(&id, &version); err != nil {
			return err
		}
		versions[id] = version
		if v, ok := known[id]; !ok || v != version {
			ids = append(ids, id)
		}
		return nil
	}, `SELECT id, version FROM incidents WHERE opened_at >= ?`, since)
	switch {
	case err != nil || len(ids) == 0:
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
