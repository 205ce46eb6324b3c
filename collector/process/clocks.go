package process

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Kinds of timers.
const (
	TimerTimeout = "timeout"      // a rung of the step's escalation; Name is its index
	TimerRecheck = "recheck"      // a rung whose time no calendar could tell
	TimerVerify  = "verify"       // try again to prove a recovery
	TimerWarn    = "clock_warn"   // Name is the clock
	TimerBreach  = "clock_breach" // Name is the clock
	TimerLate    = "clock_late"   // Name is the clock
)

// recheckAfter is how long a limit that no calendar can tell stays unasked.
const recheckAfter = 12 * time.Hour

// calendar resolves the definition's word for a calendar.
func (d *Definition) calendar(word string, env Env) (*sla.Calendar, error) {
	id := or(d.Calendars[word], word)
	if word == "work" && env.WorkCalendar != "" {
		id = env.WorkCalendar
	}
	if env.Calendars != nil {
		if cal, ok := env.Calendars.Get(id); ok {
			return cal, nil
		}
	}
	return nil, fmt.Errorf("no calendar %q is loaded", id)
}

func unknown(c incident.Clock, err error) incident.Clock {
	if c.State != incident.ClockEnded {
		c.State = incident.ClockNotKnown
	}
	c.Problem = err.Error()
	return c
}

