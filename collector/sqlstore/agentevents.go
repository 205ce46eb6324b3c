package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// PutAgentEvents writes events of agents and returns those that were not known
// by their id before. All are on disk when it returns.
func (s *Store) PutAgentEvents(ctx context.Context, events []base.Event) ([]base.Event, error) {
	var fresh []base.Event
	err := s.tx(ctx, func(h handle) error {
		fresh = fresh[:0]
		for _, e := range events {
			b, err := encode(e)
			if err != nil {
				return err
			}
			n, err := h.exec(ctx, `INSERT INTO agent_events (id, at, agent, site, device, kind, body) VALUES (?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (id) DO NOTHING`, e.ID, e.At, e.Agent, e.Site, e.Device, e.Kind, b)
			if err != nil {
				return err
			}
			if n > 0 {
				fresh = append(fresh, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("write %d agent events: %w", len(events), err)
	}
	return fresh, nil
}

// AgentEvents returns the events of agents in [from, to), oldest first, at most
// limit.
func (s *Store) AgentEvents(ctx context.Context, from, to time.Time, limit int) ([]base.Event, error) {
	found, err := bodies[base.Event](ctx, s.reader(), `SELECT body FROM agent_events WHERE at >= ? AND at < ? ORDER BY at, id LIMIT ?`, from, to, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read agent events: %w", err)
	}
	return found, nil
}
