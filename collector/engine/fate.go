package engine

import (
	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// What became of an alert that fires.
const (
	FateJoined     = "joined"     // it belongs to an incident
	FateFolded     = "folded"     // it belonged to an incident that was folded into this one
	FateSuppressed = "suppressed" // a maintenance, works or silence keeps it from opening anything
	FateHeld       = "held"       // it waits for evidence
	FateLags       = "lags"       // left over from an outage that is ending: no ground for anything new
	FateInfo       = "info"       // its severity opens nothing
)

// Fate is what became of an alert that fires, and why. No alert is without one.
type Fate struct {
	Kind     string
	Incident string // of joined and folded
	Reason   string // of suppressed and held
}

// account fills in the fate of every alert that fires.
func (c *correlation) account() {
	moved := map[string]bool{}
	for id := range c.folded {
		for _, inc := range c.active {
			if inc.ID != id {
				continue
			}
			for _, a := range inc.Alerts {
				moved[a.Fingerprint] = true
			}
		}
	}
	for _, o := range c.plan.open {
		for _, a := range o.alerts {
			c.plan.fates[a.Fingerprint] = Fate{Kind: FateJoined, Incident: o.id}
		}
	}
	for fp, a := range c.firing {
		if _, known := c.plan.fates[fp]; known {
			continue
		}
		c.plan.fates[fp] = c.fateOf(fp, a, moved[fp])
	}
}

func (c *correlation) fateOf(fp string, a alert.Alert, moved bool) Fate {
	switch home := c.owner[fp]; {
	case home != nil && moved:
		return Fate{Kind: FateFolded, Incident: home.ID}
	case home != nil:
		return Fate{Kind: FateJoined, Incident: home.ID}
	case a.Severity() == "info":
		return Fate{Kind: FateInfo}
	case c.held[fp]:
		return Fate{Kind: FateHeld, Reason: "waits for evidence that would decide its cause"}
	default:
		return Fate{Kind: FateLags}
	}
}

// storm is how many alerts that join or resolve in one round make one event.
const storm = 8

// bundle makes one event of the many alerts that join, or resolve, in a round;
// the order of everything else stays.
func bundle(facts []incident.Event) []incident.Event {
	for one, many := range map[incident.Kind]incident.Kind{incident.AlertJoined: incident.AlertsJoined, incident.AlertResolved: incident.AlertsResolved} {
		n := 0
		for _, f := range facts {
			if f.Kind == one {
				n++
			}
		}
		if n <= storm {
			continue
		}
		facts = bundled(facts, one, many, n)
	}
	return facts
}

func bundled(facts []incident.Event, one, many incident.Kind, n int) []incident.Event {
	out, at := make([]incident.Event, 0, len(facts)-n+1), -1
	for _, f := range facts {
		if f.Kind != one {
			out = append(out, f)
			continue
		}
		if at < 0 {
			at = len(out)
			all := f
			all.Kind, all.Alert, all.Alerts = many, nil, make([]incident.AlertRef, 0, n)
			out = append(out, all)
		}
		out[at].Alerts = append(out[at].Alerts, *f.Alert)
	}
	return out
}
