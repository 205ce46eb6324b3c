package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

// World is what stories are played in.
type World struct {
	Set       *process.Set
	Calendars *sla.Calendars
	Hold      time.Duration // of verification; 0: 20 s
	Quiet     bool          // write no log
}

// Run is a story that was played.
type Run struct {
	Log      []string // blocks: what happened, what followed, what stands
	Last     int      // where in Log the last fact begins
	Incident incident.Incident
	Events   []incident.Event
	Def      *process.Definition
}

// stage plays one story.
type stage struct {
	w   World
	s   Story
	run *Run
	i   incident.Incident
	now time.Time
}

// Play plays the story. It is an error when a fact is refused that should not
// be, or the other way round, or when the incident is left without a timer or
// an owner.
func Play(w World, s Story) (*Run, error) {
	if w.Hold == 0 {
		w.Hold = 20 * time.Second
	}
	g := &stage{w: w, s: s, run: &Run{}}
	err := g.open()
	for n := 0; n < len(s.Facts) && err == nil; n++ {
		if err = g.fact(s.Facts[n]); err != nil {
			err = fmt.Errorf("fact %d: %w", n+1, err)
		}
	}
	g.run.Incident = g.i
	if err != nil {
		return g.run, fmt.Errorf("%s: %w", or(s.Name, s.Process), err)
	}
	return g.run, nil
}

func (g *stage) env() process.Env {
	return process.Env{Now: g.now, Calendars: g.w.Calendars, Hold: g.w.Hold, Documents: true, Remedy: g.remedy(), Vendor: func(kind string, _ incident.Diagnosis) (string, string) {
		return g.s.Vendors[kind], g.s.Vendors[kind]
	}}
}

func (g *stage) open() error {
	at, err := instant(g.s.Opened.At, time.Time{})
	if err != nil {
		return err
	}
	d, ok := g.w.Set.Latest(g.s.Process)
	if !ok {
		return fmt.Errorf("no process %s is loaded", g.s.Process)
	}
	g.now, g.run.Def = at, d
	o := g.s.Opened
	first := incident.Event{IncidentID: "i1", ID: "first", At: at, Kind: incident.Opened, Actor: incident.System, Number: "n-1",
		FaultAt: at.Add(-30 * time.Second), VendorID: o.Vendor, VendorName: o.Vendor, Diagnosis: diagnosisOf(o.Class, o.VendorKind, g.s.Process)}
	first.Diagnosis.Rule = o.Rule
	facts := []incident.Event{first}
	if !d.Request() {
		facts = append(facts, incident.Event{IncidentID: "i1", At: at, Kind: incident.AlertJoined, Alert: &incident.AlertRef{Fingerprint: "a", Since: at}})
	}
	return g.act("opened "+o.Class+" "+o.Vendor, false, facts...)
}

// fact brings one fact, after the timers that are due before it.
func (g *stage) fact(s Fact) error {
	if s.At == "timer" {
		if len(g.i.Timers) == 0 {
			return errors.New("no timer is set")
		}
		return g.fire()
	}
	at, err := instant(s.At, g.now)
	if err != nil {
		return err
	}
	for fired := 0; len(g.i.Timers) > 0 && next(g.i).Due.Before(at); fired++ {
		if fired > maxFacts {
			return errors.New("timers fire without end")
		}
		if err := g.fire(); err != nil {
			return err
		}
	}
	g.now = at
	facts, err := g.facts(s)
	if err != nil {
		return err
	}
	return g.act(strings.TrimSpace(strings.Join([]string{s.Fact, s.Choice, s.By, s.Class, s.Vendor}, " ")), s.Refused, facts...)
}

// next is the timer that is due first.
func next(i incident.Incident) incident.Timer {
	return slices.MinFunc(i.Timers, func(a, b incident.Timer) int { return a.Due.Compare(b.Due) })
}

func (g *stage) fire() error {
	t := next(g.i)
	if t.Due.After(g.now) {
		g.now = t.Due
	}
	return g.act("timer "+t.Kind+" "+t.Name, false, incident.Event{IncidentID: "i1", At: g.now, Kind: incident.TimerFired, Timer: &t})
}

