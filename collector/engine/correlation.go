package engine

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/faultline/faultline/collector/incident"
)

// correlation carries the state of one correlate call.
type correlation struct {
	round
	plan      *plan
	incidents []*incident.Incident
	active    active
	stand     map[string]string             // devices of the causes found in this round, by cause
	owner     map[string]*incident.Incident // by fingerprint
	folded    map[string]bool
	back      map[*incident.Incident]bool // answers of settling
	silenced  map[string]string           // by fingerprint: what keeps an alert from opening anything
	left      map[string]bool             // fingerprints that leave their incident in this round
	renamed   map[string]bool             // incidents re-classified in this round
}

func newCorrelation(incidents []*incident.Incident, r round, p *plan) *correlation {
	c := &correlation{round: r, plan: p, incidents: incidents, active: newActive(incidents), stand: make(map[string]string, len(r.causes)),
		owner: make(map[string]*incident.Incident, len(r.firing)), folded: map[string]bool{}, left: map[string]bool{}, renamed: map[string]bool{},
		back: map[*incident.Incident]bool{}, silenced: map[string]string{}}
	for fp, held := range c.active.holders {
		c.owner[fp] = held[len(held)-1]
	}
	for _, d := range r.causes {
		if _, twice := c.stand[d.Cause]; !twice {
			c.stand[d.Cause] = d.Device
		}
	}
	return c
}

// active finds the incidents that a cause may belong to, those that are open and
// nobody's child, as they stood before the round. Where several fit, the oldest
// is meant.
type active struct {
	byCause map[string]*incident.Incident
	above   map[string]*incident.Incident   // by a device it lists as affected
	holders map[string][]*incident.Incident // by fingerprint: whose alert it is, and fires
	proven  map[string]string               // by cause: the youngest whose recovery was proved, in any state but closed
}

func newActive(incidents []*incident.Incident) active {
	a := active{byCause: make(map[string]*incident.Incident, len(incidents)), above: map[string]*incident.Incident{},
		holders: make(map[string][]*incident.Incident, len(incidents)), proven: map[string]string{}}
	for _, inc := range incidents {
		if !inc.VerifiedAt.IsZero() {
			a.proven[inc.Diagnosis.Cause] = inc.ID
		}
		if inc.State != incident.StateOpen || inc.ParentID != "" {
			continue
		}
		first(a.byCause, inc.Diagnosis.Cause, inc)
		for _, device := range inc.Diagnosis.Affected {
			first(a.above, device, inc)
		}
		for i := range inc.Alerts {
			if fp := inc.Alerts[i].Fingerprint; inc.Alerts[i].Firing {
				a.holders[fp] = append(a.holders[fp], inc)
			}
		}
	}
	return a
}

func first(m map[string]*incident.Incident, key string, inc *incident.Incident) {
	if m[key] == nil {
		m[key] = inc
	}
}

// holding returns the incidents that have any of the alerts, oldest first.
func (a active) holding(fingerprints []string) []*incident.Incident {
	some := map[*incident.Incident]bool{}
	for _, fp := range fingerprints {
		for _, inc := range a.holders[fp] {
			some[inc] = true
		}
	}
	return slices.SortedFunc(maps.Keys(some), func(x, y *incident.Incident) int {
		return cmp.Or(x.OpenedAt.Compare(y.OpenedAt), strings.Compare(x.ID, y.ID))
	})
}
