package sqlstore

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// Query selects incidents. Zero fields select all.
type Query struct {
	States []string
	Sites  []string
	Class  string
	Since  time.Time // opened at or after
	Limit  int       // 0: all
	Cursor string    // next of the previous answer
}

// Incident returns one incident, or engine.ErrNotFound.
func (s *Store) Incident(ctx context.Context, id string) (incident.Incident, error) {
	i, err := s.oneIncident(ctx, `SELECT version, body FROM incidents WHERE id = ?`, id)
	if err != nil {
		return i, fmt.Errorf("read incident %s: %w", id, err)
	}
	return i, nil
}

// IncidentByNumber returns the incident with this number, or engine.ErrNotFound.
func (s *Store) IncidentByNumber(ctx context.Context, number string) (incident.Incident, error) {
	i, err := s.oneIncident(ctx, `SELECT version, body FROM incidents WHERE number = ?`, number)
	if err != nil {
		return i, fmt.Errorf("read incident number %s: %w", number, err)
	}
	return i, nil
}

// Incidents returns incidents, newest first, and the cursor of the next page,
// "" after the last.
func (s *Store) Incidents(ctx context.Context, q Query) (page []incident.Incident, next string, err error) {
	where, args, err := q.where()
	if err != nil {
		return nil, "", fmt.Errorf("read incidents: %w", err)
	}
	const order = ` ORDER BY opened_at DESC, id DESC`
	stmt := `SELECT version, body FROM incidents` + where + order
	if q.Limit > 0 { // chosen by an index alone; sorted with their bodies, a page would cost what all of them cost
		stmt = `SELECT version, body FROM incidents WHERE id IN (SELECT id FROM incidents` + where + order + ` LIMIT ?)` + order
		args = append(args, int64(q.Limit)+1)
	}
	page, err = s.incidents(ctx, stmt, args...)
	if err != nil {
		return nil, "", fmt.Errorf("read incidents: %w", err)
	}
	if q.Limit > 0 && len(page) > q.Limit {
		page = page[:q.Limit]
		next = cursorAfter(page[q.Limit-1])
	}
	return page, next, nil
}

// where renders the conditions and their arguments.
func (q Query) where() (string, []any, error) {
	var conds []string
	var args []any
	add := func(cond string, a ...any) { conds, args = append(conds, cond), append(args, a...) }
	addIn := func(column string, values []string) {
		if len(values) == 0 {
			return
		}
		conds = append(conds, column+" IN ("+strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")+")")
		for _, v := range values {
			args = append(args, v)
		}
	}
	addIn("state", q.States)
	addIn("site", q.Sites)
	if q.Class != "" {
		add("class = ?", q.Class)
	}
	if !q.Since.IsZero() {
		add("opened_at >= ?", q.Since)
	}
	if q.Cursor != "" {
		at, id, err := parseCursor(q.Cursor)
		if err != nil {
			return "", nil, err
		}
		add("(opened_at, id) < (?, ?)", at, id)
	}
	if len(conds) == 0 {
		return "", nil, nil
	}
	return " WHERE " + strings.Join(conds, " AND "), args, nil
}

// cursorAfter names the place after i in the order of Incidents.
func cursorAfter(i incident.Incident) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(micros(i.OpenedAt), 10) + " " + i.ID))
}

func parseCursor(s string) (at int64, id string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, "", fmt.Errorf("cursor %q: not one of ours", s)
	}
	stamp, id, ok := strings.Cut(string(raw), " ")
	at, err = strconv.ParseInt(stamp, 10, 64)
	if err != nil || !ok {
		return 0, "", fmt.Errorf("cursor %q: not one of ours", s)
	}
	return at, id, nil
}

// Events returns an incident's log from its first event. It is empty for an
// incident that does not exist.
func (s *Store) Events(ctx context.Context, id string) ([]incident.Event, error) {
	events, err := bodies[incident.Event](ctx, s.reader(), `SELECT body FROM events WHERE incident_id = ? ORDER BY seq`, id)
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", id, err)
	}
	return events, nil
}

// OpenIncidents implements engine.Store.
func (s *Store) OpenIncidents(ctx context.Context) ([]incident.Incident, error) {
	open, err := s.incidents(ctx,
		`SELECT version, body FROM incidents WHERE state IN (?, ?) ORDER BY opened_at, id`, incident.StateOpen, incident.StateVerified)
	if err != nil {
		return nil, fmt.Errorf("read open incidents: %w", err)
	}
	return open, nil
}

// Alerts implements engine.Store.
func (s *Store) Alerts(ctx context.Context) ([]alert.Alert, error) {
	alerts, err := bodies[alert.Alert](ctx, s.reader(), `SELECT body FROM alerts ORDER BY fingerprint`)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return alerts, nil
}

// Numbers implements engine.Store. Numbers are reserved for good: one that is not
// used leaves a gap.
func (s *Store) Numbers(ctx context.Context, day string, n int) (int, error) {
	if n < 1 {
		return 0, fmt.Errorf("reserve %d numbers of %s: less than one", n, day)
	}
	var last int
	err := s.alone(ctx, func(h handle) error {
		return h.row(ctx, []any{&last}, `INSERT INTO numbers (day, last) VALUES (?, ?)
			ON CONFLICT (day) DO UPDATE SET last = numbers.last + excluded.last RETURNING last`, day, n)
	})
	if err != nil {
		return 0, fmt.Errorf("reserve %d numbers of %s: %w", n, day, err)
	}
	return last - n + 1, nil
}

// PruneSeen forgets ids seen before the time and returns how many. Keep them
// for longer than any sender repeats itself.
func (s *Store) PruneSeen(ctx context.Context, before time.Time) (int64, error) {
	n, err := s.exec(ctx, `DELETE FROM seen WHERE at < ?`, before)
	if err != nil {
		return 0, fmt.Errorf("prune seen ids: %w", err)
	}
	return n, nil
}
