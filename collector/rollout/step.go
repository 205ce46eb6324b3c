package rollout

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Step moves a roll-out on by what agents report. Call it again whenever a report
// came, and every few seconds: patience ends without any.
func Step(s State, reports map[string]Report, now time.Time) (State, []Note) {
	if !s.Active() {
		return s, nil
	}
	s = s.clone()
	var notes []Note
	for {
		s.give(reports, now)
		if agent, why := s.judge(reports, now); why != "" {
			return s.back(RolledBack, fmt.Sprintf("stage %d of %d: agent %s: %s", s.Stage+1, max(len(s.Plan.Stages), 1), agent, why), now, notes)
		}
		if s.Phase == Paused || !s.stageProven() {
			return s, notes
		}
		if s.Stage+1 >= len(s.Plan.Stages) {
			s.Phase, s.Since = Done, now
			return s, append(notes, Note{Done, fmt.Sprintf("release %s is proven at %s", s.Release, s.tally())})
		}
		s.Stage, s.Since = s.Stage+1, now
		notes = append(notes, Note{"stage", fmt.Sprintf("release %s: stage %d of %d begins, %d of %d agents", s.Release, s.Stage+1, len(s.Plan.Stages), s.within(s.Stage), len(s.Members))})
	}
}

// give offers the release to the stage's members. Patience with one that is not
// there begins when it comes back.
func (s *State) give(reports map[string]Report, now time.Time) {
	for id, m := range s.Members {
		if m.Held || m.Stage > s.Stage {
			continue
		}
		r, heard := reports[id]
		switch {
		case m.Given.IsZero() && s.Phase == Paused:
			continue
		case m.Given.IsZero():
			m.Given, m.There = now, heard && now.Sub(r.At) <= freshFor
		case !m.There && heard && r.At.After(m.Given):
			m.Given, m.There = now, true
		}
		s.Members[id] = m
	}
}

// judge looks at every member that was given the release, and returns the first
// that failed.
func (s *State) judge(reports map[string]Report, now time.Time) (agent, why string) {
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[id]
		if m.Given.IsZero() || m.Held || m.Proven {
			continue
		}
		r := reports[id]
		if r.Rejected == m.Want && r.At.After(m.Given) {
			return id, "refused it: " + r.Problem
		}
		m, why := m.look(r, s.Plan, now)
		s.Members[id] = m
		if why != "" {
			return id, why
		}
	}
	return "", ""
}

// look is a member after its report, and why it failed.
func (m Member) look(r Report, p Plan, now time.Time) (Member, string) {
	on := r.Version == m.Want && r.At.After(m.Given)
	if !on || !r.Well {
		m.Well = time.Time{}
		switch {
		case on:
			m.Trouble = "applied it and is not well: " + r.Problem
		case r.At.After(m.Given):
			m.Trouble = "has not applied it"
		default:
			m.Trouble = "fell silent"
		}
		if m.There && now.Sub(m.Given) > p.Patience {
			return m, m.Trouble + " within " + p.Patience.String()
		}
		return m, ""
	}
	if m.Well.IsZero() {
		m.Well = r.At
	}
	m.Trouble = ""
	m.Proven = r.At.Sub(m.Well) >= p.Soak
	return m, ""
}

// stageProven tells whether the next stage may begin: everybody who is there is
// proven, and somebody is. A stage of which nobody is there waits, but for the
// last one, whose agents get the release when they come back.
func (s *State) stageProven() bool {
	waits, proven, any := 0, 0, 0
	for _, m := range s.Members {
		if m.Held || m.Stage > s.Stage {
			continue
		}
		switch {
		case m.Proven:
			any++
			if m.Stage == s.Stage {
				proven++
			}
		case m.There:
			return false
		case m.Stage == s.Stage:
			waits++
		}
	}
	last := s.Stage+1 >= len(s.Plan.Stages)
	return waits == 0 || proven > 0 || last && any > 0
}

// tally says how many are proven.
func (s *State) tally() string {
	n := 0
	for _, m := range s.Members {
		if m.Proven {
			n++
		}
	}
	return fmt.Sprintf("%d of %d agents", n, len(s.Members))
}

// back takes the release back from everybody, and remembers not to give it again.
func (s State) back(phase, reason string, now time.Time, notes []Note) (State, []Note) {
	s.Phase, s.Reason, s.Since = phase, reason, now
	s.Refusals = append(s.Refusals, Refusal{Release: s.Release, Reason: reason, At: now})
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		if m := s.Members[id]; !m.Given.IsZero() && !m.Held {
			s.Refusals = append(s.Refusals, Refusal{Release: s.Release, Agent: id, Want: m.Want, Reason: reason, At: now})
		}
	}
	if n := len(s.Refusals) - mostRefused; n > 0 {
		s.Refusals = s.Refusals[n:]
	}
	return s, append(notes, Note{phase, fmt.Sprintf("release %s is taken back from %d agents: %s", s.Release, s.within(s.Stage), reason)})
}

// Pause stops a roll-out where it is.
func Pause(s State, by string, now time.Time) (State, []Note, error) {
	if s.Phase != Running {
		return s, nil, ErrOver
	}
	s.Phase, s.Since = Paused, now
	return s, []Note{{Paused, "release " + s.Release + " is paused by " + by}}, nil
}

// Continue lets a paused roll-out go on.
func Continue(s State, by string, now time.Time) (State, []Note, error) {
	if s.Phase != Paused {
		return s, nil, ErrOver
	}
	s.Phase, s.Since = Running, now
	return s, []Note{{"continued", "release " + s.Release + " goes on by " + by}}, nil
}

// Abort takes a roll-out back.
func Abort(s State, by string, now time.Time) (State, []Note, error) {
	if !s.Active() {
		return s, nil, ErrOver
	}
	s, notes := s.clone().back(Aborted, "aborted by "+by, now, nil)
	return s, notes, nil
}

// Retry gives a release that was taken back another try, from its first stage.
func Retry(s State, by string, now time.Time) (State, []Note, error) {
	held := slices.ContainsFunc(slices.Collect(maps.Values(s.Members)), func(m Member) bool { return m.Held })
	if s.Phase != RolledBack && s.Phase != Aborted && s.Phase != Refused && !held || s.Phase == Paused {
		return s, nil, ErrNotOver
	}
	s = s.clone()
	s.Refusals = slices.DeleteFunc(s.Refusals, func(r Refusal) bool {
		return r.Release == s.Release || r.Agent != "" && s.Members[r.Agent].Want == r.Want
	})
	for id, m := range s.Members {
		if s.Phase == Done && !m.Held { // has it and keeps it
			if m.Given.IsZero() {
				m.Given = now
			}
			s.Members[id] = m
			continue
		}
		s.Members[id] = Member{Site: m.Site, Before: m.Before, Want: m.Want, Stage: m.Stage}
	}
	s.Phase, s.Stage, s.Began, s.Since, s.Reason = Running, 0, now, now, ""
	return s, []Note{{"retried", "release " + s.Release + " is tried again by " + by}}, nil
}
