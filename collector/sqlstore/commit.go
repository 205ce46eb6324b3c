package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
)

// effectsPerVersion leaves room for the effects of one commit in ord.
const effectsPerVersion = 1024

// Commit implements engine.Store.
func (s *Store) Commit(ctx context.Context, c engine.Commit) error {
	err := s.tx(ctx, func(h handle) error {
		if err := h.fence(ctx, c.Generation); err != nil {
			return err
		}
		if err := s.see(ctx, h, c); err != nil {
			return err
		}
		for _, ch := range c.Changes {
			if err := h.change(ctx, ch); err != nil {
				return fmt.Errorf("incident %s: %w", ch.After.ID, err)
			}
		}
		if err := h.endEffects(ctx, c); err != nil {
			return err
		}
		if err := h.remember(ctx, c.Memory); err != nil {
			return err
		}
		return h.saveAlerts(ctx, c)
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// fence fails with engine.ErrFenced unless generation is the lease's current
// one, and keeps it so until the transaction ends.
func (h handle) fence(ctx context.Context, generation int64) error {
	if h.fenced == generation && generation != 0 {
		return nil
	}
	n, err := h.exec(ctx, `UPDATE leases SET writes = writes + 1 WHERE name = ? AND generation = ?`, lease.Writer, generation)
	if err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	if n == 0 {
		return engine.ErrFenced
	}
	return nil
}

// see records the ids of all facts of the commit; engine.ErrSeen if any was known.
func (s *Store) see(ctx context.Context, h handle, c engine.Commit) error {
	ids := map[string]bool{}
	for _, id := range c.Seen {
		ids[id] = true
	}
	for _, ch := range c.Changes {
		for _, e := range ch.Events {
			ids[e.ID] = true
		}
	}
	delete(ids, "")
	for id := range ids {
		n, err := h.exec(ctx, `INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`, id, s.now())
		if err != nil {
			return fmt.Errorf("seen %s: %w", id, err)
		}
		if n == 0 {
			return engine.ErrSeen
		}
	}
	return nil
}

// change writes one incident with its new events and effects.
func (h handle) change(ctx context.Context, ch engine.Change) error {
	if want := ch.Base + int64(len(ch.Events)); ch.After.Version != want {
		return fmt.Errorf("version %d after %d events on %d", ch.After.Version, len(ch.Events), ch.Base)
	}
	if err := h.saveIncident(ctx, ch); err != nil {
		return err
	}
	for i, e := range ch.Events {
		if e.Seq != ch.Base+int64(i)+1 {
			return fmt.Errorf("event %d stands where %d belongs", e.Seq, ch.Base+int64(i)+1)
		}
		b, err := encode(e)
		if err != nil {
			return err
		}
		if _, err := h.exec(ctx, `INSERT INTO events (incident_id, seq, kind, at, body) VALUES (?, ?, ?, ?, ?)`,
			ch.After.ID, e.Seq, string(e.Kind), e.At, b); err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
	}
	for i, f := range ch.Effects {
		if err := h.queueEffect(ctx, ch, i, f); err != nil {
			return fmt.Errorf("effect %s: %w", f.Key, err)
		}
	}
	for _, key := range ch.Cancel {
		if _, err := h.exec(ctx, `UPDATE effects SET state = ?, ended_at = ? WHERE effect_key = ? AND state IN (?, ?)`,
			outbox.Cancelled, lastAt(ch.Events), key, outbox.Queued, outbox.Sending); err != nil {
			return fmt.Errorf("cancel effect %s: %w", key, err)
		}
	}
	return nil
}

// saveIncident inserts or replaces the incident's row if it is at its base.
func (h handle) saveIncident(ctx context.Context, ch engine.Change) error {
	i := ch.After
	var number any
	if i.Number != "" {
		number = i.Number
	}
	if !bodyDue(ch) {
		n, err := h.exec(ctx, `UPDATE incidents SET number = ?, version = ?, state = ?, site = ?, class = ?, practice = ?,
			opened_at = ?, closed_at = ? WHERE id = ? AND version = ?`,
			number, i.Version, i.State, i.Diagnosis.Site, i.Diagnosis.Class, i.Practice, i.OpenedAt, i.ClosedAt, i.ID, ch.Base)
		if err == nil && n == 0 {
			err = engine.ErrConflict
		}
		return err
	}
	b, err := encode(i)
	if err != nil {
		return err
	}
	var n int64
	if ch.Base == 0 {
		n, err = h.exec(ctx, `INSERT INTO incidents (id, number, version, state, site, class, practice, opened_at, closed_at, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			i.ID, number, i.Version, i.State, i.Diagnosis.Site, i.Diagnosis.Class, i.Practice, i.OpenedAt, i.ClosedAt, b)
	} else {
		n, err = h.exec(ctx, `UPDATE incidents SET number = ?, version = ?, state = ?, site = ?, class = ?, practice = ?,
			opened_at = ?, closed_at = ?, body = ? WHERE id = ? AND version = ?`,
			number, i.Version, i.State, i.Diagnosis.Site, i.Diagnosis.Class, i.Practice, i.OpenedAt, i.ClosedAt, b, i.ID, ch.Base)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return engine.ErrConflict
	}
	return nil
}

// queueEffect adds an effect; a key that exists is left alone.
func (h handle) queueEffect(ctx context.Context, ch engine.Change, index int, f incident.Effect) error {
	b, err := encode(f)
	if err != nil {
		return err
	}
	created := lastAt(ch.Events)
	if f.NotBefore.After(created) {
		created = f.NotBefore
	}
	_, err = h.exec(ctx, `INSERT INTO effects (effect_key, incident_id, kind, lane, ord, state, attempts, ambiguous,
			created_at, next_at, claimed_by, ended_at, problem, body)
		VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?, ?, 0, 0, '', ?) ON CONFLICT (effect_key) DO NOTHING`,
		f.Key, ch.After.ID, f.Kind, outbox.Lane(f), ch.After.Version*effectsPerVersion+int64(index), outbox.Queued,
		created, f.NotBefore, b)
	return err
}

// endEffects closes the rows whose outcome is among the commit's events.
func (h handle) endEffects(ctx context.Context, c engine.Commit) error {
	type end struct {
		state, problem string
		at             time.Time
	}
	ends := map[string]end{}
	for _, key := range c.EffectDone {
		ends[key] = end{state: outbox.Done}
	}
	for _, ch := range c.Changes {
		for _, e := range ch.Events {
			if e.Effect == nil || (e.Kind != incident.EffectDone && e.Kind != incident.EffectFailed) {
				continue
			}
			if _, ok := ends[e.Effect.Key]; !ok {
				continue
			}
			state := outbox.Done
			if e.Kind == incident.EffectFailed {
				state = outbox.Failed
			}
			ends[e.Effect.Key] = end{state, e.Effect.Problem, e.At}
		}
	}
	for key, e := range ends {
		if _, err := h.exec(ctx, `UPDATE effects SET state = ?, problem = ?, ended_at = ? WHERE effect_key = ?`,
			e.state, e.problem, e.at, key); err != nil {
			return fmt.Errorf("effect %s: %w", key, err)
		}
	}
	return nil
}

// lastAt is the time of the newest event, zero without events.
func lastAt(events []incident.Event) time.Time {
	if len(events) == 0 {
		return time.Time{}
	}
	return events[len(events)-1].At
}
