package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// memStore keeps what sqlstore would, with the same refusals. The contract
// itself is tested there; here it lets a test look at every commit.
type memStore struct {
	t         *testing.T
	gen       int64
	incidents map[string]incident.Incident
	events    map[string][]incident.Event
	effects   map[string]incident.Effect
	cancelled map[string]bool
	done      map[string]bool
	alerts    map[string]alert.Alert
	seen      map[string]bool
	numbers   map[string]int
	fail      error // the next commit fails with it
	commits   int
	memory    string
}

func (m *memStore) Memory(context.Context) (string, error) { return m.memory, nil }

func newMemStore(t *testing.T) *memStore {
	return &memStore{t: t, gen: 1, incidents: map[string]incident.Incident{}, events: map[string][]incident.Event{}, effects: map[string]incident.Effect{},
		cancelled: map[string]bool{}, done: map[string]bool{}, alerts: map[string]alert.Alert{}, seen: map[string]bool{}, numbers: map[string]int{}}
}

func (m *memStore) Commit(_ context.Context, c Commit) error {
	if err := m.fail; err != nil {
		m.fail = nil
		return err
	}
	if c.Generation != m.gen {
		return ErrFenced
	}
	for _, id := range c.Seen {
		if m.seen[id] {
			return ErrSeen
		}
	}
	for _, ch := range c.Changes {
		id := ch.After.ID
		if m.incidents[id].Version != ch.Base {
			return ErrConflict
		}
		all := append(slices.Clone(m.events[id]), ch.Events...)
		if err := incident.VerifyChain(all); err != nil {
			m.t.Error(err)
		}
		m.events[id], m.incidents[id] = all, ch.After
		for _, f := range ch.Effects {
			if _, twice := m.effects[f.Key]; !twice {
				m.effects[f.Key] = f
			}
		}
		for _, key := range ch.Cancel {
			m.cancelled[key] = true
		}
	}
	for _, a := range c.Alerts {
		m.alerts[a.Fingerprint] = a
	}
	for _, key := range c.EffectDone {
		m.done[key] = true
	}
	for _, id := range c.Seen {
		m.seen[id] = true
	}
	if c.Memory != "" {
		m.memory = c.Memory
	}
	m.commits++
	return nil
}

func (m *memStore) OpenIncidents(context.Context) ([]incident.Incident, error) {
	var out []incident.Incident
	for _, i := range m.incidents {
		if i.Open() {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b incident.Incident) int { return a.OpenedAt.Compare(b.OpenedAt) })
	return out, nil
}

func (m *memStore) Incident(_ context.Context, id string) (incident.Incident, error) {
	i, ok := m.incidents[id]
	if !ok {
		return i, ErrNotFound
	}
	return i, nil
}

func (m *memStore) Alerts(context.Context) ([]alert.Alert, error) {
	return slices.Collect(maps.Values(m.alerts)), nil
}

func (m *memStore) Numbers(_ context.Context, day string, n int) (int, error) {
	m.numbers[day] += n
	return m.numbers[day] - n + 1, nil
}

var errDisk = errors.New("disk full")
