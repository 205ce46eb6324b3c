package writeup

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// course is what happened when, from the log.
func (w *writer) course() Section {
	s := w.section("course")
	s.Head = []string{w.say("col.at"), w.say("col.who"), w.say("col.what")}
	class := ""
	for _, e := range w.events {
		what := w.did(e, &class)
		if what == "" {
			continue
		}
		if e.Comment != "" && e.Kind != incident.Opened {
			what += w.say("said", e.Comment)
		}
		s.Rows = append(s.Rows, []string{w.time(e.At), w.actor(e.Actor), what})
	}
	return s
}

// Since tells, a line each, what happened after a time: of more than most lines the
// newest.
func Since(v View, events []incident.Event, after time.Time, most int, language string) []string {
	if v.Zone == nil {
		v.Zone = time.UTC
	}
	w := &writer{View: v, events: events, language: language}
	var lines []string
	class := ""
	for _, e := range events {
		what := w.did(e, &class)
		if what != "" && e.At.After(after) {
			lines = append(lines, w.time(e.At)+" "+w.actor(e.Actor)+w.say("colon")+what+w.note(e))
		}
	}
	return lines[max(0, len(lines)-most):]
}

// did says what an event tells somebody who reads the report; "" is nothing.
// class is the class of the newest diagnosis before it.
func (w *writer) did(e incident.Event, class *string) string {
	switch e.Kind {
	case incident.Opened, incident.Diagnosed:
		again := *class != "" && *class == e.Diagnosis.Class
		*class = e.Diagnosis.Class
		if again {
			return ""
		}
		return w.say("did."+string(e.Kind), w.text(e.Diagnosis.Title))
	case incident.Entered:
		return w.say("did.entered", w.step(e.Step), w.role(e.Role))
	case incident.Decided:
		choice := e.Choice
		if w.Choice != nil {
			choice = w.text(w.Choice(e.Choice))
		}
		return w.say("did.decided", choice)
	case incident.VendorReported:
		return w.say("did.vendor", w.word("vendor_says", e.Choice))
	case incident.Attached:
		return w.say("did.attached", w.word("attachment", e.Attachment.Kind), e.Attachment.Name)
	case incident.TicketChanged:
		return w.ticket(*e.Ticket)
	case incident.ClockBreached:
		return w.say("did.breached", w.clockTitle(e.Clock.Name))
	case incident.ClockPaused:
		return w.say("did.paused", w.clockTitle(e.Clock.Name), e.Reason)
	case incident.Verified:
		return w.say("did.verified", w.text(e.Proof))
	case incident.Acked, incident.Approved, incident.Rejected, incident.Done, incident.RecoverySeen, incident.RecoveryLost, incident.Closed, incident.Reopened,
		incident.Folded, incident.Adopted, incident.Rerouted:
		return w.say("did." + string(e.Kind))
	case incident.Commented:
		if e.Comment != "" && e.Actor.Kind != incident.System.Kind {
			return w.say("did.commented")
		}
	}
	return ""
}

// ticket says that a message went to a vendor, or could not.
func (w *writer) ticket(t incident.Ticket) string {
	if len(t.Messages) == 0 {
		return ""
	}
	m := t.Messages[len(t.Messages)-1]
	if m.State != "sent" && m.State != "failed" {
		return ""
	}
	return w.say("did.ticket."+m.State, cmp.Or(t.VendorName, t.Vendor), m.Subject)
}

// changes are the steps of the log that tell of a change on the device.
func (w *writer) changes() Section {
	s := w.course()
	s.ID, s.Title = "changes", w.say("section.changes")
	var rows [][]string
	class := ""
	for _, e := range w.events {
		switch e.Kind {
		case incident.Decided, incident.Approved, incident.Rejected, incident.Done, incident.Attached:
			rows = append(rows, []string{w.time(e.At), w.actor(e.Actor), w.did(e, &class) + w.note(e)})
		}
	}
	s.Rows = rows
	if len(rows) == 0 {
		s.Head = nil
	}
	return s
}

func (w *writer) note(e incident.Event) string {
	if e.Comment == "" {
		return ""
	}
	return w.say("said", e.Comment)
}

