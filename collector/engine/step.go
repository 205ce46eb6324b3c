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

// numbers reserves the numbers of new incidents, in their order. Each is of the
// day it is at the incident's site.
func (e *Engine) numbers(ctx context.Context, openings []opening, now time.Time) ([]string, error) {
	days, many := make([]string, len(openings)), map[string]int{}
	for n, o := range openings {
		zone := e.o.Site(o.diagnosis.Site).Zone
		if zone == nil {
			zone = time.UTC
		}
		days[n] = now.In(zone).Format("20060102")
		many[days[n]]++
	}
	next := make(map[string]int, len(many))
	for day, n := range many {
		first, err := e.o.Store.Numbers(ctx, day, n)
		if err != nil {
			return nil, fmt.Errorf("incident numbers: %w", err)
		}
		next[day] = first
	}
	for n, day := range days {
		days[n] = fmt.Sprintf("%s-%04d", day, next[day])
		next[day]++
	}
	return days, nil
}

// addOpeningLocked makes a new incident and its first step part of the commit,
// and returns its id.
func (e *Engine) addOpeningLocked(c *Commit, o opening, number string, now time.Time) (string, error) {
	by := o.by
	if by.Kind == "" {
		by = incident.System
	}
	id := cmp.Or(o.id, newID())
	first := incident.Event{IncidentID: id, At: now, Kind: incident.Opened, Actor: by, Diagnosis: &o.diagnosis, Comment: o.comment,
		Number: number, Practice: e.o.Site(o.diagnosis.Site).Practice || o.drill != "", Drill: o.drill, FaultAt: earliest(o.alerts, now), PreviousID: o.previous,
		ParentID: o.from, Reason: o.reason}
	first.PreviousID = cmp.Or(first.PreviousID, e.previousOf(o.diagnosis))
	e.routeLocked(&first, now)
	facts := []incident.Event{first}
	for i := range o.alerts {
		facts = append(facts, incident.Event{IncidentID: id, At: now, Kind: incident.AlertJoined, Actor: incident.System, Alert: &o.alerts[i]})
	}
	return id, e.stepLocked(c, incident.Incident{}, shorten(bundle(facts), 0))
}

// addLocked makes facts about an incident part of the commit.
func (e *Engine) addLocked(c *Commit, i incident.Incident, facts []incident.Event) error {
	for k := range facts {
		facts[k].IncidentID = i.ID
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
