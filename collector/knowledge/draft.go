package knowledge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// About is what a draft needs to know beyond the incident: of the device from
// the inventory, of steps and choices from the process.
type About struct {
	DeviceKind, Vendor, Model string
	Owner                     string
	Step                      func(id string) lang.Text           // title; nil or zero: the id
	Choice                    func(step, choice string) lang.Text // title; nil or zero: the id
	Clean                     func(string) string                 // takes secrets out of what people wrote; nil: as it is
	Zone                      *time.Location
}

// FromIncident writes a draft "how it was solved" from a closed incident's
// events: what was seen, what it was, what was done by which role when, and
// what proved that it was over. People correct and publish it. Folded incidents
// and those that cured themselves without anybody acting give none.
func FromIncident(i incident.Incident, events []incident.Event, about About, now time.Time) (Entry, bool) {
	if i.State != incident.StateClosed || i.ParentID != "" {
		return Entry{}, false
	}
	steps, acted := solution(events, &about)
	if !acted {
		return Entry{}, false
	}
	d := i.Diagnosis
	e := Entry{ID: "kb-" + i.ID, State: Draft, Class: d.Class, DeviceKind: about.DeviceKind, Vendor: about.Vendor, Owner: about.Owner, Practice: i.Practice,
		Incidents: []string{i.Number}, CreatedAt: now.UTC(), UpdatedAt: now.UTC(), UpdatedBy: "system", ReviewBy: now.UTC().AddDate(1, 0, 0)}
	if about.Model != "" {
		e.Models = []string{about.Model}
	}
	e.Title = cutText(d.Title, 200)
	e.Symptoms = cutText(symptoms(events, &about), maxText)
	e.Cause = cutText(lines(d.Title, d.Proof), maxText)
	e.Solution = cutText(lines(append(steps, proof(events)...)...), maxText)
	if e.Title.IsZero() {
		e.Title = lang.Same(i.Number)
	}
	return e, true
}

// symptoms are what the alerts and the reporter said before anybody acted.
func symptoms(events []incident.Event, about *About) lang.Text {
	var out []lang.Text
	seen := map[string]bool{}
	for _, e := range events {
		switch {
		case e.Kind == incident.AlertJoined:
			t := e.Alert.Summary
			if t.IsZero() {
				t = lang.Same(e.Alert.Name)
			}
			if !seen[t.ZH+t.EN] {
				seen[t.ZH+t.EN] = true
				out = append(out, t)
			}
		case e.Kind == incident.Opened && e.Comment != "":
			out = append(out, lang.Same(about.clean(e.Comment)))
		}
	}
	return lines(out...)
}

// solution lists what people and vendors did; acted is false when nobody did.
func solution(events []incident.Event, about *About) (out []lang.Text, acted bool) {
	step, start := "", time.Time{}
	for _, e := range events {
		if start.IsZero() {
			start = e.At
		}
		if e.Kind == incident.Entered {
			step = e.Step
		}
		t, ok := about.did(e, step)
		if !ok {
			continue
		}
		acted = true
		after := e.At.Sub(start).Round(time.Minute)
		if after < 0 {
			after = 0
		}
		stamp := fmt.Sprintf("+%d:%02d ", int(after.Hours()), int(after.Minutes())%60)
		out = append(out, lang.Text{ZH: stamp + t.ZH, EN: stamp + t.EN})
	}
	return out, acted
}

// did says what an event did towards the solution. Names of persons stay in the
// incident; roles are enough here.
func (a *About) did(e incident.Event, step string) (lang.Text, bool) {
	role := lang.Same(e.Actor.Role)
	if e.Actor.Role == "" {
		role = lang.Same(e.Actor.Kind)
	}
	at, note := a.step(step), lang.Text{}
	if e.Comment != "" {
		note = lang.Same("：" + a.clean(e.Comment))
		note.EN = ": " + a.clean(e.Comment)
	}
	say := func(zh, en string) (lang.Text, bool) {
		return lang.Text{ZH: role.ZH + " " + zh + note.ZH, EN: role.EN + " " + en + note.EN}, true
	}
	switch e.Kind {
	case incident.Decided:
		c := a.choice(step, e.Choice)
		return say("在「"+at.In(lang.ZH)+"」判断为「"+c.In(lang.ZH)+"」", "decided in "+at.In(lang.EN)+": "+c.In(lang.EN))
	case incident.Done:
		return say("完成「"+at.In(lang.ZH)+"」", "did "+at.In(lang.EN))
	case incident.Commented:
		if e.Comment == "" || e.Actor.Kind == incident.System.Kind {
			return lang.Text{}, false
		}
		return say("记录", "noted")
	case incident.VendorReported:
		who := e.VendorName
		if who == "" {
			who = e.Actor.Name
		}
		role = lang.Same(who)
		return say("回复 "+e.Choice, "answered "+e.Choice)
	case incident.Attached:
		return say("提交 "+e.Attachment.Kind+" "+e.Attachment.Name, "handed in "+e.Attachment.Kind+" "+e.Attachment.Name)
	}
	return lang.Text{}, false
}

func (a *About) step(id string) lang.Text {
	if a.Step != nil {
		if t := a.Step(id); !t.IsZero() {
			return t
		}
	}
	return lang.Same(id)
}

func (a *About) choice(step, id string) lang.Text {
	if a.Choice != nil {
		if t := a.Choice(step, id); !t.IsZero() {
			return t
		}
	}
	return lang.Same(id)
}

func (a *About) clean(s string) string {
	if a.Clean != nil {
		return a.Clean(s)
	}
	return s
}

// proof is the newest measured proof that it was over.
func proof(events []incident.Event) []lang.Text {
	for _, e := range slices.Backward(events) {
		if e.Kind == incident.Verified && !e.Proof.IsZero() {
			return []lang.Text{{ZH: "恢复依据：" + e.Proof.In(lang.ZH), EN: "proof of recovery: " + e.Proof.In(lang.EN)}}
		}
	}
	return nil
}

func lines(list ...lang.Text) lang.Text {
	var zh, en []string
	for _, t := range list {
		if !t.IsZero() {
			zh, en = append(zh, t.In(lang.ZH)), append(en, t.In(lang.EN))
		}
	}
	return lang.Text{ZH: strings.Join(zh, "\n"), EN: strings.Join(en, "\n")}
}

func cutText(t lang.Text, limit int) lang.Text {
	cut := func(s string) string {
		if r := []rune(s); len(r) > limit {
			return string(r[:limit-1]) + "…"
		}
		return s
	}
	return lang.Text{ZH: cut(t.ZH), EN: cut(t.EN)}
}
