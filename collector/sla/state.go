package sla

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Phases of a clock.
const (
	PhaseIdle    = "idle" // never started
	PhaseRunning = "running"
	PhasePaused  = "paused"
	PhaseStopped = "stopped"
	PhaseUnknown = "unknown" // no calendar tells; Problem says why and what to do
)

// State is a clock at one moment, computed from the ledger alone.
type State struct {
	Limit    Limit
	Target   Span
	Phase    string
	Started  time.Time
	Elapsed  time.Duration // working time used
	Outside  bool          // Elapsed is 0 because nothing was worked since the start: "outside hours", not "0 s"
	Work     time.Duration // working time the target allows
	Due      time.Time     // zero while paused, stopped in time, or unknown
	Breached bool          // the target is used up
	BreachAt time.Time     // when it was, zero if not
	Warnings []Warning     // when each share of the target is or was reached
	Late     time.Time     // when it is told further up; zero without
	Problem  error         // why Phase is unknown
	Restated *Restated     // set when the newest calendars give another result than those in force then

	line  *timeline
	marks []Mark
}

// Warning is a share of the target and when it is reached.
type Warning struct {
	Share float64
	At    time.Time // zero: not reached as it stands
}

// Restated is the result by the newest calendars from the beginning.
type Restated struct {
	Version string
	Elapsed time.Duration
	Due     time.Time
}

// Clocks reads ledgers: the versions of the calendars and which calendar "work"
// is at the incident's site.
type Clocks struct {
	History History
	Work    string // calendar id; "" is cn-workday
	// Called is what a role is called for which a clock waits, and whether it is
	// known; nil: its id.
	Called func(role string) (lang.Text, bool)
}

// Calendar returns the calendar the word means in a version of the calendars.
func (c Clocks) Calendar(word, version string) (*Calendar, error) {
	p, ok := c.History.Version(version)
	if !ok {
		return nil, fmt.Errorf("version %q of the calendars is not kept here: restore it from the database", version)
	}
	id := word
	switch {
	case word == "always":
		id = "24x7"
	case word == "work" && c.Work != "":
		id = c.Work
	case word == "work":
		id = "cn-workday"
	}
	cal, ok := p.Calendars.Get(id)
	if !ok {
		return nil, fmt.Errorf("no calendar %q is loaded", id)
	}
	return cal, nil
}

// Read returns the clock's state at now. Each stretch between two entries
// counts by the calendars in force at the first of them; a version put in force
// later counts from the next entry on.
func (c Clocks) Read(l Ledger, lim Limit, now time.Time) State {
	lim.Calendar = l.hours(lim)
	s := State{Limit: lim, Target: l.target(lim), Phase: PhaseIdle, marks: l.Marks(lim)}
	line, err := c.line(l, lim)
	if err != nil {
		return s.fail(err)
	}
	s.line = line
	if len(s.marks) == 0 {
		return s
	}
	if !s.line.around() {
		if err := s.Target.Check(s.line.parts[0].cal); err != nil {
			return s.fail(err)
		}
	}
	r, err := read(s.line, s.Target, s.marks, now)
	s.take(r)
	if err != nil {
		return s.fail(err)
	}
	s.plan(now)
	s.restate(c, now)
	return s
}

// take copies what a reading says.
func (s *State) take(r Reading) {
	for _, m := range slices.Backward(s.marks) {
		if m.What == EntryStart {
			s.Started = m.At
			break
		}
	}
	s.Phase = PhaseStopped
	switch {
	case r.Running:
		s.Phase = PhaseRunning
	case r.Paused:
		s.Phase = PhasePaused
	}
	s.Elapsed, s.Work = r.Elapsed, r.Work
	s.Outside = r.Elapsed == 0
	if r.Running || !r.Due.IsZero() {
		s.Due = r.Due
	}
}

