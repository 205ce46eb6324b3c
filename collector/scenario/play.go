package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// Player plays one scenario and gathers what is not as expected.
type Player struct {
	s      *Scenario
	story  []string // every change of what is said
	faults []error
	first  time.Duration // when the first incident was opened
	opened bool
	seen   map[string]int // events of incidents looked at
}

// Report is how a scenario went.
type Report struct {
	Scenario  *Scenario
	Err       error    // joins everything that is not as expected, each with file and line; nil: as expected
	Story     []string // what was said when, a line per change
	Incidents []incident.Incident
	First     time.Duration // from the story's start to the first incident; negative: none
}

// Play plays a scenario by the rules. dir is an empty directory for its metric
// store; the caller removes it. The error of a scenario that cannot be played
// stands in the Report like any other.
func Play(ctx context.Context, s *Scenario, rules *Rules, dir string) Report {
	p := &Player{s: s, seen: map[string]int{}}
	rep := Report{Scenario: s, First: -1}
	w, err := newWorld(s, rules, dir, nil)
	if err != nil {
		rep.Err = fmt.Errorf("%s:1: %w", s.Name(), err)
		return rep
	}
	err = w.play(ctx, func(at time.Duration) error { p.look(w, at); return nil })
	if err != nil {
		p.faults = append(p.faults, fmt.Errorf("%s:1: %w", s.Name(), err))
	}
	p.conclude(w)
	rep.Incidents = w.judge.book.all()
	if err := w.judge.close(); err != nil {
		p.faults = append(p.faults, fmt.Errorf("%s:1: %w", s.Name(), err))
	}
	if p.opened {
		rep.First = p.first
	}
	rep.Err, rep.Story = errors.Join(p.faults...), p.story
	return rep
}

// PlayIn plays a scenario in a temporary directory, which it removes.
func PlayIn(ctx context.Context, s *Scenario, rules *Rules) Report {
	dir, err := os.MkdirTemp("", "faultline-scenario-")
	if err != nil {
		return Report{Scenario: s, First: -1, Err: fmt.Errorf("%s:1: %w", s.Name(), err)}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return Play(ctx, s, rules, dir)
}

func (p *Player) failf(path, format string, args ...any) {
	p.faults = append(p.faults, p.s.file.Faultf(path, format, args...))
}

// look takes note of what is new, and compares what is expected at this moment.
func (p *Player) look(w *world, at time.Duration) {
	for _, i := range w.judge.book.all() {
		events := w.judge.book.events[i.ID]
		for _, e := range events[p.seen[i.ID]:] {
			p.hear(i, e, at)
		}
		p.seen[i.ID] = len(events)
	}
	p.accounted(w, at)
	for n, e := range p.s.Expect {
		if e.At.Duration == at {
			p.examine(n, w)
		}
	}
}

// hear looks at one event of an incident.
func (p *Player) hear(i incident.Incident, e incident.Event, at time.Duration) {
	switch e.Kind {
	case incident.Opened, incident.Diagnosed:
		if e.Kind == incident.Opened && !p.opened {
			p.opened, p.first = true, at
		}
		d := *e.Diagnosis
		p.tell(at, "%s %s: %s %s:%s [%s] vendor=%s provisional=%v affected=%v", i.Number, e.Kind, d.Class, d.Device, d.Component, d.Rule, d.VendorKind, d.Provisional, d.Affected)
		for n, never := range p.s.Never {
			if never.never(i, d) {
				p.failf(fmt.Sprintf("never[%d]", n), "at %s: got %s", at, show(i))
			}
		}
	case incident.Folded:
		p.tell(at, "%s folded into another", i.Number)
	case incident.AlertLeft:
		p.tell(at, "%s %s left: %s", i.Number, e.Alert.Name, e.Reason)
	case incident.RecoverySeen, incident.RecoveryLost, incident.Verified, incident.Closed:
		p.tell(at, "%s %s", i.Number, e.Kind)
	}
}

func (p *Player) tell(at time.Duration, format string, args ...any) {
	p.story = append(p.story, fmt.Sprintf("%6s  ", at)+fmt.Sprintf(format, args...))
}

// accounted asserts that every alert that fires has a fate.
func (p *Player) accounted(w *world, at time.Duration) {
	fates := w.judge.engine.Fates()
	for _, a := range w.judge.firing {
		if f, ok := fates[a.Fingerprint]; !ok || f.Kind == engine.FateSuppressed && f.Reason == "" {
			p.failf("timeline", "at %s: alert %s of %s is not accounted for", at, a.Name, a.Device())
		}
	}
}

// conclude compares what is expected of the story as a whole.
func (p *Player) conclude(w *world) {
	wanted := false
	for _, e := range p.s.Expect {
		wanted = wanted || len(e.Incidents) > 0
	}
	if wanted && (!p.opened || p.first > p.s.Within.Duration) {
		when := wordNone
		if p.opened {
			when = wordOpened + " " + p.first.String()
		}
		p.failf("within", "the first incident comes too late (首个故障单太迟): %s %s, %s %s", wordExpected, p.s.Within, wordCame, when)
	}
	for reason, want := range p.s.Notices {
		if got := w.judge.book.notices()[reason]; got != want {
			p.failf("notices."+reason, "our people were told %d times, expected %d", got, want)
		}
	}
}
