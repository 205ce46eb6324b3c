package scenario

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// Items lists everything of the process that stories must show: every edge,
// every rung of every ladder, every clock's warning, breach and lateness.
func Items(d *process.Definition) []string {
	out := []string{"opened " + d.Steps[0].ID}
	for _, s := range d.Steps {
		if s.Decide != nil {
			for _, c := range s.Decide.Choices {
				out = append(out, "choice "+s.ID+" "+c.ID+" "+c.To)
			}
		}
		for _, n := range s.Next {
			out = append(out, "next "+s.ID+" ("+n.When+") "+n.To)
		}
		for n := range s.Timeout {
			out = append(out, fmt.Sprintf("rung %s %d", s.ID, n))
		}
		if s.Guard != nil {
			out = append(out, "failed "+s.ID)
		}
		if s.Reopen != nil {
			out = append(out, "reopen "+s.ID+" "+s.Reopen.To)
		}
	}
	for _, k := range d.Clocks {
		if k.Warn != "" && !k.ReportOnly {
			out = append(out, "warn "+k.ID)
		}
		out = append(out, "breach "+k.ID)
		if k.Late.After != "" {
			out = append(out, "late "+k.ID)
		}
		for _, id := range k.Asked {
			out = append(out, "asked "+k.ID+" "+id)
		}
		for _, p := range k.Pauses {
			for _, in := range p.In {
				out = append(out, "pause "+k.ID+" "+in)
			}
		}
	}
	return out
}

// Shown returns which of the process's items the events show.
func Shown(d *process.Definition, events []incident.Event) map[string]bool {
	w := witness{d: d, shown: map[string]bool{}}
	for n, e := range events {
		w.event(e, events[:n])
	}
	return w.shown
}

type witness struct {
	d     *process.Definition
	step  string
	shown map[string]bool
}

func (w *witness) event(e incident.Event, before []incident.Event) {
	s, _ := w.d.Step(w.step)
	switch e.Kind {
	case incident.Entered:
		w.entered(e, s, before)
		w.step = e.Step
	case incident.TimerFired:
		switch e.Timer.Kind {
		case process.TimerTimeout:
			w.shown["rung "+e.Timer.Step+" "+e.Timer.Name] = true
		case process.TimerWarn:
			w.shown["warn "+e.Timer.Name] = true
		case process.TimerLate:
			w.shown["late "+e.Timer.Name] = true
		}
	case incident.ClockBreached:
		w.shown["breach "+e.Clock.Name] = true
	case incident.ClockPaused:
		if n := len(e.Clock.Marks); n > 0 {
			reason := e.Clock.Marks[n-1].Reason
			if k, ok := w.d.Clock(e.Clock.Name); ok && slices.Contains(k.Asked, reason) {
				w.shown["asked "+k.ID+" "+reason] = true
			}
			w.shown["pause "+e.Clock.Name+" "+w.step] = true
		}
	}
}

// entered tells which edge was taken.
func (w *witness) entered(e incident.Event, s *process.StepDef, before []incident.Event) {
	if s == nil {
		w.shown["opened "+e.Step] = true
		return
	}
	switch {
	case e.Reason == "decided":
		w.shown["choice "+s.ID+" "+e.Choice+" "+e.Step] = true
		for _, b := range slices.Backward(before) {
			if b.Kind == incident.Decided {
				w.shown["choice "+s.ID+" "+b.Choice+" "+e.Step] = true
				break
			}
		}
	case s.Guard != nil && e.Reason == process.ReasonVerifyFailed:
		w.shown["failed "+s.ID] = true
	case s.Final && e.Reason == process.ReasonReopened:
		w.shown["reopen "+s.ID+" "+e.Step] = true
	default:
		w.shown["next "+s.ID+" ("+e.Reason+") "+e.Step] = true
	}
}

// Generate makes stories that show all of the process's items: to each step by
// the shortest way, and from there every way on, at the end of a working week
// so that working and elapsed time differ. What cannot be shown is returned.
// What have shows already is not shown again.
func Generate(w World, base Story, have map[string]bool) (stories []Story, missing []string, err error) {
	d, ok := w.Set.Latest(base.Process)
	if !ok {
		return nil, nil, fmt.Errorf("no process %s is loaded", base.Process)
	}
	w.Quiet = true
	g := &generator{w: w, d: d, base: base, shown: maps.Clone(have)}
	g.walk()
	g.wander()
	for _, item := range Items(d) {
		if !g.shown[item] {
			missing = append(missing, item)
		}
	}
	return g.stories, missing, nil
}

type generator struct {
	w       World
	d       *process.Definition
	base    Story
	shown   map[string]bool
	stories []Story
	ways    map[string][]Fact // step → the shortest way to it
	order   []string
}

// walk goes to every step by the shortest way and tries all ways on; ways over a
// recovery are taken last, since measurements pull the incident back to them.
func (g *generator) walk() {
	first := g.d.Steps[0].ID
	g.ways, g.order = map[string][]Fact{first: {}}, []string{first}
	g.try(nil)
	for _, recovered := range []bool{false, true} {
		for n := 0; n < len(g.order); n++ {
			for _, m := range g.moves(g.order[n]) {
				if recovers := len(m) > 0 && m[0].Fact == "recovered"; recovers && !recovered {
					continue
				}
				g.go1(g.order[n], m)
			}
		}
	}
}

