package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// CountEffects counts the rows of open incidents' effects, for the auditor.
func (s *Store) CountEffects(ctx context.Context) (map[string]engine.EffectCount, error) {
	out := map[string]engine.EffectCount{}
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		var id string
		var n engine.EffectCount
		var oldest int64
		if err := r.Scan(&id, &n.Rows, &n.Done, &n.Failed, &n.Unfinished, &oldest); err != nil {
			return err
		}
		n.Oldest = fromMicros(oldest)
		out[id] = n
		return nil
	}, `SELECT f.incident_id, COUNT(*), SUM(CASE WHEN f.state = 'done' THEN 1 ELSE 0 END), SUM(CASE WHEN f.state = 'failed' THEN 1 ELSE 0 END),
		SUM(CASE WHEN f.state IN ('queued', 'sending') THEN 1 ELSE 0 END),
		COALESCE(MIN(CASE WHEN f.state IN ('queued', 'sending') AND f.kind <> 'verify_recovery' THEN
			CASE WHEN f.next_at > f.created_at THEN f.next_at ELSE f.created_at END END), 0)
		FROM effects f JOIN incidents i ON i.id = f.incident_id WHERE i.state IN (?, ?) GROUP BY f.incident_id`, incident.StateOpen, incident.StateVerified)
	if err != nil {
		return nil, fmt.Errorf("count effects of open incidents: %w", err)
	}
	return out, nil
}
