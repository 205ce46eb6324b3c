package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// mostJudged bounds how many decisions are read at once, the latest.
const mostJudged = 20_000

// Judged returns what people decided in incidents opened since, the latest
// first, each with the rule of the diagnosis as it was at that moment.
func (s *Store) Judged(ctx context.Context, since time.Time) ([]incident.Judgement, error) {
	var out []incident.Judgement
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		j := incident.Judgement{}
		var number sql.NullString
		var decided, diagnosed []byte
		if err := r.Scan(&j.IncidentID, &number, &j.Site, &decided, &diagnosed); err != nil {
			return err
		}
		var d, g incident.Event
		if err := json.Unmarshal(decided, &d); err != nil {
			return err
		}
		if err := json.Unmarshal(diagnosed, &g); err != nil {
			return err
		}
		j.Number, j.Suggested, j.Choice, j.Comment, j.By, j.At = number.String, d.Suggested, d.Choice, d.Comment, d.Actor, d.At
		if g.Diagnosis != nil {
			j.Rule = g.Diagnosis.Rule
		}
		out = append(out, j)
		return nil
	}, `SELECT i.id, i.number, i.site, d.body, (SELECT g.body FROM events g WHERE g.incident_id = d.incident_id AND g.seq < d.seq AND g.kind IN (?, ?) ORDER BY g.seq DESC LIMIT 1)
		FROM incidents i JOIN events d ON d.incident_id = i.id WHERE i.opened_at >= ? AND d.kind = ? ORDER BY d.at DESC, d.incident_id LIMIT ?`,
		string(incident.Opened), string(incident.Diagnosed), since, string(incident.Decided), int64(mostJudged))
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return out, nil
}