// plan sets what follows from the due time.
func (s *State) plan(now time.Time) {
	s.Breached = !s.Due.IsZero() && !s.Due.After(s.end(now))
	if s.Breached {
		s.BreachAt = s.Due
	}
	for _, share := range s.Limit.warn {
		at, err := shareAt(s.line, s.Target, s.marks, share)
		if err != nil {
			at = time.Time{}
		}
		s.Warnings = append(s.Warnings, Warning{share, at})
	}
	if s.Limit.late != (Span{}) && !s.Due.IsZero() {
		if at, err := due(s.line, s.Due, s.Limit.late); err == nil {
			s.Late = at
		}
	}
}

// end is when the clock last ran, up to now.
func (s *State) end(now time.Time) time.Time {
	if s.Phase == PhaseRunning {
		return now
	}
	return earlier(now, s.marks[len(s.marks)-1].At)
}

func (s State) fail(err error) State {
	s.Problem = err
	if s.Phase != PhaseStopped {
		s.Phase = PhaseUnknown
	}
	s.Due = time.Time{}
	return s
}

// line returns the versions of the limit's calendar in force entry by entry.
func (c Clocks) line(l Ledger, lim Limit) (*timeline, error) {
	t := &timeline{}
	for _, e := range l.entries {
		cal, err := c.Calendar(lim.Calendar, e.Version)
		if err != nil {
			return nil, err
		}
		if err := t.add(e.At, cal); err != nil {
			return nil, err
		}
	}
	if len(t.parts) == 0 {
		cal, err := c.Calendar(lim.Calendar, "")
		if err != nil {
			return nil, err
		}
		return t, t.add(time.Time{}, cal)
	}
	return t, nil
}

func (s *State) restate(c Clocks, now time.Time) {
	newest, ok := c.History.Newest()
	cal, err := c.Calendar(s.Limit.Calendar, "")
	if !ok || err != nil || len(s.line.parts) == 1 && s.line.parts[0].cal == cal {
		return
	}
	r, err := read(cal, s.Target, s.marks, now)
	if err == nil && (r.Elapsed != s.Elapsed || !r.Due.Equal(s.Due)) {
		s.Restated = &Restated{newest.Calendars.version, r.Elapsed, r.Due}
	}
}

// ReadAll returns the states of all limits that ever started, in the limits'
// order: they run at once over one ledger.
func (c Clocks) ReadAll(l Ledger, limits Limits, now time.Time) []State {
	var out []State
	for _, lim := range limits.Limits {
		if s := c.Read(l, lim, now); s.Phase != PhaseIdle {
			out = append(out, s)
		}
	}
	return out
}

// PauseShare is how much of the incident's time an owner was waited for.
type PauseShare struct {
	Owner   string
	Waits   int
	Elapsed time.Duration // by the wall, overlapping waits of one owner counted once
	Share   float64       // of the time from the first entry to now
	Over    []string      // waits longer than their reason allows
}

// PauseShares reports waits per owner, the longest first, so that pausing does
// not become a way to stop the clock.
func (l Ledger) PauseShares(limits Limits, now time.Time) []PauseShare {
	if len(l.entries) == 0 || !now.After(l.entries[0].At) {
		return nil
	}
	byOwner := map[string]*PauseShare{}
	until := map[string]time.Time{}
	var out []*PauseShare
	for _, w := range l.Waits() {
		p := byOwner[w.Owner]
		if p == nil {
			p = &PauseShare{Owner: w.Owner}
			byOwner[w.Owner], out = p, append(out, p)
		}
		end := now
		if !w.To.IsZero() {
			end = earlier(w.To, now)
		}
		p.Waits++
		if from := later(w.From, until[w.Owner]); end.After(from) {
			p.Elapsed += end.Sub(from)
			until[w.Owner] = end
		}
		if r, ok := limits.Reason(w.Reason); ok && r.Longest() > 0 && end.Sub(w.From) > r.Longest() {
			p.Over = append(p.Over, w.ID)
		}
	}
	all := now.Sub(l.entries[0].At)
	shares := make([]PauseShare, 0, len(out))
	for _, p := range out {
		p.Share = float64(p.Elapsed) / float64(all)
		shares = append(shares, *p)
	}
	slices.SortStableFunc(shares, func(a, b PauseShare) int { return int(min(max(b.Elapsed-a.Elapsed, -1), 1)) })
	return shares
}
