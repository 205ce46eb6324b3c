package engine

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/truth"
)

// plan is what one round of alerts means for the incidents: which facts each
// gets, and which causes need an incident of their own.
type plan struct {
	facts map[string][]incident.Event // by incident id, in order
	open  []opening
	// Fate says what became of an alert that fires. It is worked out when it is
	// asked: in a storm there are a hundred thousand.
	fate  func(fp string) Fate
	all   func() map[string]Fate // of every alert that fires
	apart map[string]time.Time   // round.apart of the next round

	hushed map[string]time.Time // round.hushed of the next round
	moved  map[string]string    // round.moved of the next round
}

// opening is an incident to be opened.
type opening struct {
	id        string // "" of one that a person reports: the engine makes one
	from      string // the incident its alerts leave
	reason    string // why they leave it
	diagnosis incident.Diagnosis
	alerts    []incident.AlertRef
	previous  string
	by        incident.Actor // zero: the measurements
	comment   string
	drill     string // the drill it is opened for; "": it is real
}

// round is the input of correlate: everything as it stands at now.
type round struct {
	now    time.Time
	causes []incident.Diagnosis // what diagnose found, each with the alerts it explains
	firing map[string]*alert.Alert
	known  map[string]*alert.Alert // alerts that changed in this round, firing or not
	settle time.Duration           // how long after a first alert resolved the rest may lag behind
	held   map[string]bool         // fingerprints diagnose holds back

	topology topology
	quiet    []Quiet                     // in force, or over lately
	checked  func(alert.Alert) time.Time // when what an alert is about was last measured; nil: as evaluated
	apart    map[string]time.Time        // since when causes and their incidents have not fitted together
	split    time.Duration               // for how long they must not
	hushed   map[string]time.Time        // by fingerprint: when an alert was last kept quiet
	moved    map[string]string           // by fingerprint: the incident it came to because its own was folded into that
	newID    func() string
}

// correlate joins causes to the incidents that are open: one cause, one
// incident. It is pure; incidents are only read. Rules, in order: the incident
// of the same cause; the oldest incident that owns one of the cause's alerts (a
// re-classification; further owners are folded into it); an incident that
// already lists the cause's root as affected; else a new incident.
func correlate(incidents []*incident.Incident, r round) plan {
	p := plan{facts: map[string][]incident.Event{}, apart: map[string]time.Time{}, hushed: map[string]time.Time{}, moved: map[string]string{}}
	c := newCorrelation(incidents, r, &p)
	for _, cause := range r.causes {
		c.place(cause)
	}
	c.followAlerts()
	c.account()
	for fp, at := range c.hushed { // an alert that is held for a moment is not forgotten
		if _, firing := c.firing[fp]; firing && p.fate(fp).Kind != FateJoined && p.hushed[fp].IsZero() {
			p.hushed[fp] = at
		}
	}
	return p
}

func (c *correlation) fact(inc *incident.Incident, e incident.Event) {
	e.IncidentID, e.At, e.Actor = inc.ID, c.now, incident.System
	c.plan.facts[inc.ID] = append(c.plan.facts[inc.ID], e)
}

// place finds or makes the incident of one cause.
func (c *correlation) place(cause incident.Diagnosis) {
	home := c.homeOf(cause)
	if home == nil {
		if o, ok := c.opening(cause); ok {
			c.plan.open = append(c.plan.open, o)
		}
		return
	}
	if c.folded[home.ID] {
		return
	}
	if home.Diagnosis.Cause != cause.Cause {
		switch what, why := c.part(home, cause); what {
		case leaves:
			c.leave(home, cause, why)
			return
		case heirs:
			c.renamed[home.ID] = true
			c.fact(home, incident.Event{Kind: incident.Diagnosed, Diagnosis: &cause})
		case waits:
			return
		}
	}
	c.rediagnose(home, cause)
	c.join(home, cause)
	c.foldOthers(home, cause)
}

// homeOf returns the incident a cause belongs to, or nil.
func (c *correlation) homeOf(cause incident.Diagnosis) *incident.Incident {
	if inc := c.active.byCause[cause.Cause]; inc != nil {
		return inc
	}
	var oldest *incident.Incident
	for _, fp := range cause.Alerts {
		if o := c.owner[fp]; o != nil && (oldest == nil || o.OpenedAt.Before(oldest.OpenedAt)) {
			oldest = o
		}
	}
	if oldest != nil && !(c.settling(oldest) && c.news(cause)) {
		return oldest
	}
	return c.active.above[cause.Device]
}

