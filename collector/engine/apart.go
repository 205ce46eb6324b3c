package engine

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/truth"
)

// Why an alert leaves the incident it belonged to.
const (
	reasonSplit    = "split"    // two causes proved independent
	reasonReleased = "released" // its parent has recovered, and a newer check finds it still bad
)

// What becomes of a cause whose alerts belong to an incident of another cause.
type parting int

const (
	stays  parting = iota // it is explained by the incident, or re-classifies it
	waits                 // nothing is concluded yet
	leaves                // it gets an incident of its own
	heirs                 // it takes the incident over: what it was called is disproved
)

// part decides about a cause whose alerts home owns although home is called
// something else.
func (c *correlation) part(home *incident.Incident, cause incident.Diagnosis) (parting, string) {
	owned := c.ownedBy(home, cause)
	if len(owned) == 0 || c.settling(home) {
		return stays, ""
	}
	if c.within(home, cause) {
		return c.release(home, owned)
	}
	if cause.Provisional || home.Diagnosis.Provisional || c.anyUnknown(owned) {
		return stays, ""
	}
	switch {
	case c.stands(home.Diagnosis.Cause):
		if !c.topology.related(home.Diagnosis.Device, cause.Device) && c.lasts(home.ID+"|"+cause.Cause) {
			return leaves, reasonSplit
		}
	case c.untouched(home) && c.lasts(home.ID+"|"):
		heir := c.heir(home)
		if heir == cause.Cause {
			return heirs, ""
		}
		if !c.topology.related(c.rootOf(heir), cause.Device) {
			return leaves, reasonSplit
		}
	}
	return stays, ""
}

// release decides about something downstream of an incident: as long as its
// parent is bad it stays; when the parent is well again it leaves on the word
// of a check made after that, and until then nothing is said about it.
func (c *correlation) release(home *incident.Incident, owned []string) (parting, string) {
	back := c.rootBack(home)
	if back.IsZero() || c.stands(home.Diagnosis.Cause) {
		return stays, ""
	}
	for _, fp := range owned {
		a := c.firing[fp]
		if a.Truth != truth.Bad || !c.checkedAt(a).After(back) {
			return waits, ""
		}
	}
	return leaves, reasonReleased
}

// rootBack is when the last alert about the incident's own root resolved, zero
// while one of them fires or when it never had one.
func (c *correlation) rootBack(home *incident.Incident) time.Time {
	var back time.Time
	for _, a := range home.Alerts {
		if slices.Contains(home.Diagnosis.Affected, a.Labels["device"]) {
			continue
		}
		if _, firing := c.firing[a.Fingerprint]; firing {
			return time.Time{}
		}
		if a.ResolvedAt.After(back) {
			back = a.ResolvedAt
		}
	}
	return back
}

func (c *correlation) ownedBy(home *incident.Incident, cause incident.Diagnosis) []string {
	var out []string
	for _, fp := range cause.Alerts {
		if _, firing := c.firing[fp]; firing && c.owner[fp] == home {
			out = append(out, fp)
		}
	}
	return out
}

func (c *correlation) anyUnknown(fps []string) bool {
	return slices.ContainsFunc(fps, func(fp string) bool { a, firing := c.firing[fp]; return firing && a.Truth == truth.Unknown })
}

// lasts tells whether something has been so in every round for the time of split.
func (c *correlation) lasts(what string) bool {
	since, ok := c.apart[what]
	if !ok {
		since = c.now
	}
	c.plan.apart[what] = since
	return c.now.Sub(since) >= c.split
}

// untouched tells whether every alert the incident ever had still fires: then a
// cause that is not found any more has not healed, it was wrong.
func (c *correlation) untouched(home *incident.Incident) bool {
	return !slices.ContainsFunc(home.Alerts, func(a incident.AlertRef) bool {
		now, firing := c.firing[a.Fingerprint]
		return !firing || now.Truth != truth.Bad
	})
}

// heir is the cause that takes over an incident whose own is disproved: the one
// with the highest rank, then with the most of its alerts.
func (c *correlation) heir(home *incident.Incident) string {
	best, rank, most := "", -1, 0
	for _, d := range c.causes {
		n := len(c.ownedBy(home, d))
		if n == 0 || d.Provisional || d.Rank < rank || d.Rank == rank && n <= most {
			continue
		}
		best, rank, most = d.Cause, d.Rank, n
	}
	return best
}

func (c *correlation) rootOf(key string) string { return c.stand[key] }

// leave moves a cause's alerts out of the incident into one of its own.
func (c *correlation) leave(home *incident.Incident, cause incident.Diagnosis, reason string) {
	o := opening{id: c.newID(), diagnosis: cause, reason: reason, from: home.ID}
	for _, fp := range cause.Alerts {
		a, firing := c.firing[fp]
		if !firing || c.owner[fp] != nil && c.owner[fp] != home {
			continue
		}
		ref := refOf(a)
		if c.owner[fp] == home {
			c.fact(home, incident.Event{Kind: incident.AlertLeft, Alert: &ref, ChildID: o.id, Reason: reason})
			c.left[fp] = true
		}
		o.alerts = append(o.alerts, ref)
	}
	c.plan.open = append(c.plan.open, o)
}
