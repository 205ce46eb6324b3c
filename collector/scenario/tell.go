package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// Failures are read by network engineers in either language: every line says what
// it is in both.
const (
	wordExpected = "expected 期望"
	wordCame     = "came 实得"
	wordNone     = "none 无"
	wordOpened   = "opened 开单于"
	wordBy       = "by 依据"
	wordSince    = "since 始于"
	wordDiffers  = "differs 不符"
)

// String says what is expected, in the words of the file.
func (e Expected) String() string {
	var b strings.Builder
	add := func(key string, value any) { fmt.Fprintf(&b, " %s=%v", key, value) }
	for _, c := range []struct{ key, value string }{
		{"class", e.Class}, {"was", e.Was}, {"device", e.Device}, {"component", e.Component}, {"site", e.Site}, {"process", e.Process}, {"vendor", e.Vendor},
		{"severity", e.Severity}, {"state", e.State}, {"cause", e.Cause}, {"rule", e.Rule},
	} {
		if c.value != "" {
			fmt.Fprintf(&b, " %s=%q", c.key, c.value)
		}
	}
	if e.Provisional != nil {
		add("provisional", *e.Provisional)
	}
	if e.Affected != nil {
		add("affected", *e.Affected)
	}
	if e.Count != nil {
		add("count", *e.Count)
	}
	for _, p := range e.Proof {
		fmt.Fprintf(&b, " proof=%q", p)
	}
	if e.Flaps != nil {
		add("flaps", *e.Flaps)
	}
	if e.Joined != nil {
		add("joined", *e.Joined)
	}
	if e.Again != nil {
		add("again", *e.Again)
	}
	return strings.TrimSpace(b.String())
}

// firstOf says since when an incident is, and by what: the moment of its opening in
// the story, and its earliest alert with the sample that began it.
func firstOf(i incident.Incident) string {
	text := wordOpened + " " + moment(i.OpenedAt)
	if len(i.Alerts) == 0 {
		return text
	}
	first := slices.MinFunc(i.Alerts, func(a, b incident.AlertRef) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	return fmt.Sprintf("%s, %s %s (%s) %s %s", text, wordBy, first.Name, thing(first), wordSince, moment(first.Since))
}

// thing is what an alert is about.
func thing(a incident.AlertRef) string {
	device := cmp.Or(a.Labels["device"], a.Labels["agent"], a.Labels["site"])
	if c := a.Labels["component"]; c != "" {
		return device + ":" + c
	}
	return device
}

// moment is a time of the story as the file writes it.
func moment(at time.Time) string { return at.Sub(epoch).Round(time.Second).String() }