// news tells whether the cause has alerts that no incident owns yet: what an
// incident on its way back leaves behind has none, a further fault has.
func (c *correlation) news(cause incident.Diagnosis) bool {
	return slices.ContainsFunc(cause.Alerts, func(fp string) bool {
		_, firing := c.firing[fp]
		return firing && c.owner[fp] == nil
	})
}

// within tells whether the cause's root is downstream of the incident.
func (c *correlation) within(inc *incident.Incident, cause incident.Diagnosis) bool {
	return slices.Contains(inc.Diagnosis.Affected, cause.Device)
}

// settling tells whether the incident is on its way back: one of its alerts
// resolved lately, so what still fires lags behind and explains nothing new.
func (c *correlation) settling(inc *incident.Incident) bool {
	is, known := c.back[inc]
	if !known {
		is = c.settles(inc)
		c.back[inc] = is
	}
	return is
}

func (c *correlation) settles(inc *incident.Incident) bool {
	for i := range inc.Alerts {
		a := &inc.Alerts[i]
		if !a.Firing && !a.ResolvedAt.IsZero() && c.now.Sub(a.ResolvedAt) < c.settle {
			return true
		}
		if _, still := c.firing[a.Fingerprint]; a.Firing && !still {
			return true
		}
	}
	return false
}

// rediagnose adds a Diagnosed fact when the cause says more or something else.
func (c *correlation) rediagnose(inc *incident.Incident, cause incident.Diagnosis) {
	have := inc.Diagnosis
	if have.Cause != cause.Cause {
		// The symptoms of a recovering incident are not a new cause; and what is
		// downstream of a cause that still stands does not replace it.
		// Nor does a lesser one replace a diagnosis that was certain: it explains what
		// is left when the evidence of the greater one has healed first.
		lesser := cause.Rank < have.Rank && !have.Provisional
		if c.renamed[inc.ID] || c.settling(inc) || c.stands(have.Cause) || lesser || c.within(inc, cause) && cause.Rank <= have.Rank {
			return
		}
		c.renamed[inc.ID] = true
		if have.Device == cause.Device { // known better, it is still what took the others along
			cause.Affected = union(have.Affected, cause.Affected)
		}
		c.fact(inc, incident.Event{Kind: incident.Diagnosed, Diagnosis: &cause})
		return
	}
	grown := union(have.Affected, cause.Affected)
	// A guess does not undo what was decided on the same ground: evidence that ages
	// is no evidence against it.
	if cause.Provisional && !have.Provisional && cause.Rank <= have.Rank {
		cause = have
	}
	same := have.Class == cause.Class && have.Component == cause.Component && have.VendorKind == cause.VendorKind &&
		have.Provisional == cause.Provisional && have.Severity == cause.Severity && len(grown) == len(have.Affected)
	if same || c.settling(inc) {
		return
	}
	cause.Affected = grown
	c.fact(inc, incident.Event{Kind: incident.Diagnosed, Diagnosis: &cause})
}

// stands tells whether a cause was found again in this round.
func (c *correlation) stands(key string) bool {
	_, found := c.stand[key]
	return found
}

// join adds the cause's alerts that the incident does not have yet.
func (c *correlation) join(inc *incident.Incident, cause incident.Diagnosis) {
	for _, fp := range cause.Alerts {
		a, firing := c.firing[fp]
		if !firing || c.owner[fp] != nil {
			continue
		}
		ref := refOf(a)
		c.owner[fp] = inc
		c.fact(inc, incident.Event{Kind: incident.AlertJoined, Alert: &ref})
	}
}

// foldOthers makes children of the incidents whose every firing alert this
// cause explains: a parent whose evidence came late adopts them.
func (c *correlation) foldOthers(home *incident.Incident, cause incident.Diagnosis) {
	of := set(cause.Alerts)
	for _, inc := range c.active.holding(cause.Alerts) {
		if inc == home || c.folded[inc.ID] || c.stands(inc.Diagnosis.Cause) || c.settling(inc) || !c.explained(inc, of) {
			continue
		}
		c.folded[inc.ID] = true
		c.fact(home, incident.Event{Kind: incident.Adopted, ChildID: inc.ID})
		c.fact(inc, incident.Event{Kind: incident.Folded, ParentID: home.ID})
		for _, a := range inc.Alerts {
			if alive, ok := c.firing[a.Fingerprint]; a.Firing && ok {
				ref := refOf(alive)
				c.owner[a.Fingerprint], c.plan.moved[a.Fingerprint] = home, home.ID
				c.fact(home, incident.Event{Kind: incident.AlertJoined, Alert: &ref})
			}
		}
	}
}

