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

// FateKinds are all kinds of fates.
func FateKinds() []string {
	return []string{FateJoined, FateFolded, FateSuppressed, FateHeld, FateLags, FateInfo}
}

// account sets what answers for the fate of the alerts that fire. What it asks
// does not change after the round.
func (c *correlation) account() {
	for fp, home := range c.moved {
		if _, firing := c.firing[fp]; firing && c.plan.moved[fp] == "" && c.owner[fp] != nil && c.owner[fp].ID == home {
			c.plan.moved[fp] = home
		}
	}
	opened := map[string]string{}
	for _, o := range c.plan.open {
		for i := range o.alerts {
			opened[o.alerts[i].Fingerprint] = o.id
		}
	}
	c.plan.fate = func(fp string) Fate {
		a, firing := c.firing[fp]
		if id := opened[fp]; id != "" {
			return Fate{Kind: FateJoined, Incident: id}
		}
		if !firing {
			return Fate{}
		}
		return c.fateOf(fp, a)
	}
	c.plan.all = func() map[string]Fate {
		out := make(map[string]Fate, len(c.firing))
		for fp := range c.firing {
			out[fp] = c.plan.fate(fp)
		}
		return out
	}
}

func (c *correlation) fateOf(fp string, a *alert.Alert) Fate {
	why, silenced := c.silenced[fp]
	switch home := c.owner[fp]; {
	case silenced:
		return Fate{Kind: FateSuppressed, Reason: why}
	case home != nil && c.plan.moved[fp] == home.ID:
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
