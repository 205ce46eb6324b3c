package process

import (
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Promise is what a vendor's contract says: the time for the repair, and the
// calendar it counts on; "" is what the process says.
type Promise struct{ Repair, Calendar string }

// history is the versions of the calendars that ledgers are read by: those that
// were ever in force, or the ones loaded now.
func (e Env) history() sla.History {
	if _, ok := e.History.Newest(); ok || e.Calendars == nil {
		return e.History
	}
	return sla.NewHistory(sla.Published{Calendars: e.Calendars})
}

// version names the calendars in force.
func (e Env) version() string {
	if e.Calendars == nil {
		return ""
	}
	return e.Calendars.Version()
}

// corrector is who put the calendars in force.
func (e Env) corrector() incident.Actor {
	by := incident.System
	if p, ok := e.history().Version(e.version()); ok {
		by.Name = p.By
	}
	return by
}

// clocks reads ledgers of an incident of the definition.
func (d *Definition) clocks(env Env) sla.Clocks {
	return sla.Clocks{History: env.history(), Called: d.called}
}

// called is what the definition calls a role.
func (d *Definition) called(role string) (lang.Text, bool) {
	if r, ok := d.Role(role); ok && !r.Title.IsZero() {
		return r.Title, true
	}
	return lang.Text{}, false
}

// limit is the clock as a limit of the ledger's arithmetic; its calendar is an
// id, so that the site's own counts where the definition says "work".
func (d *Definition) limit(c incident.Clock, env Env) (sla.Limit, error) {
	id := or(d.Calendars[c.Calendar], c.Calendar)
	if c.Calendar == "work" && env.WorkCalendar != "" {
		id = env.WorkCalendar
	}
	lim := sla.Limit{ID: c.Name, Title: c.Title, Target: c.Target, Calendar: id, Role: c.Role}
	if def, ok := d.Clock(c.Name); ok {
		lim.Late, lim.ReportOnly = def.Late.After, def.ReportOnly
		if def.Warn != "" {
			lim.Warn = []string{def.Warn}
		}
	}
	return sla.NewLimit(lim)
}

// ReadClock returns the incident's clock as it stands at env.Now, from the
// ledger alone: each stretch counts by the calendars in force at its beginning.
func ReadClock(d *Definition, i incident.Incident, c incident.Clock, env Env) (incident.Clock, sla.State) {
	return readLedger(d, i.LedgerAfter(incident.Event{Clock: &incident.Clock{Name: c.Name}}), c, env)
}

func readLedger(d *Definition, entries []sla.Entry, c incident.Clock, env Env) (incident.Clock, sla.State) {
	c.Problem, c.DueAt, c.Elapsed, c.State = "", time.Time{}, 0, c.Phase()
	lim, err := d.limit(c, env)
	if err != nil {
		return unknown(c, err), sla.State{Limit: lim, Problem: err, Phase: sla.PhaseUnknown}
	}
	ledger, err := sla.Replay(entries)
	if err != nil {
		return unknown(c, err), sla.State{Limit: lim, Problem: err, Phase: sla.PhaseUnknown}
	}
	s := d.clocks(env).Read(ledger, lim, env.Now)
	c.Elapsed = s.Elapsed
	switch {
	case s.Problem != nil && c.State == incident.ClockRunning:
		return unknown(c, s.Problem), s
	case s.Phase == sla.PhaseRunning:
		c.DueAt = s.Due
	}
	return c, s
}

// Reading is a clock as people read it.
type Reading struct {
	Clock incident.Clock
	State sla.State
	Why   lang.Text // why it is due then, or waits, or is not known
}

// ReadClocks returns all clocks of the incident at env.Now with the reason for
// each one's due time.
func ReadClocks(d *Definition, i incident.Incident, env Env) []Reading {
	ledger, err := sla.Replay(i.LedgerAfter(incident.Event{Clock: &incident.Clock{}}))
	var out []Reading
	for _, c := range i.Clocks {
		now, s := ReadClock(d, i, c, env)
		r := Reading{Clock: now, State: s}
		if err == nil && s.Limit.ID != "" && s.Phase != "" {
			r.Why = d.sourced(c, d.clocks(env).Explain(ledger, s))
		}
		out = append(out, r)
	}
	return out
}

// promised is the vendor's own limit: the contract's where it says one that the
// calendars can count.
func (r *run) promised(def *Clock) (target, calendar string) {
	target, calendar = def.Target, def.Calendar
	if r.env.Promise == nil {
		return target, calendar
	}
	kind := r.i.Diagnosis.VendorKind
	if t, has := current(r.i); has {
		kind = t.VendorKind
	}
	p := r.env.Promise(kind, r.i.Diagnosis)
	if p.Repair == "" {
		return target, calendar
	}
	word := or(p.Calendar, calendar)
	span, err := sla.ParseSpan(p.Repair)
	cal, errCal := r.d.calendar(word, r.env)
	if err != nil || errCal != nil || !cal.Always && span.Check(cal) != nil {
		return target, calendar
	}
	return p.Repair, word
}