// facts makes events of a line of the story.
func (g *stage) facts(s Fact) ([]incident.Event, error) {
	e := incident.Event{IncidentID: "i1", At: g.now, Kind: incident.Kind(s.Fact), Choice: s.Choice, Comment: s.Comment}
	if s.By != "" {
		e.Actor = incident.Actor{Kind: "person", ID: s.By, Name: s.By}
	}
	alert := &incident.AlertRef{Fingerprint: "a"}
	switch s.Fact {
	case "recovered":
		return []incident.Event{{IncidentID: "i1", At: g.now, Kind: incident.AlertResolved, Alert: alert}, {IncidentID: "i1", At: g.now, Kind: incident.RecoverySeen}}, nil
	case "failed_again":
		return []incident.Event{{IncidentID: "i1", At: g.now, Kind: incident.AlertJoined, Alert: alert}, {IncidentID: "i1", At: g.now, Kind: incident.RecoveryLost}}, nil
	case "diagnosed":
		to := or(s.Into, g.i.Process)
		e.Diagnosis, e.VendorID, e.VendorName = diagnosisOf(s.Class, s.Kind, to), s.Vendor, s.Vendor
		if d, ok := g.w.Set.Latest(to); ok {
			e.Process, e.ProcessVersion = to, d.Ref()
		}
	case "attached":
		e.Attachment = &incident.Attachment{Kind: s.Choice, Name: s.Choice + ".pdf"}
		e.Choice = ""
	case "verify":
		return g.outcome(incident.EffectVerify, s.Choice, incident.EffectDone)
	case "ticket":
		kind := incident.EffectDone
		if s.Choice == "failed" {
			kind = incident.EffectFailed
		}
		return g.outcome(incident.EffectTicket, s.Choice, kind)
	case "remedy_check", "remedy_run":
		return g.outcome(s.Fact, s.Choice, incident.EffectDone)
	case "remedy_proposed", "remedy_approved", "remedy_rejected", "remedy_settled":
		e.Remedy = g.remedyOf(s)
	case "pause":
		e = actor(process.PauseFact(s.Choice, s.Comment), e)
	case "resume":
		e = actor(process.ResumeFact(s.Comment), e)
	case "folded":
		e.ParentID = "p1"
	}
	return []incident.Event{e}, nil
}

func actor(e, from incident.Event) incident.Event {
	e.IncidentID, e.At, e.Actor = from.IncidentID, from.At, from.Actor
	return e
}

func (g *stage) outcome(kind, outcome string, as incident.Kind) ([]incident.Event, error) {
	for _, p := range slices.Backward(g.i.Pending) {
		if p.Kind == kind {
			e := &incident.Effect{Key: p.Key, IncidentID: "i1", Kind: kind, Outcome: outcome, Result: map[string]string{"ref": "<1@x>"}}
			if outcome == "failed" && kind == incident.EffectTicket {
				e.Problem = "550 no such user"
			}
			return []incident.Event{{IncidentID: "i1", At: g.now, Kind: as, Effect: e}}, nil
		}
	}
	return nil, fmt.Errorf("no %s is pending", kind)
}

// act steps and writes down what followed.
func (g *stage) act(what string, refused bool, facts ...incident.Event) error {
	d := g.run.Def
	for _, f := range facts {
		if f.ProcessVersion != "" {
			d, _ = g.w.Set.Version(f.ProcessVersion)
		}
	}
	g.run.Last = len(g.run.Log)
	g.log(g.now.In(zone).Format("Mon 2006-01-02 15:04:05") + "  " + what)
	res, err := process.Step(d, g.i, facts, g.env())
	var no *process.Refusal
	switch errors.As(err, &no); {
	case err == nil && refused:
		return fmt.Errorf("%s: was taken, want it refused", what)
	case err != nil && (no == nil || !refused):
		return fmt.Errorf("%s: %w (refused: want %v)", what, err, refused)
	}
	if err != nil {
		g.log("    " + err.Error())
		return nil
	}
	g.run.Events = append(g.run.Events, res.Events...) // unsealed: nobody keeps them
	if g.i, err = incident.Fold(g.run.Events); err != nil {
		return err
	}
	g.run.Def = d
	if !g.w.Quiet {
		for _, e := range res.Events {
			if line := tell(d, e); line != "" {
				g.log("    " + line)
			}
		}
		for _, key := range res.Cancel {
			g.log("    cancel " + key)
		}
		g.log("  = " + summary(g.i))
	}
	return Owned(d, g.i)
}

func (g *stage) log(line string) {
	if !g.w.Quiet {
		g.run.Log = append(g.run.Log, line)
	}
}

// Owned returns an error when the open incident waits for nobody: neither a
// timer of its step is set nor is the step a person's of ours.
func Owned(d *process.Definition, i incident.Incident) error {
	if !i.Open() || i.ParentID != "" {
		return nil
	}
	timer := slices.ContainsFunc(i.Timers, func(x incident.Timer) bool { return x.Kind == process.TimerTimeout || x.Kind == process.TimerRecheck })
	role, ok := d.Role(i.StepRole)
	s, _ := d.Step(i.Step)
	if human := ok && !role.External && s != nil && s.Guard == nil; !timer && !human {
		return fmt.Errorf("incident in step %s has neither a timer nor an owner", i.Step)
	}
	return nil
}
