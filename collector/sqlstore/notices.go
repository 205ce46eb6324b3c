package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/people"
)

// NoticeQuery selects people's notices. Zero fields select all.
type NoticeQuery struct {
	Incident string
	States   []string
	Since    time.Time // planned at or after
	Limit    int       // 0: all
}

// PutNotices writes messages with their states, all or none, under the lease
// generation; engine.ErrFenced when it is not current.
func (s *Store) PutNotices(ctx context.Context, generation int64, list []people.Message) error {
	if len(list) == 0 {
		return nil
	}
	err := s.tx(ctx, func(h handle) error {
		if err := h.fence(ctx, generation); err != nil {
			return err
		}
		for _, m := range list {
			b, err := encode(m)
			if err != nil {
				return err
			}
			if _, err := h.exec(ctx, `INSERT INTO notices (notice_key, incident_id, receiver, state, at, body) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (notice_key) DO UPDATE SET state = excluded.state, body = excluded.body`,
				m.Key, m.Incident, m.Receiver, m.State, m.At, b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write %d notices: %w", len(list), err)
	}
	return nil
}

// Notices returns messages, the newest first.
func (s *Store) Notices(ctx context.Context, q NoticeQuery) ([]people.Message, error) {
	conds, args := []string{"at >= ?"}, []any{q.Since}
	if q.Incident != "" {
		conds, args = append(conds, "incident_id = ?"), append(args, q.Incident)
	}
	if len(q.States) > 0 {
		conds = append(conds, "state IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(q.States)), ", ")+")")
		for _, st := range q.States {
			args = append(args, st)
		}
	}
	stmt := `SELECT body FROM notices WHERE ` + strings.Join(conds, " AND ") + ` ORDER BY at DESC, notice_key DESC`
	if q.Limit > 0 {
		stmt, args = stmt+` LIMIT ?`, append(args, int64(q.Limit))
	}
	list, err := bodies[people.Message](ctx, s.reader(), stmt, args...)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return list, nil
}

// NoticeCounts returns how many messages planned since are in each state.
func (s *Store) NoticeCounts(ctx context.Context, since time.Time) (map[string]int, error) {
	states := []string{people.MessageQueued, people.MessageHeld, people.MessageSending, people.MessageSent, people.MessageConfirmed, people.MessageMaybe, people.MessageFailed, people.MessageSuppressed}
	out := map[string]int{}
	for _, st := range states {
		var n int64
		if err := s.reader().row(ctx, []any{&n}, `SELECT COUNT(*) FROM notices WHERE state = ? AND at >= ?`, st, since); err != nil {
			return nil, fmt.Errorf("count notices: %w", err)
		}
		out[st] = int(n)
	}
	return out, nil
}

// DropNotices deletes messages under the lease generation.
func (s *Store) DropNotices(ctx context.Context, generation int64, keys []string) error {
	for part := range slices.Chunk(keys, 500) {
		err := s.tx(ctx, func(h handle) error {
			if err := h.fence(ctx, generation); err != nil {
				return err
			}
			for _, k := range part {
				if _, err := h.exec(ctx, `DELETE FROM notices WHERE notice_key = ?`, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("delete notices: %w", err)
		}
	}
	return nil
}

// KeptNotices returns all messages, oldest first.
func (s *Store) KeptNotices(ctx context.Context) ([]people.Message, error) {
	list, err := bodies[people.Message](ctx, s.reader(), `SELECT body FROM notices ORDER BY at, notice_key`)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return list, nil
}

// ClosedSince returns incidents that were closed at or after the time, oldest
// first.
func (s *Store) ClosedSince(ctx context.Context, since time.Time) ([]incident.Incident, error) {
	list, err := bodies[incident.Incident](ctx, s.reader(), `SELECT body FROM incidents WHERE state = 'closed' AND closed_at >= ? ORDER BY closed_at, id`, since)
	if err != nil {
		return nil, fmt.Errorf("read incidents closed since: %w", err)
	}
	return list, nil
}
