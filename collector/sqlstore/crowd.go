package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// An incident's row holds what its events make of it. Of one with more alerts
// than wholeUpTo it is written whole only once in wholeEvery versions and when
// its state changes; readers put the events since then on top. A storm would
// otherwise write every alert of the storm again in every second.
const (
	wholeUpTo  = 256
	wholeEvery = 48
)

// alertsAtOnce is how many alerts one statement writes.
const alertsAtOnce = 64

// bodyDue tells whether the row is to be written whole. Incidents take turns.
func bodyDue(ch engine.Change) bool {
	if ch.Base == 0 || len(ch.After.Alerts) <= wholeUpTo || ch.After.State != incident.StateOpen {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(ch.After.ID)) // never fails
	turn := int64(h.Sum32() % wholeEvery)
	return (ch.Base+turn)/wholeEvery != (ch.After.Version+turn)/wholeEvery
}

// incidents runs a query for the columns version and body and returns the
// incidents as they stood at that version.
func (s *Store) incidents(ctx context.Context, q string, args ...any) ([]incident.Incident, error) {
	out, versions := []incident.Incident{}, []int64{}
	err := s.reader().each(ctx, func(r *sql.Rows) error {
		var version int64
		var raw []byte
		if err := r.Scan(&version, &raw); err != nil {
			return err
		}
		var i incident.Incident
		if err := json.Unmarshal(raw, &i); err != nil {
			return err
		}
		out, versions = append(out, i), append(versions, version)
		return nil
	}, q, args...)
	for n := 0; n < len(out) && err == nil; n++ {
		if out[n].Version < versions[n] {
			out[n], err = s.caughtUp(ctx, out[n], versions[n])
		}
	}
	return out, err
}

// caughtUp returns an incident after the events since its row was written whole.
func (s *Store) caughtUp(ctx context.Context, i incident.Incident, version int64) (incident.Incident, error) {
	events, err := bodies[incident.Event](ctx, s.reader(), `SELECT body FROM events WHERE incident_id = ? AND seq > ? AND seq <= ? ORDER BY seq`,
		i.ID, i.Version, version)
	if err != nil {
		return i, fmt.Errorf("events of %s since %d: %w", i.ID, i.Version, err)
	}
	return incident.Replay(i, events)
}

// oneIncident returns the incident that a query for version and body finds, or
// engine.ErrNotFound.
func (s *Store) oneIncident(ctx context.Context, q string, args ...any) (incident.Incident, error) {
	found, err := s.incidents(ctx, q, args...)
	if err != nil {
		return incident.Incident{}, err
	}
	if len(found) == 0 {
		return incident.Incident{}, engine.ErrNotFound
	}
	return found[0], nil
}

// saveAlerts upserts and forgets alert states.
func (h handle) saveAlerts(ctx context.Context, c engine.Commit) error {
	all := lastOfEach(c.Alerts)
	for len(all) > 0 {
		n := min(len(all), alertsAtOnce)
		args := make([]any, 0, 3*n)
		for _, a := range all[:n] {
			b, err := encode(a)
			if err != nil {
				return fmt.Errorf("alert %s: %w", a.Fingerprint, err)
			}
			args = append(args, a.Fingerprint, string(a.State), b)
		}
		if _, err := h.exec(ctx, `INSERT INTO alerts (fingerprint, state, body) VALUES (?, ?, ?)`+strings.Repeat(`, (?, ?, ?)`, n-1)+
			` ON CONFLICT (fingerprint) DO UPDATE SET state = excluded.state, body = excluded.body`, args...); err != nil {
			return fmt.Errorf("%d alerts from %s: %w", n, all[0].Fingerprint, err)
		}
		all = all[n:]
	}
	for _, f := range c.DropAlerts {
		if _, err := h.exec(ctx, `DELETE FROM alerts WHERE fingerprint = ?`, f); err != nil {
			return fmt.Errorf("drop alert %s: %w", f, err)
		}
	}
	return nil
}

// lastOfEach returns the alerts, each once: one statement must not write a row twice.
func lastOfEach(alerts []alert.Alert) []*alert.Alert {
	at := make(map[string]int, len(alerts))
	out := make([]*alert.Alert, 0, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		if n, known := at[a.Fingerprint]; known {
			out[n] = a
			continue
		}
		at[a.Fingerprint] = len(out)
		out = append(out, a)
	}
	return out
}
