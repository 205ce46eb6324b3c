package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/effect"
	"github.com/faultline/faultline/collector/effect/notify/post"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/collector/web"
	"github.com/faultline/faultline/internal/lang"
)

type inventoryDevice = inventory.Device

// climbEvery is how often escalations and acknowledgements are looked at.
const climbEvery = 5 * time.Second

// escalationPrefix is where an incident's snapshot of its chain is kept.
const escalationPrefix = "escalation/"

// errNotClimbing says that this collector has not read yet what was kept.
var errNotClimbing = errors.New("escalation: not begun")

// climber remembers what the holder of the lease read about open incidents.
type climber struct {
	mu        sync.Mutex // guards the fields below
	snapshots map[string]people.Snapshot
	acts      map[string]seenActs
	told      map[string]bool // incident and call
}

// seenActs are what people did on an incident up to a version.
type seenActs struct {
	version int64
	acts    []people.Act
}

// chainOf is the chain for the incident: that of its process, else "default".
func chainOf(d *people.Directory, i incident.Incident) (string, bool) {
	for _, id := range []string{i.Process, "default"} {
		if _, ok := d.Chain(id); ok {
			return id, true
		}
	}
	return "", false
}

// startClimbing reads the snapshots that are kept; the lease was just gained.
func (a *App) startClimbing(ctx context.Context) error {
	raw, err := a.store.KVList(ctx, escalationPrefix)
	if err != nil {
		return err
	}
	a.climbs.mu.Lock()
	defer a.climbs.mu.Unlock()
	a.climbs.snapshots, a.climbs.acts, a.climbs.told = map[string]people.Snapshot{}, map[string]seenActs{}, map[string]bool{}
	for name, text := range raw {
		var s people.Snapshot
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		a.climbs.snapshots[name[len(escalationPrefix):]] = s
	}
	return nil
}

// climb tells whom escalations and stale acknowledgements lead to.
func (a *App) climb(ctx context.Context, now time.Time) error {
	open, err := a.engine.Incidents(ctx)
	if err != nil {
		return err
	}
	a.climbs.mu.Lock()
	defer a.climbs.mu.Unlock()
	if a.climbs.snapshots == nil {
		return errNotClimbing
	}
	d, alive := a.directory(), map[string]bool{}
	var errs []error
	for _, i := range open {
		alive[i.ID] = true
		if i.State != incident.StateOpen || i.ParentID != "" { // proven recovery calls nobody; a child is its parent's
			continue
		}
		errs = append(errs, a.climbOne(ctx, d, *i, now))
	}
	return errors.Join(append(errs, a.forgetClosed(ctx, alive))...)
}

func (a *App) climbOne(ctx context.Context, d *people.Directory, i incident.Incident, now time.Time) error {
	s, err := a.snapshot(ctx, d, i)
	if err != nil {
		return err
	}
	if len(s.Rungs) == 0 && !i.Acked {
		return nil
	}
	acts, err := a.actsOf(ctx, i)
	if err != nil {
		return err
	}
	for _, c := range d.Calls(s, acts, now) {
		if a.climbs.told[i.ID+"/"+c.ID] {
			continue
		}
		reason, detail := effect.ReasonEscalated, fmt.Sprintf("%d/%d", c.Rung+1, len(s.Rungs))
		if c.Event == "reminder" {
			reason, detail = effect.ReasonReminder, now.Sub(c.Ack.LastWork).Round(time.Minute).String()
		}
		h := people.Happening{ID: c.ID, Event: c.Event, Priority: a.priority(i), At: now.UTC()}
		h.Title, h.Text = a.told.Say(i, reason, map[string]string{effect.Problem: detail})
		if err := a.post.Take(ctx, i, h, c.To); err != nil {
			return err
		}
		a.climbs.told[i.ID+"/"+c.ID] = true
	}
	return nil
}

// snapshot returns the incident's chain as it stood when the incident opened;
// without a chain it is empty.
func (a *App) snapshot(ctx context.Context, d *people.Directory, i incident.Incident) (people.Snapshot, error) {
	if s, ok := a.climbs.snapshots[i.ID]; ok {
		return s, nil
	}
	chain, ok := chainOf(d, i)
	if !ok {
		return people.Snapshot{}, nil
	}
	s, err := d.Trigger(chain, i.Diagnosis.Site, i.OpenedAt, func(word string) (*sla.Calendar, error) { return a.calendar(word, i.Diagnosis.Site) })
	if err != nil {
		return s, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	if err := a.store.KVPut(ctx, escalationPrefix+i.ID, string(text)); err != nil {
		return s, err
	}
	a.climbs.snapshots[i.ID] = s
	return s, nil
}

// actsOf is what people did on the incident; it is read again when the incident
// changed.
func (a *App) actsOf(ctx context.Context, i incident.Incident) ([]people.Act, error) {
	if seen, ok := a.climbs.acts[i.ID]; ok && seen.version == i.Version {
		return seen.acts, nil
	}
	acts, err := a.readActs(ctx, i.ID)
	if err == nil {
		a.climbs.acts[i.ID] = seenActs{i.Version, acts}
	}
	return acts, err
}

func (a *App) readActs(ctx context.Context, id string) ([]people.Act, error) {
	events, err := a.store.Events(ctx, id)
	if err != nil {
		return nil, err
	}
	var acts []people.Act
	for _, e := range events {
		if e.Actor.Kind != account.KindPerson {
			continue
		}
		what := string(e.Kind)
		if e.Kind == incident.Acked {
			what = "ack"
		}
		acts = append(acts, people.Act{At: e.At, Person: e.Actor.Name, What: what})
	}
	return acts, nil
}

// forgetClosed drops what is remembered of incidents that are over.
func (a *App) forgetClosed(ctx context.Context, alive map[string]bool) error {
	var old []string
	for id, s := range a.climbs.snapshots {
		if alive[id] || time.Since(s.TriggeredAt) < post.Keep {
			continue
		}
		old = append(old, escalationPrefix+id)
		delete(a.climbs.snapshots, id)
	}
	for id := range a.climbs.acts {
		if !alive[id] {
			delete(a.climbs.acts, id)
		}
	}
	for call := range a.climbs.told {
		if id, _, _ := strings.Cut(call, "/"); !alive[id] {
			delete(a.climbs.told, call)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return a.store.KVDelete(ctx, old...)
}

// escalation is what the incident's page shows of its chain.
func (a *App) escalation(ctx context.Context, i incident.Incident) (web.Escalation, error) {
	var s people.Snapshot
	text, err := a.store.KVGet(ctx, escalationPrefix+i.ID)
	switch {
	case errors.Is(err, engine.ErrNotFound):
	case err != nil:
		return web.Escalation{}, err
	default:
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return web.Escalation{}, err
		}
	}
	acts, err := a.readActs(ctx, i.ID)
	if err != nil {
		return web.Escalation{}, err
	}
	d := a.directory()
	out := web.Escalation{Snapshot: s, Standing: d.Stand(s, acts, time.Now()), Name: d.Name}
	if c, ok := d.Chain(s.Chain); ok {
		out.Title = c.Title
	} else {
		out.Title = lang.Same(s.Chain)
	}
	return out, nil
}

// calendar resolves the words of a chain: work is the site's own calendar.
func (a *App) calendar(word, site string) (*sla.Calendar, error) {
	id := word
	if s, ok := a.graph().Site(site); ok && word == "work" && s.Calendar != "" {
		id = s.Calendar
	}
	c, ok := a.rules().calendars.Get(id)
	if !ok {
		return nil, fmt.Errorf("no calendar %q", id)
	}
	return c, nil
}
