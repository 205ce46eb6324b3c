package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
)

// matches returns why an incident is not the expected one; "" when it is.
func (e Expected) matches(i incident.Incident) string {
	d := i.Diagnosis
	for _, c := range []struct{ key, want, got string }{
		{"cause", e.Cause, d.Cause}, {"rule", e.Rule, d.Rule}, {"class", e.Class, d.Class}, {"was", e.Was, i.FirstClass}, {"device", e.Device, d.Device},
		{"component", e.Component, d.Component}, {"site", e.Site, d.Site}, {"process", e.Process, i.Process}, {"vendor", e.Vendor, d.VendorKind},
		{"severity", e.Severity, i.Severity}, {"state", e.State, i.State},
	} {
		if c.want != "" && c.want != c.got {
			return fmt.Sprintf("%s is %q, expected %q", c.key, c.got, c.want)
		}
	}
	if e.Provisional != nil && *e.Provisional != d.Provisional {
		return fmt.Sprintf("provisional is %v, expected %v", d.Provisional, *e.Provisional)
	}
	if why := e.affected(d.Affected); why != "" {
		return why
	}
	proof := english(d.Proof)
	for _, p := range e.Proof {
		if !strings.Contains(proof, p) {
			return fmt.Sprintf("its proof does not say %q: %s", p, d.Proof.EN)
		}
	}
	return e.counts(i)
}

func (e Expected) affected(got []string) string {
	if e.Affected != nil {
		want := slices.Sorted(slices.Values(*e.Affected))
		if have := slices.Sorted(slices.Values(got)); !slices.Equal(want, have) {
			return fmt.Sprintf("affected is %v, expected %v", have, want)
		}
	}
	if e.Count != nil && *e.Count != len(got) {
		return fmt.Sprintf("%d are affected, expected %d", len(got), *e.Count)
	}
	return ""
}

func (e Expected) counts(i incident.Incident) string {
	times := 0
	for _, a := range i.Alerts {
		times = max(times, a.Times)
	}
	switch {
	case e.Flaps != nil && times < *e.Flaps:
		return fmt.Sprintf("its alerts fired %d times at most, expected %d", times, *e.Flaps)
	case e.Joined != nil && len(i.Alerts) < *e.Joined:
		return fmt.Sprintf("%d alerts belong to it, expected %d", len(i.Alerts), *e.Joined)
	case e.Again != nil && *e.Again != (i.PreviousID != ""):
		return fmt.Sprintf("follows an earlier one: %v, expected %v", i.PreviousID != "", *e.Again)
	}
	return ""
}

// tells whether a never fits an incident as it was called at some moment.
func (e Expected) never(i incident.Incident, d incident.Diagnosis) bool {
	i.Diagnosis = d
	if e.Process != "" && e.Process != d.Process {
		return false
	}
	e.Process = ""
	return e.matches(i) == ""
}

// show says an incident in a line.
func show(i incident.Incident) string {
	d := i.Diagnosis
	state := i.State
	if i.ParentID != "" {
		state = "folded"
	}
	return fmt.Sprintf("%s %s %s:%s [%s, rule %s] process=%s vendor=%s provisional=%v affected=%v alerts=%d", state, d.Class, d.Device, d.Component, d.Cause, d.Rule,
		i.Process, d.VendorKind, d.Provisional, d.Affected, len(i.Alerts))
}

func list(incidents []incident.Incident) string {
	if len(incidents) == 0 {
		return "\n\t" + wordCame + ": " + wordNone
	}
	var b strings.Builder
	for _, i := range incidents {
		b.WriteString("\n\t" + wordCame + ": " + show(i) + "\n\t\t" + firstOf(i))
	}
	return b.String()
}

// wishes are what was expected, a line each.
func wishes(all []Expected) string {
	var b strings.Builder
	for _, e := range all {
		b.WriteString("\n\t" + wordExpected + ": " + e.String())
	}
	return b.String()
}

// roots are the incidents that are not part of another.
func roots(all []incident.Incident) []incident.Incident {
	return slices.DeleteFunc(slices.Clone(all), func(i incident.Incident) bool { return i.ParentID != "" })
}

// examine compares one expectation with the state of the engine.
func (p *Player) examine(n int, w *world) {
	e := p.s.Expect[n]
	at := fmt.Sprintf("expect[%d]", n)
	all := w.judge.book.all()
	got := roots(all)
	if e.Incidents != nil || e.Opened == nil {
		p.pair(at, e, got)
	}
	if e.Opened != nil && *e.Opened != len(all) {
		p.failf(at+".opened", "at %s: %d incidents were opened, expected %d%s", e.At, len(all), *e.Opened, list(all))
	}
	if folded := len(all) - len(got); e.Folded != nil && *e.Folded != folded {
		p.failf(at+".folded", "at %s: %d incidents are folded, expected %d%s", e.At, folded, *e.Folded, list(all))
	}
	if e.Suppressed != nil {
		if n := suppressed(w.judge.engine.Fates()); n != *e.Suppressed {
			p.failf(at+".suppressed", "at %s: %d alerts are suppressed, expected %d", e.At, n, *e.Suppressed)
		}
	}
	if e.Messages != nil {
		if have := w.judge.book.messages(); !maps.Equal(have, e.Messages) {
			p.failf(at+".messages", "at %s: messages to vendors %v, expected %v", e.At, have, e.Messages)
		}
	}
}

func suppressed(fates map[string]engine.Fate) (n int) {
	for _, f := range fates {
		if f.Kind == engine.FateSuppressed {
			n++
		}
	}
	return n
}

// pair finds for each expected incident one that is there, each used once.
func (p *Player) pair(at string, e Expectation, got []incident.Incident) {
	if len(got) != len(e.Incidents) {
		p.failf(at+".incidents", "at %s: %d incidents, expected %d (%d 个故障单，期望 %d 个)%s%s", e.At, len(got), len(e.Incidents), len(got), len(e.Incidents), wishes(e.Incidents), list(got))
		return
	}
	used := map[string]bool{}
	for n, want := range e.Incidents {
		var why []string
		found := slices.ContainsFunc(got, func(i incident.Incident) bool {
			if used[i.ID] {
				return false
			}
			reason := want.matches(i)
			if reason != "" {
				why = append(why, reason)
				return false
			}
			used[i.ID] = true
			return true
		})
		if !found {
			p.failf(fmt.Sprintf("%s.incidents[%d]", at, n), "at %s: no incident is like this (没有这样的故障单)%s\n\t%s: %s%s", e.At, wishes([]Expected{want}), wordDiffers, strings.Join(why, "; "), list(got))
		}
	}
}

// String shows a duration as it is written.
func (d duration) String() string {
	if d.end {
		return "the end"
	}
	return d.Duration.Round(time.Second).String()
}