// explained tells whether something of the incident fires, and all of it is
// among the alerts.
func (c *correlation) explained(inc *incident.Incident, of map[string]bool) bool {
	some := false
	for _, a := range inc.Alerts {
		if !a.Firing {
			continue
		}
		if !of[a.Fingerprint] {
			return false
		}
		some = true
	}
	return some
}

// opening makes the new incident of a cause, unless nothing of it fires.
func (c *correlation) opening(cause incident.Diagnosis) (opening, bool) {
	o := opening{id: c.newID(), diagnosis: cause}
	stale := c.rootQuieted(cause)
	for _, fp := range cause.Alerts {
		a, ok := c.firing[fp]
		if !ok || c.owner[fp] != nil || c.held[fp] {
			continue
		}
		why := c.quieted(cause, a)
		if why == "" && stale != "" { // its root keeps it: a check after that has had its say decides
			why, c.plan.hushed[fp] = stale, c.now
		}
		if why != "" {
			c.silenced[fp] = why
			continue
		}
		o.alerts = append(o.alerts, refOf(a))
	}
	if len(o.alerts) == 0 {
		return o, false
	}
	o.previous = c.active.proven[cause.Cause]
	return o, true
}

// followAlerts tells every incident what became of its alerts, and says when
// all of them are gone. An incident without alerts, reported by a person, is
// not recovered by their absence.
func (c *correlation) followAlerts() {
	for _, inc := range c.incidents {
		if !inc.Open() || inc.ParentID != "" || c.folded[inc.ID] {
			continue
		}
		firing, unknown := c.followOne(inc)
		joined := slices.ContainsFunc(c.plan.facts[inc.ID], func(e incident.Event) bool { return e.Kind == incident.AlertJoined })
		switch {
		case (firing || joined) && !inc.RecoveredAt.IsZero() && inc.State == incident.StateOpen:
			c.fact(inc, incident.Event{Kind: incident.RecoveryLost})
		case len(inc.Alerts) > 0 && !firing && !joined && !unknown && inc.RecoveredAt.IsZero() && inc.State == incident.StateOpen:
			c.fact(inc, incident.Event{Kind: incident.RecoverySeen})
		}
	}
}

// followOne reports whether any of the incident's alerts still fires, and
// whether any is unknown.
func (c *correlation) followOne(inc *incident.Incident) (firing, unknown bool) {
	for i := range inc.Alerts {
		if !inc.Alerts[i].Firing || c.left[inc.Alerts[i].Fingerprint] {
			continue
		}
		now, still := c.firing[inc.Alerts[i].Fingerprint]
		if still && now.Truth != truth.Unknown {
			firing = true
			continue
		}
		a := inc.Alerts[i]
		if !still {
			a.Firing, a.Unknown, a.ResolvedAt = false, false, c.now
			if k, ok := c.known[a.Fingerprint]; ok && !k.ResolvedAt.IsZero() {
				a.ResolvedAt = k.ResolvedAt
			}
			c.fact(inc, incident.Event{Kind: incident.AlertResolved, Alert: &a})
			continue
		}
		firing, unknown = true, true
		if !a.Unknown {
			a.Unknown = true
			c.fact(inc, incident.Event{Kind: incident.AlertUnknown, Alert: &a})
		}
	}
	return firing, unknown
}

func refOf(a *alert.Alert) incident.AlertRef {
	r := incident.AlertRef{Fingerprint: a.Fingerprint, Name: a.Name, Labels: a.Labels, Firing: true,
		Unknown: a.Truth == truth.Unknown, Since: a.ActiveAt, Times: 1,
		Element: a.Annotations["faultline_element"], Symptom: a.Annotations["faultline_symptom"]}
	r.Summary.ZH, r.Summary.EN = a.Annotations["summary_zh"], a.Annotations["summary_en"]
	if r.Summary.EN == "" {
		r.Summary.EN = a.Annotations["summary"]
	}
	return r
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}
