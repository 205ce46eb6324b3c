package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
)

// Kinds of quiet.
const (
	QuietMaintenance = "maintenance" // our own work on our own things
	QuietWorks       = "works"       // a carrier's announced works
	QuietSilence     = "silence"     // somebody does not want to hear of it
)

// Quiet is a time in which nothing is opened and nobody is told about some
// things. It never keeps anything from being measured, joined or resolved, and
// its end tells nobody anything: what is still wrong then opens an incident once
// a check made after the end has found it so.
type Quiet struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"` // maintenance, works, silence
	From     time.Time         `json:"from"`
	Until    time.Time         `json:"until,omitzero"`     // zero: until it is lifted
	Subjects []string          `json:"subjects,omitempty"` // inventory names: devices, device:component, lines, carriers, sites
	Labels   map[string]string `json:"labels,omitempty"`   // labels an alert must have; with Subjects both must fit
	Reason   string            `json:"reason"`
	By       string            `json:"by"`
}

// liftedFor is how long after its end a quiet still asks for a newer check.
const liftedFor = time.Hour

// active tells whether the quiet is in force.
func (q Quiet) active(now time.Time) bool {
	return !now.Before(q.From) && (q.Until.IsZero() || now.Before(q.Until))
}

// lifted tells whether it ended lately.
func (q Quiet) lifted(now time.Time) bool {
	return !q.Until.IsZero() && !now.Before(q.Until) && now.Sub(q.Until) < liftedFor
}

// covers tells whether something with the names and labels is meant.
func (q Quiet) covers(names []string, labels map[string]string) bool {
	if len(q.Subjects) == 0 && len(q.Labels) == 0 {
		return false
	}
	for k, v := range q.Labels {
		if labels[k] != v {
			return false
		}
	}
	return len(q.Subjects) == 0 || slices.ContainsFunc(q.Subjects, func(s string) bool { return slices.Contains(names, s) })
}

// why says in words for people why something is quiet.
func (q Quiet) why() string {
	words := cmp.Or(q.Reason, q.ID)
	if q.By != "" {
		words += " (" + q.By + ")"
	}
	return q.Kind + ": " + words
}

// topology answers what stands under what; without a graph a name stands alone.
type topology struct{ g *inventory.Graph }

// scope returns the names by which a quiet may mean a thing: itself, its part,
// its site, the carrier of a line.
func (t topology) scope(name, component, site string) []string {
	out := []string{name}
	if component != "" {
		out = append(out, name+":"+component)
	}
	if t.g != nil {
		if l, ok := t.g.Line(name); ok {
			out = append(out, l.Carrier)
		}
		if a, ok := t.g.Agent(name); ok {
			out = append(out, a.Device)
		}
		site = cmp.Or(t.g.SiteOf(name), site)
	}
	if site != "" {
		out = append(out, site, "site:"+site)
	}
	return out
}

// related tells whether one of the two is reached through the other, so that a
// fault of the one may look like a fault of the other.
func (t topology) related(a, b string) bool {
	if a == b || t.g == nil {
		return a == b
	}
	return t.above(a, b) || t.above(b, a)
}

// above tells whether top is on any way from name to the collector.
func (t topology) above(top, name string) bool {
	seen := map[string]bool{name: true}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		for _, dep := range t.g.Dependencies(queue[0]) {
			for _, p := range dep.AnyOf {
				if p == top {
					return true
				}
				if !seen[p] {
					seen[p] = true
					queue = append(queue, p)
				}
			}
		}
	}
	return false
}

func (t topology) scopeOfAlert(a *alert.Alert) []string {
	return t.scope(cmp.Or(a.Device(), a.Labels["agent"]), a.Component(), a.Site())
}

func (t topology) scopeOfCause(d incident.Diagnosis) []string {
	return t.scope(strings.TrimPrefix(d.Device, "site:"), d.Component, d.Site)
}

// quieted says why a firing alert of a cause opens nothing now; "" when nothing
// keeps it. The cause's root speaks for everything the cause explains. What was
// kept quiet stays so, whatever it is explained by, until a newer check.
func (c *correlation) quieted(cause incident.Diagnosis, a *alert.Alert) string {
	if len(c.quiet) == 0 {
		return ""
	}
	root, own := c.topology.scopeOfCause(cause), c.topology.scopeOfAlert(a)
	checked, rest, until := c.checkedAt(a), "", time.Time{}
	for _, q := range c.quiet {
		if !q.covers(root, a.Labels) && !q.covers(own, a.Labels) {
			continue
		}
		switch {
		case q.active(c.now):
			c.plan.hushed[a.Fingerprint] = c.now
			return q.why()
		case q.lifted(c.now) && !checked.After(q.Until):
			rest, until = q.why()+", over; waits for a check made after it", later(until, q.Until)
		}
	}
	if at, was := c.hushed[a.Fingerprint]; was && !checked.After(at) {
		c.plan.hushed[a.Fingerprint] = later(at, until)
		return "was quiet; waits for a newer check"
	}
	if rest != "" { // also when something else explains it by the time that check is made
		c.plan.hushed[a.Fingerprint] = until
	}
	return rest
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rootQuieted says why a cause opens nothing although some of its alerts could:
// everything about its own root is quiet or has not been checked since.
func (c *correlation) rootQuieted(cause incident.Diagnosis) string {
	if len(c.quiet) == 0 {
		return ""
	}
	why := ""
	for _, fp := range cause.Alerts {
		a, firing := c.firing[fp]
		if !firing || slices.Contains(cause.Affected, a.Device()) {
			continue
		}
		if why = c.quieted(cause, a); why == "" {
			return ""
		}
	}
	return why
}

// checkedAt is when the thing an alert is about was last measured.
func (c *correlation) checkedAt(a *alert.Alert) time.Time {
	if c.checked != nil {
		if at := c.checked(*a); !at.IsZero() {
			return at
		}
	}
	return a.EvaluatedAt
}
