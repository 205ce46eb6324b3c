package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// drillPrefix begins the causes of a drill's incidents, so that none of them is
// ever the cause of a real one, nor of another drill.
const drillPrefix = "drill/"

// DrillRound is one evaluation of the alert rules over a drill's synthetic
// evidence.
type DrillRound struct {
	ID       string
	Now      time.Time
	Firing   []alert.Alert // all that fire, with fingerprints no real alert has
	Changed  []alert.Alert // those that changed in this round
	Diagnose func(firing []alert.Alert, now time.Time) Diagnosis
	Checked  func(a alert.Alert) time.Time // see Options.Checked; nil: as evaluated
	Quiet    []Quiet                       // what the drill's story announces; real ones do not hold
}

// drillMemory is what correlate carries from one round of a drill to the next. It
// is kept with the engine's memory, so that a restart in the middle of a drill
// watches two causes no longer than one without.
type drillMemory struct {
	Apart  map[string]time.Time `json:"apart,omitempty"`
	Hushed map[string]time.Time `json:"hushed,omitempty"` // kept: zero: it was kept quiet in the last round
	Moved  map[string]string    `json:"moved,omitempty"`

	at time.Time // of the last round
}

// kept is the memory as it is stored: what changes in every round is left out.
func (m drillMemory) kept() drillMemory {
	return drillMemory{Apart: m.Apart, Moved: m.Moved, Hushed: resting(m.Hushed, m.at)}
}

// recalled is the memory as it goes on after a restart at the moment.
func (m drillMemory) recalled(now time.Time) drillMemory {
	return drillMemory{Apart: m.Apart, Moved: m.Moved, Hushed: wakened(m.Hushed, now)}
}

func (m drillMemory) same(o drillMemory) bool {
	at := func(a, b time.Time) bool { return a.Equal(b) }
	return maps.EqualFunc(m.Apart, o.Apart, at) && maps.EqualFunc(m.Hushed, o.Hushed, at) && maps.Equal(m.Moved, o.Moved)
}

// empty tells whether there is nothing to keep.
func (m drillMemory) empty() bool { return len(m.Apart)+len(m.Hushed)+len(m.Moved) == 0 }

// drillsLocked is what is remembered of drills, nil when that is nothing.
func (e *Engine) drillsLocked() map[string]drillMemory {
	var out map[string]drillMemory
	for id, m := range e.drills {
		if m.empty() {
			continue
		}
		if out == nil {
			out = make(map[string]drillMemory, len(e.drills))
		}
		out[id] = m.kept()
	}
	return out
}

// HandleDrill does for a drill what HandleAlerts does for what is measured: the
// same correlation and the same processes over the drill's own incidents. Neither
// sees the other's. Alert states of a drill are not stored. An error changes
// nothing; the round is repeated.
func (e *Engine) HandleDrill(ctx context.Context, r DrillRound) error {
	if r.ID == "" || r.Diagnose == nil {
		return errors.New("drill round: ID and Diagnose are required")
	}
	found := r.Diagnose(r.Firing, r.Now)
	for n := range found.Causes {
		found.Causes[n].Cause = drillPrefix + r.ID + "/" + found.Causes[n].Cause
	}
	defer e.lockInTurn()()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return err
	}
	m := e.drills[r.ID]
	p := correlate(e.open.those(ofDrill(r.ID)), round{now: r.Now, causes: found.Causes, held: found.Held, settle: e.o.Settle,
		firing: byFingerprint(r.Firing), known: byFingerprint(r.Changed), topology: e.topology(), quiet: r.Quiet, checked: r.Checked,
		apart: m.Apart, hushed: m.Hushed, moved: m.Moved, split: e.o.Split, newID: newID})
	c := Commit{Generation: gen}
	for n := range p.open {
		p.open[n].drill = r.ID
	}
	if err := e.addShareLocked(ctx, &c, p, p.whole(), r.Now); err != nil {
		return err
	}
	if e.drills == nil {
		e.drills = map[string]drillMemory{}
	}
	e.drills[r.ID] = drillMemory{p.apart, p.hushed, p.moved, r.Now}
	if err := e.commitLocked(ctx, c); err != nil {
		if e.drills != nil {
			e.drills[r.ID] = m
		}
		return err
	}
	return nil
}

// EndDrill ends what is left of a drill: its alerts count as gone and each of its
// incidents that is still open is closed for the reason, in the name of by. It
// returns how many it closed. Doing it again closes what came in between.
func (e *Engine) EndDrill(ctx context.Context, id string, by incident.Actor, reason string) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return 0, err
	}
	now := e.o.Now()
	ended := 0
	for _, i := range e.open.those(ofDrill(id)) {
		c := Commit{Generation: gen}
		var facts []incident.Event
		for n := range i.Alerts {
			if a := i.Alerts[n]; a.Firing {
				a.Firing, a.Unknown, a.ResolvedAt = false, false, now
				facts = append(facts, incident.Event{Kind: incident.AlertResolved, At: now, Actor: incident.System, Alert: &a})
			}
		}
		facts = append(facts, incident.Event{Kind: incident.Closed, At: now, Actor: by, Comment: reason, Reason: reason})
		if err := e.addLocked(&c, *i, facts); err != nil {
			return ended, fmt.Errorf("end drill %s: %w", id, err)
		}
		if err := e.commitLocked(ctx, c); err != nil {
			return ended, fmt.Errorf("end drill %s: %w", id, err)
		}
		ended++
	}
	delete(e.drills, id)
	return ended, nil
}
