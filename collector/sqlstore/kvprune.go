package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// settledAtOnce is how many incidents one query asks about.
const settledAtOnce = 200

// Settled returns those of the ids that are no incident's, or of one that was
// closed before the time: what was kept beside them may go.
func (s *Store) Settled(ctx context.Context, ids []string, before time.Time) ([]string, error) {
	var out []string
	for len(ids) > 0 {
		some := ids[:min(len(ids), settledAtOnce)]
		ids = ids[len(some):]
		args := make([]any, 0, len(some)+1)
		for _, id := range some {
			args = append(args, id)
		}
		live := map[string]bool{}
		err := s.reader().each(ctx, func(r *sql.Rows) error {
			var id string
			if err := r.Scan(&id); err != nil {
				return err
			}
			live[id] = true
			return nil
		}, `SELECT id FROM incidents WHERE id IN (?`+strings.Repeat(", ?", len(some)-1)+`) AND (state <> 'closed' OR closed_at >= ?)`, append(args, before)...)
		if err != nil {
			return nil, fmt.Errorf("read which of %d incidents are settled: %w", len(some), err)
		}
		for _, id := range some {
			if !live[id] {
				out = append(out, id)
			}
		}
	}
	return out, nil
}
