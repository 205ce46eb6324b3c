package incident

import (
	"slices"
	"time"
)

// States of a clock.
const (
	ClockRunning  = "running"
	ClockPausing  = "paused"
	ClockEnded    = "stopped"
	ClockNotKnown = "unknown" // no calendar says when it is due; Problem tells why
)

// What a mark of a clock says.
const (
	MarkStart  = "start"
	MarkPause  = "pause"
	MarkResume = "resume"
	MarkStop   = "stop"
)

// ClockNamed returns the incident's clock with the name.
func (i Incident) ClockNamed(name string) (Clock, bool) {
	for _, c := range i.Clocks {
		if c.Name == name {
			return c, true
		}
	}
	return Clock{}, false
}

// clock folds a clock event. Elapsed, DueAt, Problem and an unknown State are
// taken from the event, where process computed them with the calendar in force
// then; the marks are kept so that anybody can compute them again.
func (i *Incident) clock(e Event) {
	at := slices.IndexFunc(i.Clocks, func(c Clock) bool { return c.Name == e.Clock.Name })
	if at < 0 {
		if e.Kind != ClockStarted {
			return
		}
		i.Clocks = append(i.Clocks, Clock{Name: e.Clock.Name})
		at = len(i.Clocks) - 1
	}
	c := &i.Clocks[at]
	i.Ledger = i.entries(*c, e)
	switch e.Kind {
	case ClockStarted:
		c.Title, c.Target, c.Calendar, c.Role = e.Clock.Title, e.Clock.Target, e.Clock.Calendar, e.Clock.Role
		c.Breached, c.Warned = false, false
		c.mark(e, MarkStart)
		c.State = ClockRunning
	case ClockPaused:
		c.mark(e, MarkPause)
		c.State = ClockPausing
	case ClockResumed:
		c.mark(e, MarkResume)
		c.State = ClockRunning
	case ClockStopped:
		c.mark(e, MarkStop)
		c.State = ClockEnded
	case ClockWarned:
		c.Warned, c.Elapsed = true, e.Clock.Elapsed
		return
	case ClockBreached:
		c.Breached, c.Elapsed = true, e.Clock.Elapsed
		return
	}
	c.Elapsed, c.DueAt, c.Problem = e.Clock.Elapsed, e.Clock.DueAt, e.Clock.Problem
	switch {
	case c.Problem != "":
		c.State = ClockNotKnown
	case e.Kind == ClockComputed:
		c.State = c.Phase()
	}
	i.Timers = slices.DeleteFunc(i.Timers, func(t Timer) bool { return t.Step == "" && t.Name == c.Name })
}

// mark appends the event's mark: as given in the event's clock, or at the
// event's time.
func (c *Clock) mark(e Event, what string) {
	m := ClockMark{At: e.At, Reason: e.Reason}
	if n := len(e.Clock.Marks); n > 0 {
		m = e.Clock.Marks[n-1]
	}
	m.What = what
	if n := len(c.Marks); n > 0 && m.At.Before(c.Marks[n-1].At) {
		m.At = c.Marks[n-1].At
	}
	c.Marks = append(c.Marks, m)
}

// Phase is what the marks alone say: running, paused or stopped. State says
// unknown as well.
func (c Clock) Phase() string {
	if len(c.Marks) == 0 {
		return ClockEnded
	}
	switch c.Marks[len(c.Marks)-1].What {
	case MarkPause:
		return ClockPausing
	case MarkStop:
		return ClockEnded
	}
	return ClockRunning
}

// Since returns when the clock's present run began: its last start.
func (c Clock) Since() time.Time {
	for _, m := range slices.Backward(c.Marks) {
		if m.What == MarkStart {
			return m.At
		}
	}
	return time.Time{}
}