// clocksAt stops and starts the clocks that name the step or word.
func (r *run) clocksAt(word string) error {
	for n := range r.d.Clocks {
		def := &r.d.Clocks[n]
		c, exists := r.i.ClockNamed(def.ID)
		if slices.Contains(def.Stops, word) && exists && c.Phase() != incident.ClockEnded {
			if err := r.stopClock(def, c); err != nil {
				return err
			}
			continue
		}
		if slices.Contains(def.Starts, word) {
			if err := r.startClock(def, word, c, exists); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) startClock(def *Clock, word string, c incident.Clock, exists bool) error {
	if exists && (word == wordOpened || c.Phase() != incident.ClockEnded) {
		return nil
	}
	if exists && !(word == wordTicketOpened && r.newVendor()) {
		return r.mark(c, incident.ClockResumed, incident.ClockMark{})
	}
	role := or(def.Role, VendorRole(r.i.Diagnosis.VendorKind))
	if t, has := current(r.i); has && def.Role == "" {
		role = VendorRole(t.VendorKind)
	}
	mark := incident.ClockMark{At: r.env.Now}
	if def.Measured {
		mark.At = r.i.FaultAt
	}
	c.Name, c.Title, c.Target, c.Calendar, c.Role = def.ID, def.Title, def.Target, def.Calendar, role
	if def.Role == "" {
		c.Target, c.Calendar = r.promised(def)
	}
	c.Warned, c.Breached = false, false
	return r.mark(c, incident.ClockStarted, mark)
}

// newVendor tells whether the ticket that works now was just opened for the
// first time, at another vendor than before.
func (r *run) newVendor() bool {
	t, has := current(r.i)
	return has && len(r.i.Tickets) > 1 && len(t.Messages) <= 1
}

func (r *run) stopClock(def *Clock, c incident.Clock) error {
	mark := incident.ClockMark{At: r.env.Now}
	if def.Measured && !r.i.RecoveredAt.IsZero() {
		mark.At = r.i.RecoveredAt
	}
	return r.mark(c, incident.ClockStopped, mark)
}

// stopClocks stops what still runs or waits when the incident ends.
func (r *run) stopClocks() error {
	for _, c := range r.i.Clocks {
		if c.Phase() == incident.ClockEnded {
			continue
		}
		def, ok := r.d.Clock(c.Name)
		if !ok {
			def = &Clock{}
		}
		if err := r.stopClock(def, c); err != nil {
			return err
		}
	}
	return nil
}

// pauses pauses the clocks that wait in the step and resumes the others.
func (r *run) pauses(s *StepDef) error {
	for n := range r.d.Clocks {
		def := &r.d.Clocks[n]
		c, exists := r.i.ClockNamed(def.ID)
		if !exists {
			continue
		}
		p := slices.IndexFunc(def.Pauses, func(p Pause) bool { return slices.Contains(p.In, s.ID) })
		switch phase := c.Phase(); {
		case p >= 0 && (phase == incident.ClockRunning || phase == incident.ClockPausing && c.Marks[len(c.Marks)-1].Owner != def.Pauses[p].Owner):
			owner := def.Pauses[p].Owner
			mark := incident.ClockMark{At: r.env.Now, Reason: or(def.Pauses[p].Reason, s.ID), Owner: owner, Text: r.waiting(owner, s)}
			if err := r.mark(c, incident.ClockPaused, mark); err != nil {
				return err
			}
		case p < 0 && phase == incident.ClockPausing:
			if err := r.mark(c, incident.ClockResumed, incident.ClockMark{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// waiting says for whom and why a clock waits.
func (r *run) waiting(owner string, s *StepDef) lang.Text {
	who := lang.Text{ZH: "系统测量", EN: "measurements"}
	if role, ok := r.d.Role(owner); ok {
		who = role.Title
	}
	return lang.Text{ZH: "等待" + who.ZH + "：" + s.Title.ZH, EN: "waiting for " + who.EN + ": " + s.Title.EN}
}

// mark records a mark with what the clock reads after it, and sets its timers.
func (r *run) mark(c incident.Clock, kind incident.Kind, mark incident.ClockMark) error {
	if mark.At.IsZero() {
		mark.At = r.env.Now
	}
	if n := len(c.Marks); n > 0 && mark.At.Before(c.Marks[n-1].At) {
		mark.At = c.Marks[n-1].At
	}
	mark.What = map[incident.Kind]string{incident.ClockStarted: incident.MarkStart, incident.ClockPaused: incident.MarkPause,
		incident.ClockResumed: incident.MarkResume, incident.ClockStopped: incident.MarkStop}[kind]
	said := c
	said.Marks, said.Version = []incident.ClockMark{mark}, r.env.version()
	e := incident.Event{IncidentID: r.i.ID, At: r.env.Now, Kind: kind, Clock: &said, Reason: mark.Reason}
	c.Marks = append(slices.Clone(c.Marks), mark)
	read, state := readLedger(r.d, r.i.LedgerAfter(e), c, r.env)
	read.Version = said.Version
	said = read
	said.Marks = []incident.ClockMark{mark}
	if err := r.record(e); err != nil {
		return err
	}
	return r.clockTimers(read, state)
}

// recompute finds clocks whose due time is another by the calendars in force
// now: a year was loaded or a holiday corrected. What was counted before counts
// as it did; the correction is an entry of the ledger from now on.
func (r *run) recompute() error {
	for _, c := range r.i.Clocks {
		if c.State == incident.ClockEnded {
			continue
		}
		said := c
		said.Marks, said.Version = nil, r.env.version()
		e := incident.Event{IncidentID: r.i.ID, At: r.env.Now, Actor: r.env.corrector(), Kind: incident.ClockComputed, Clock: &said}
		read, state := readLedger(r.d, r.i.LedgerAfter(e), c, r.env)
		if read.DueAt.Equal(c.DueAt) && read.Problem == c.Problem {
			continue
		}
		read.Version = said.Version
		said = read
		said.Marks = nil
		if err := r.record(e); err != nil {
			return err
		}
		if err := r.clockTimers(read, state); err != nil {
			return err
		}
	}
	return nil
}

// clockTimers sets the timers of a clock that runs; those set before are gone
// with the event before.
func (r *run) clockTimers(c incident.Clock, s sla.State) error {
	_, ok := r.d.Clock(c.Name)
	if !ok || c.State == incident.ClockNotKnown && c.Phase() == incident.ClockRunning {
		return r.unknownClock(c, ok)
	}
	if c.State != incident.ClockRunning {
		return nil
	}
	if !c.Warned && !c.Breached {
		for _, w := range s.Warnings {
			if w.At.IsZero() {
				continue
			}
			if err := r.setTimer(TimerWarn, "", c.Name, w.At); err != nil {
				return err
			}
		}
	}
	if !c.Breached {
		return r.setTimer(TimerBreach, "", c.Name, c.DueAt)
	}
	return r.lateTimer(s, c, false)
}

// lateTimer is set once the limit has passed: at the breach, and again when the
// clock goes on after a pause, unless its time is over.
func (r *run) lateTimer(s sla.State, c incident.Clock, breach bool) error {
	if s.Late.IsZero() || !breach && !s.Late.After(r.env.Now) {
		return nil // none, or its calendar ends before, which the clock shows
	}
	return r.setTimer(TimerLate, "", c.Name, s.Late)
}

// unknownClock tells the owner that a limit cannot be kept.
func (r *run) unknownClock(c incident.Clock, known bool) error {
	if !known {
		return nil
	}
	return r.tellCalendar(c.Problem)
}

func (r *run) setTimer(kind, step, name string, due time.Time) error {
	t := incident.Timer{ID: fmt.Sprintf("%s/%s/%d", kind, name, r.next()), Kind: kind, Step: step, Name: name, Due: due}
	return r.record(incident.Event{Kind: incident.TimerSet, Timer: &t})
}

// timeouts sets the timers of the step's escalation.
func (r *run) timeouts(s *StepDef) error {
	for n := range s.Timeout {
		if err := r.timeout(s, n, true); err != nil {
			return err
		}
	}
	return nil
}

// timeout sets one rung's timer. Where no calendar can tell its time, the owner
// is told and it is asked again later; nothing is guessed.
func (r *run) timeout(s *StepDef, n int, first bool) error {
	rung, name := &s.Timeout[n], strconv.Itoa(n)
	cal, err := r.d.calendar(rung.Calendar, r.env)
	if err == nil {
		var due time.Time
		if due, err = sla.Due(cal, r.i.StepAt, rung.after); err == nil {
			return r.setTimer(TimerTimeout, s.ID, name, due)
		}
	}
	if err := r.setTimer(TimerRecheck, s.ID, name, r.env.Now.Add(recheckAfter)); err != nil || !first {
		return err
	}
	return r.tellCalendar(err.Error())
}

// tellCalendar tells the owner, once for all limits that miss the calendar.
func (r *run) tellCalendar(problem string) error {
	if r.calendarTold {
		return nil
	}
	r.calendarTold = true
	return r.notify(r.d.Owner, ReasonCalendarUnknown, "problem", problem)
}

// timer is what a timer that fired leads to.
func (r *run) timer(f incident.Event) error {
	switch f.Timer.Kind {
	case TimerTimeout, TimerRecheck:
		return r.rung(f.Timer)
	case TimerResume:
		return r.waitOver(f.Timer.Name)
	case TimerVerify:
		if r.i.RecoveredAt.IsZero() {
			return nil
		}
		return r.recoverySeen()
	}
	def, ok := r.d.Clock(f.Timer.Name)
	c, exists := r.i.ClockNamed(f.Timer.Name)
	if !ok || !exists {
		return nil
	}
	c, state := ReadClock(r.d, r.i, c, r.env)
	switch f.Timer.Kind {
	case TimerWarn:
		if err := r.record(incident.Event{Kind: incident.ClockWarned, Clock: &c}); err != nil {
			return err
		}
		if def.ReportOnly || !r.env.Now.Before(c.DueAt) {
			return nil // a warning that comes after the breach warns nobody
		}
		return r.notify(r.clockRole(c), ReasonWarn, "clock", c.Name)
	case TimerBreach:
		return r.breach(def, c, state)
	case TimerLate:
		return r.notifyAll(def.Late.Notify, ReasonLate, "clock", c.Name)
	}
	return nil
}

// clockRole is who works against the clock, or the owner for outsiders.
func (r *run) clockRole(c incident.Clock) string {
	if role, ok := r.d.Role(c.Role); ok && !role.External {
		return role.ID
	}
	return r.d.Owner
}

func (r *run) breach(def *Clock, c incident.Clock, s sla.State) error {
	if err := r.record(incident.Event{Kind: incident.ClockBreached, Clock: &c}); err != nil || def.ReportOnly {
		return err
	}
	if err := r.lateTimer(s, c, true); err != nil {
		return err
	}
	if err := r.notifyAll(def.Breach.Notify, ReasonBreach, "clock", c.Name); err != nil {
		return err
	}
	if to := def.Breach.To; to != "" && r.i.State == incident.StateOpen && r.i.Step != to && !r.proves(r.i.Step) {
		return r.enter(to, ReasonBreach)
	}
	return nil
}

// rung carries out one rung of the step's escalation.
func (r *run) rung(t *incident.Timer) error {
	s, ok := r.d.Step(r.i.Step)
	n, err := strconv.Atoi(t.Name)
	if !ok || err != nil || n < 0 || n >= len(s.Timeout) {
		return nil
	}
	if t.Kind == TimerRecheck {
		return r.timeout(s, n, false)
	}
	rung := s.Timeout[n]
	if err := r.notifyAll(rung.Notify, ReasonTimeout); err != nil || rung.To == "" {
		return err
	}
	return r.enter(rung.To, or(rung.Mark, ReasonTimeout))
}