// go1 makes one move from the step.
func (g *generator) go1(at string, m []Fact) {
	facts := append(slices.Clone(g.ways[at]), m...)
	run, ok := g.try(facts)
	if !ok {
		return
	}
	if _, known := g.ways[run.Incident.Step]; !known {
		g.ways[run.Incident.Step] = facts
		g.order = append(g.order, run.Incident.Step)
	}
}

// wander shows what one move does not: it makes random moves, the same ones
// every time, and waits for timers in between, by day and at the week's end.
func (g *generator) wander() {
	rnd := rand.New(rand.NewPCG(1, 2))
	evening := g.base.Opened.At
	for walk := 0; walk < 400 && !g.complete(); walk++ {
		g.base.Opened.At = evening
		if walk%2 == 0 {
			g.base.Opened.At = evening[:11] + "09:05:00"
		}
		var facts []Fact
		for range 9 {
			s := g.base
			s.Facts = facts
			run, err := Play(g.w, s)
			if err != nil {
				break
			}
			moves := g.moves(run.Incident.Step)
			for range rnd.IntN(4) {
				moves = append(moves, []Fact{{At: "timer"}})
			}
			m := moves[rnd.IntN(len(moves))]
			s.Facts = append(slices.Clone(facts), m...)
			if _, err := Play(g.w, s); err == nil {
				facts = s.Facts
			}
		}
		g.base.Whole = true // what is shown may be in the middle
		g.try(facts)
	}
	g.base.Opened.At, g.base.Whole = evening, false
}

func (g *generator) complete() bool {
	return !slices.ContainsFunc(Items(g.d), func(item string) bool { return !g.shown[item] })
}

// try plays the facts and keeps them as a story when they show something new.
func (g *generator) try(facts []Fact) (*Run, bool) {
	s := g.base
	s.Facts = facts
	run, err := Play(g.w, s)
	if err != nil {
		return run, false
	}
	items := Items(g.d)
	for item := range Shown(g.d, run.Events) {
		if !g.shown[item] && slices.Contains(items, item) {
			g.shown[item] = true
			s.Covers = append(s.Covers, item)
		}
	}
	if len(s.Covers) > 0 {
		slices.Sort(s.Covers)
		s.Name = strings.ReplaceAll(s.Covers[0], " ", "_")
		g.stories = append(g.stories, s)
	}
	return run, true
}

// moves are what people, vendors and measurements can bring in the step, and
// waiting until all its rungs are climbed.
func (g *generator) moves(step string) [][]Fact {
	s, ok := g.d.Step(step)
	if !ok {
		return nil
	}
	by := s.Role
	if r, ok := g.d.Role(by); ok && r.External {
		by = or(s.RACI.A, g.d.Owner)
	}
	one := func(fact, choice, by string) []Fact {
		return []Fact{{At: "+1m", Fact: fact, Choice: choice, By: by, Comment: "x"}}
	}
	out := [][]Fact{one("acked", "", by)}
	if s.Decide != nil {
		for _, c := range s.Decide.Choices {
			out = append(out, one("decided", c.ID, by))
		}
	}
	if !s.Done.IsZero() {
		out = append(out, one("done", "", by))
	}
	if s.Approve != nil {
		var all []Fact
		for n := range s.Approve.Min {
			all = append(all, one("approved", "", fmt.Sprintf("%s-%d", s.Approve.By, n+2))...)
		}
		out = append(out, all, one("rejected", "", s.Approve.By+"-2"))
	}
	if s.Ticket != nil {
		out = append(out, one("vendor_reported", process.VendorReturned, "vendor"))
	}
	switch _, proves := g.d.Guard(); {
	case s.Final:
		out = append(out, one("reopened", "", by))
	case s.Guard != nil:
		out = append(out, one("verify", "recovered", ""), one("verify", "failed", ""), one("failed_again", "", ""))
	case proves:
		out = append(out, one("recovered", "", ""))
	}
	for _, r := range g.d.Reasons {
		if r.AtMost != "" {
			out = append(out, one("pause", r.ID, by))
		}
	}
	if len(s.Timeout) > 0 {
		out = append(out, []Fact{})
		out[len(out)-1] = g.rungs(g.ways[step], s)
	}
	return out
}

// rungs waits until the step's last rung fired or the step was left.
func (g *generator) rungs(way []Fact, s *process.StepDef) []Fact {
	return g.wait(way, func(i incident.Incident) bool {
		return i.Step != s.ID || !slices.ContainsFunc(i.Timers, func(t incident.Timer) bool { return t.Kind == process.TimerTimeout })
	})
}

// wait fires timers until over says so, at most 24.
func (g *generator) wait(way []Fact, over func(incident.Incident) bool) []Fact {
	var waits []Fact
	for range 24 {
		s := g.base
		s.Facts = append(slices.Clone(way), waits...)
		run, err := Play(g.w, s)
		if err != nil || over(run.Incident) || len(run.Incident.Timers) == 0 {
			break
		}
		waits = append(waits, Fact{At: "timer"})
	}
	return waits
}
