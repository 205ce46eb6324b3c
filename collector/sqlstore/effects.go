package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/outbox"
)

var _ outbox.Store = (*Store)(nil)

// rowColumns are what scanRow reads.
const rowColumns = `body, state, attempts, ambiguous, begun, claimed_by, created_at, next_at, ended_at, problem, ord`

// due selects the rows that may be claimed: queued ones whose time has come and
// those an earlier generation left behind, unless an earlier row of the same
// lane is unfinished. A row whose time has not come holds nobody up.
const due = `SELECT e.effect_key FROM effects e
	WHERE ((e.state = 'queued' AND e.next_at <= ?) OR (e.state = 'sending' AND e.claimed_by < ?))
	AND (e.lane = '' OR NOT EXISTS (SELECT 1 FROM effects x
		WHERE x.incident_id = e.incident_id AND x.lane = e.lane AND x.ord < e.ord
		AND (x.state = 'sending' OR (x.state = 'queued' AND (x.attempts > 0 OR x.next_at <= ?)))))
	ORDER BY e.next_at, e.ord LIMIT ?`

// ClaimEffects implements outbox.Store. It writes only if something is due.
func (s *Store) ClaimEffects(ctx context.Context, generation int64, now time.Time, limit int) ([]outbox.Row, error) {
	var first string
	found := false
	err := s.reader().each(ctx, func(r *sql.Rows) error { found = true; return r.Scan(&first) }, due, now, generation, now, 1)
	if err != nil {
		return nil, fmt.Errorf("claim effects: %w", err)
	}
	if !found {
		return nil, nil
	}
	var rows []ordered
	err = s.tx(ctx, func(h handle) error {
		rows = nil
		if err := h.fence(ctx, generation); err != nil {
			return err
		}
		return h.each(ctx, collect(&rows), `UPDATE effects SET state = 'sending', attempts = attempts + 1,
			ambiguous = CASE WHEN state = 'sending' AND begun = 1 THEN 1 ELSE ambiguous END,
			begun = CASE WHEN kind = ? THEN 0 ELSE 1 END, claimed_by = ?
			WHERE effect_key IN (`+due+`) RETURNING `+rowColumns,
			outbox.Marked, generation, now, generation, now, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("claim effects: %w", err)
	}
	slices.SortFunc(rows, func(a, b ordered) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt), cmp.Compare(a.ord, b.ord))
	})
	out := make([]outbox.Row, len(rows))
	for i, r := range rows {
		out[i] = r.Row
	}
	return out, nil
}

// BeginEffect implements outbox.Store.
func (s *Store) BeginEffect(ctx context.Context, key string, generation int64) (bool, error) {
	n := int64(0)
	err := s.tx(ctx, func(h handle) (err error) {
		if err = h.fence(ctx, generation); err != nil {
			return err
		}
		n, err = h.exec(ctx, `UPDATE effects SET begun = 1 WHERE effect_key = ? AND state = 'sending' AND claimed_by = ?`, key, generation)
		return err
	})
	if errors.Is(err, engine.ErrFenced) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("begin effect %s: %w", key, err)
	}
	return n == 1, nil
}

// RetryEffect implements outbox.Store. What waits counts as begun, for a collector
// of a version that keeps no mark may claim it next.
func (s *Store) RetryEffect(ctx context.Context, r outbox.Retry) (bool, error) {
	n := int64(0)
	err := s.tx(ctx, func(h handle) (err error) {
		if err = h.fence(ctx, r.Generation); err != nil {
			return err
		}
		n, err = h.exec(ctx, `UPDATE effects SET state = 'queued', next_at = ?, problem = ?, ambiguous = ?, begun = 1
			WHERE effect_key = ? AND state = 'sending' AND claimed_by = ?`, r.At, r.Problem, r.Ambiguous, r.Key, r.Generation)
		return err
	})
	if errors.Is(err, engine.ErrFenced) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("put back effect %s: %w", r.Key, err)
	}
	return n == 1, nil
}

// EffectRow implements outbox.Store.
func (s *Store) EffectRow(ctx context.Context, key string) (outbox.Row, error) {
	var row ordered
	var stored []byte
	err := s.reader().row(ctx, row.dest(&stored), `SELECT `+rowColumns+` FROM effects WHERE effect_key = ?`, key)
	if err == nil {
		err = row.finish(stored)
	}
	if err != nil {
		return outbox.Row{}, fmt.Errorf("read effect %s: %w", key, err)
	}
	return row.Row, nil
}

// Effects returns an incident's effects with their delivery states, in order.
func (s *Store) Effects(ctx context.Context, incidentID string) ([]outbox.Row, error) {
	var rows []ordered
	err := s.reader().each(ctx, collect(&rows), `SELECT `+rowColumns+` FROM effects WHERE incident_id = ? ORDER BY ord`, incidentID)
	if err != nil {
		return nil, fmt.Errorf("read effects of %s: %w", incidentID, err)
	}
	out := make([]outbox.Row, len(rows))
	for i, r := range rows {
		out[i] = r.Row
	}
	return out, nil
}

// ordered is a row as it is scanned, with its place among its incident's.
type ordered struct {
	outbox.Row
	ord                                    int64
	ambiguous, begun, created, next, ended int64
}

// dest returns where the columns of rowColumns go.
func (o *ordered) dest(stored *[]byte) []any {
	return []any{stored, &o.State, &o.Attempts, &o.ambiguous, &o.begun, &o.ClaimedBy, &o.created, &o.next, &o.ended, &o.Problem, &o.ord}
}

// finish decodes what was scanned.
func (o *ordered) finish(stored []byte) error {
	o.Ambiguous, o.Begun = o.ambiguous != 0, o.begun != 0
	o.CreatedAt, o.NextAt, o.EndedAt = fromMicros(o.created), fromMicros(o.next), fromMicros(o.ended)
	return json.Unmarshal(stored, &o.Effect)
}

// collect scans rows of rowColumns into a slice.
func collect(rows *[]ordered) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var o ordered
		var stored []byte
		if err := r.Scan(o.dest(&stored)...); err != nil {
			return err
		}
		if err := o.finish(stored); err != nil {
			return err
		}
		*rows = append(*rows, o)
		return nil
	}
}

// fromMicros is the time of so many microseconds since the Unix epoch; 0 is the
// zero time.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