// clocks are the limits and how they were kept.
func (w *writer) clocks() Section {
	s := w.section("clocks")
	s.Head = []string{w.say("col.clock"), w.say("col.target"), w.say("col.used"), w.say("col.waited"), w.say("col.kept")}
	for _, c := range w.Incident.Clocks {
		kept := "kept"
		switch {
		case c.State == incident.ClockNotKnown:
			kept = "clock_unknown"
		case c.Breached:
			kept = "breached"
		case c.State != incident.ClockEnded:
			kept = "running"
		}
		waited := []string{}
		for _, m := range c.Marks {
			if m.What == incident.MarkPause {
				waited = append(waited, cmp.Or(w.text(m.Text), m.Reason, m.Owner))
			}
		}
		s.Rows = append(s.Rows, []string{cmp.Or(w.text(c.Title), c.Name), w.text(process.SpanWords(c.Target)) + " " + w.word("calendar", c.Calendar), w.length(c.Elapsed),
			cmp.Or(strings.Join(unique(waited), w.say("separator")), w.say("none")), w.say(kept)})
	}
	if len(s.Rows) == 0 {
		s.Head = nil
	}
	return s
}

// vendors are the tickets and what came of them.
func (w *writer) vendors() Section {
	s := w.section("vendors")
	s.Head = []string{w.say("col.vendor"), w.say("col.at"), w.say("col.ticket"), w.say("col.state")}
	for _, t := range w.Incident.Tickets {
		s.Rows = append(s.Rows, []string{cmp.Or(t.VendorName, t.Vendor), w.time(t.OpenedAt), cmp.Or(t.Ref, t.Key), w.word("ticket", t.State)})
	}
	if len(s.Rows) == 0 {
		s.Head = nil
	}
	return s
}

// upward are the notices that went to our own people, by the process and as
// progress to those above, in the order of their times.
func (w *writer) upward() Section {
	s := w.section("upward")
	told := w.told()
	slices.SortStableFunc(told, func(x, y toldRow) int { return x.at.Compare(y.at) })
	for _, t := range told {
		s.Rows = append(s.Rows, append([]string{w.time(t.at)}, t.cells[:]...))
	}
	if len(s.Rows) > 0 {
		s.Head = []string{w.say("col.at"), w.say("col.role"), w.say("col.reason"), w.say("col.state")}
	}
	return s
}

// toldRow is a notice: whom, about what, what became of it.
type toldRow struct {
	at    time.Time
	cells [3]string
}

func (w *writer) told() []toldRow {
	var rows []toldRow
	for _, n := range w.Progress {
		rows = append(rows, toldRow{n.At, [3]string{n.Person, w.text(n.Title), w.word("notice", n.State)}})
	}
	asked := map[string]incident.Effect{}
	for _, e := range w.events {
		if e.Effect == nil || e.Effect.Kind != incident.EffectNotify {
			continue
		}
		if e.Kind == incident.EffectQueued {
			asked[e.Effect.Key] = *e.Effect
			continue
		}
		was, ok := asked[e.Effect.Key]
		if !ok {
			was = *e.Effect
		}
		state := w.say("told", cmp.Or(e.Effect.Result["to"], w.say("none")))
		if e.Kind == incident.EffectFailed {
			state = w.say("not_told", e.Effect.Problem)
		}
		rows = append(rows, toldRow{e.At, [3]string{w.role(was.Params["role"]), w.word("reason", was.Params["reason"]), state}})
	}
	return rows
}

func (w *writer) step(id string) string {
	if w.Step != nil {
		return cmp.Or(w.text(w.Step(id)), id)
	}
	return id
}

func (w *writer) role(id string) string {
	if w.Role != nil {
		return cmp.Or(w.text(w.Role(id)), id)
	}
	return id
}

func (w *writer) clockTitle(name string) string {
	if c, ok := w.Incident.ClockNamed(name); ok {
		return cmp.Or(w.text(c.Title), name)
	}
	return name
}

// actor is who did it, with the role.
func (w *writer) actor(a incident.Actor) string {
	name := cmp.Or(a.Name, a.ID, w.word("actor", a.Kind))
	if a.Role == "" {
		return name
	}
	return w.say("actor_role", name, w.role(a.Role))
}

func unique(list []string) []string {
	seen, out := map[string]bool{}, []string{}
	for _, s := range list {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
