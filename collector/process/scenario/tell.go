package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// tell says an event in one line, or "" for what goes without saying.
func tell(d *process.Definition, e incident.Event) string {
	switch e.Kind {
	case incident.Entered:
		return "enter " + e.Step + " (" + e.Reason + ")" + people(d, e.Step)
	case incident.EffectQueued:
		var params []string
		for _, k := range slices.Sorted(maps.Keys(e.Effect.Params)) {
			if k != "ticket" && k != "vendor_name" && k != "vendor_kind" && k != "step" {
				params = append(params, k+"="+e.Effect.Params[k])
			}
		}
		return e.Effect.Kind + " " + strings.Join(params, " ")
	case incident.ClockStarted, incident.ClockPaused, incident.ClockResumed, incident.ClockStopped, incident.ClockWarned, incident.ClockBreached, incident.ClockComputed:
		return tellClock(e)
	case incident.RemedyProposed, incident.RemedyChanged:
		return tellRemedy(e)
	case incident.TicketChanged:
		return "ticket " + e.Ticket.Key + " " + e.Ticket.State
	case incident.Verified, incident.Closed, incident.Reopened, incident.Rerouted:
		return strings.TrimSpace(string(e.Kind) + " " + e.Process + " " + e.Reason)
	}
	return ""
}

// people are who is responsible, accountable, consulted and informed in a step.
func people(d *process.Definition, step string) string {
	s, ok := d.Step(step)
	if !ok {
		return ""
	}
	out := ""
	add := func(letter string, roles ...string) {
		if len(roles) > 0 && roles[0] != "" {
			out += " " + letter + "=" + strings.Join(roles, ",")
		}
	}
	add("R", s.Role)
	add("A", s.RACI.A)
	add("C", s.RACI.C...)
	add("I", s.RACI.I...)
	if step == d.Steps[0].ID {
		add("owner", d.Owner)
	}
	if s.Approve != nil {
		add("by", append([]string{s.Approve.By}, s.Approve.Delegates...)...)
	}
	if m := s.Remedy; m != nil {
		add("remedies", m.Names...)
		add("proposed by", s.Proposers()...)
		add("approved by", append([]string{m.Approve.By}, m.Approve.Delegates...)...)
	}
	return out
}

func tellClock(e incident.Event) string {
	if e.Clock.Name == "" {
		return string(e.Kind) + " asked by " + e.Actor.Name + " for " + e.Reason
	}
	s := string(e.Kind) + " " + e.Clock.Name + " used " + e.Clock.Elapsed.String()
	if e.Clock.Role != "" && e.Kind == incident.ClockStarted {
		s += " of " + e.Clock.Role
	}
	if n := len(e.Clock.Marks); n > 0 && e.Clock.Marks[n-1].Owner != "" {
		s += " for " + e.Clock.Marks[n-1].Owner + " (" + e.Clock.Marks[n-1].Reason + ")"
	}
	if !e.Clock.DueAt.IsZero() {
		s += " due " + e.Clock.DueAt.In(zone).Format("Mon 01-02 15:04:05")
	}
	return strings.TrimSpace(s + " " + e.Clock.Problem)
}

func summary(i incident.Incident) string {
	timers := make([]string, 0, len(i.Timers))
	for _, t := range i.Timers {
		timers = append(timers, fmt.Sprintf("%s/%s@%s", t.Kind, t.Name, t.Due.In(zone).Format("01-02 15:04")))
	}
	slices.Sort(timers)
	return strings.TrimSpace(fmt.Sprintf("%s, %s, timers %s", i.State, i.Step, strings.Join(timers, " ")))
}
