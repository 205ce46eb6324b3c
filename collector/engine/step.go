package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// routed fills in where a new diagnosis leads: process, vendor, severity.
func (e *Engine) routed(facts []incident.Event, now time.Time) []incident.Event {
	for i := range facts {
		if facts[i].Kind == incident.Diagnosed && facts[i].Diagnosis != nil {
			e.routeLocked(&facts[i], now)
		}
	}
	return facts
}

// routeLocked applies the route's decision to an Opened or Diagnosed fact.
func (e *Engine) routeLocked(fact *incident.Event, now time.Time) {
	d := *fact.Diagnosis
	dec := e.o.Route(d, now)
	d.Process, d.VendorKind, d.Severity = dec.Process, dec.VendorKind, dec.Severity
	fact.Diagnosis = &d
	fact.VendorID, fact.VendorName = dec.VendorID, dec.VendorName
	if def, ok := e.o.Processes.Latest(dec.Process); ok {
		fact.Process, fact.ProcessVersion = dec.Process, def.Ref()
	}
}

// addOpeningLocked makes a new incident and its first step part of the commit,
// and returns its id.
func (e *Engine) addOpeningLocked(ctx context.Context, c *Commit, o opening, now time.Time) (string, error) {
	site := e.o.Site(o.diagnosis.Site)
	zone := site.Zone
	if zone == nil {
		zone = time.UTC
	}
	day := now.In(zone).Format("20060102")
	n, err := e.o.Store.NextNumber(ctx, day)
	if err != nil {
		return "", fmt.Errorf("incident number: %w", err)
	}
	by := o.by
	if by.Kind == "" {
		by = incident.System
	}
	id := cmp.Or(o.id, newID())
	first := incident.Event{IncidentID: id, At: now, Kind: incident.Opened, Actor: by, Diagnosis: &o.diagnosis, Comment: o.comment,
		Number: fmt.Sprintf("%s-%04d", day, n), Practice: site.Practice || o.drill != "", Drill: o.drill, FaultAt: earliest(o.alerts, now), PreviousID: o.previous,
		ParentID: o.from, Reason: o.reason}
	first.PreviousID = cmp.Or(first.PreviousID, e.previousOf(o.diagnosis))
	e.routeLocked(&first, now)
	facts := []incident.Event{first}
	for i := range o.alerts {
		facts = append(facts, incident.Event{IncidentID: id, At: now, Kind: incident.AlertJoined, Actor: incident.System, Alert: &o.alerts[i]})
	}
	return id, e.stepLocked(c, incident.Incident{}, shorten(bundle(facts), 0))
}

// addLocked makes facts about an open incident part of the commit.
func (e *Engine) addLocked(c *Commit, id string, facts []incident.Event) error {
	i, ok := e.open[id]
	if !ok {
		return fmt.Errorf("incident %s: %w", id, ErrNotFound)
	}
	for k := range facts {
		facts[k].IncidentID = id
		if facts[k].At.IsZero() {
			facts[k].At = e.o.Now()
		}
	}
	return e.stepLocked(c, i, facts)
}

// stepLocked asks the process what the facts lead to.
func (e *Engine) stepLocked(c *Commit, before incident.Incident, facts []incident.Event) error {
	ref := before.ProcessVersion
	for _, f := range facts {
		if f.ProcessVersion != "" && (ref == "" || f.Process != before.Process) {
			ref = f.ProcessVersion
		}
	}
	def, ok := e.o.Processes.Version(ref)
	if !ok {
		return fmt.Errorf("incident %s: process %s is not loaded: restore its file under rules/processes", before.ID, ref)
	}
	site := before.Diagnosis.Site
	if facts[0].Diagnosis != nil {
		site = facts[0].Diagnosis.Site
	}
	env := e.envLocked(site)
	res, err := process.Step(def, before, facts, env)
	if err != nil {
		return fmt.Errorf("incident %s: step %s: %w", facts[0].IncidentID, before.Step, err)
	}
	real := before.Drill == "" && facts[0].Drill == "" // a drill is played whatever is announced
	if real && !def.Request() {                        // maintenance does not silence the change that announced it
		e.hush(before, facts, &res)
	}
	return c.add(before, res)
}

// dueTimers returns the facts of the timers that are due, earliest first.
func dueTimers(i incident.Incident, now time.Time) []incident.Event {
	var due []incident.Event
	for _, t := range i.Timers {
		if !t.Due.After(now) {
			due = append(due, incident.Event{Kind: incident.TimerFired, At: now, Actor: incident.System, Timer: &t, LateBy: now.Sub(t.Due)})
		}
	}
	slices.SortStableFunc(due, func(a, b incident.Event) int { return a.Timer.Due.Compare(b.Timer.Due) })
	return due
}

func earliest(alerts []incident.AlertRef, now time.Time) time.Time {
	at := now
	for _, a := range alerts {
		if !a.Since.IsZero() && a.Since.Before(at) {
			at = a.Since
		}
	}
	return at
}

// byFingerprint finds alerts in a list that nobody changes meanwhile.
func byFingerprint(list []alert.Alert) map[string]*alert.Alert {
	m := make(map[string]*alert.Alert, len(list))
	for i := range list {
		m[list[i].Fingerprint] = &list[i]
	}
	return m
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// newID returns a random incident id, 16 hex digits.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b[:])
}
