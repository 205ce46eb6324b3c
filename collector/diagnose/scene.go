package diagnose

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
)

// symptoms are the words by which alerts say what is wrong (the annotation
// faultline_symptom). Rules explain symptoms, never alerts by name.
var symptoms = slices.Sorted(maps.Keys(symptomFields))

// fact is one firing alert as diagnosis reads it.
type fact struct {
	alert.Alert
	symptom string
	element string
	subject string // device, line or the host of an agent
	agent   string // the silent agent, when it is about one
	site    string // where that is
	past    bool   // its condition is gone, or its site is coming back: no ground for a new finding
	place   int    // in scene.alerts
}

// An outage that lasted at least outage leaves its last alerts behind when it
// ends; for the time of aftermath they say nothing new.
const (
	outage    = 8 * time.Second
	aftermath = 20 * time.Second
)

// together is how far apart faults may begin and still have one cause.
const together = time.Minute

// scene is everything one call of Causes works on.
type scene struct {
	view     evidence.View
	graph    *inventory.Graph
	inv      *inventory.Inventory
	now      time.Time
	holdOff  time.Duration
	alerts   []*fact              // in order of fingerprint
	about    map[string][]*fact   // by subject, so in order; so with those below
	at       map[string][]*fact   // by site
	from     map[string][]*fact   // by the site that saw something of another
	onLines  []*fact              // about lines
	mute     []*fact              // of what is silent or mute
	seen     map[string]time.Time // by agent: its newest measurement that still counts
	heard    map[string]time.Time // by agent: its newest measurement ever
	sites    map[string]*siteFacts
	devices  map[string]knownDevice
	whole    *companyFacts
	elements *evidence.Elements
}

func newScene(in Input, elements *evidence.Elements) *scene {
	s := &scene{elements: elements, view: in.View, inv: in.Inventory, now: in.Now, holdOff: cmp.Or(in.HoldOff, HoldOff),
		about: map[string][]*fact{}, at: map[string][]*fact{}, from: map[string][]*fact{}, seen: map[string]time.Time{}, heard: map[string]time.Time{}, sites: map[string]*siteFacts{}, devices: map[string]knownDevice{}}
	for _, a := range in.Firing {
		if a.Severity() != "info" {
			s.alerts = append(s.alerts, factOf(a))
		}
	}
	if len(s.alerts) == 0 {
		return s
	}
	if s.graph = in.Graph; s.graph == nil || s.graph.Inventory() != in.Inventory {
		s.graph = inventory.NewGraph(in.Inventory)
	}
	slices.SortFunc(s.alerts, func(a, b *fact) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	for _, f := range s.alerts {
		if f.agent != "" {
			if host := s.hostOf(f.agent); host != "" {
				f.subject = host
			}
		}
	}
	s.arrange()
	s.readAll()
	return s
}

// readAll looks once at every reading: when each agent was last heard, and which
// sites are coming back.
func (s *scene) readAll() {
	back := map[string]time.Time{}
	for _, k := range s.view.Find(evidence.Key{}) {
		r := s.view.Get(k)
		if k.Element != evidence.Agent && k.Vantage != "" { // the collector's own word about an agent is no sign of its life
			if r.Truth != truth.Unknown && r.At.After(s.seen[k.Vantage]) {
				s.seen[k.Vantage] = r.At
			}
			if r.At.After(s.heard[k.Vantage]) {
				s.heard[k.Vantage] = r.At
			}
		}
		returned := r.Truth == truth.OK && r.Before == truth.Bad && r.Changes < 4 && r.Since.Sub(r.BeforeSince) >= outage
		site := s.graph.SiteOf(k.Subject)
		if returned && slices.Contains(signsOfReturn, k.Element) && s.now.Sub(r.Since) < aftermath && r.Since.After(back[site]) {
			back[site] = r.Since
		}
	}
	for _, f := range s.alerts {
		f.past = f.Truth == truth.OK || f.FiredAt.Before(back[f.site])
	}
}

// signsOfReturn are the elements by which something that was out of reach is
// seen to be back.
var signsOfReturn = []string{evidence.Agent, evidence.Gateway, evidence.WANRouter, evidence.Line, evidence.Device, evidence.SNMP}

func factOf(a alert.Alert) *fact {
	f := &fact{Alert: a, symptom: a.Annotations["faultline_symptom"], element: a.Annotations["faultline_element"], subject: a.Device()}
	if _, known := symptomFields[f.symptom]; !known {
		f.symptom = "other"
	}
	if f.element == evidence.Agent {
		f.agent = a.Labels["agent"]
		f.subject = cmp.Or(f.subject, f.agent)
	}
	return f
}

// hostOf returns the device an agent runs on, or "".
func (s *scene) hostOf(agent string) string {
	a, _ := s.graph.Agent(agent)
	return a.Device
}

// has tells whether an alert with the symptom fires about the subject, and
// since when its condition has held.
func (s *scene) has(subject, component string, want ...string) (since time.Time, ok bool) {
	for _, f := range s.about[subject] {
		if slices.Contains(want, f.symptom) && (component == "" || f.Component() == component) {
			if !ok || f.ActiveAt.After(since) {
				since, ok = f.ActiveAt, true
			}
		}
	}
	return since, ok
}

// readings returns the readings of an element of a subject, whole or by part.
func (s *scene) readings(element, subject, component string) []evidence.Reading {
	var out []evidence.Reading
	for _, k := range s.view.Find(evidence.Key{Element: element, Subject: subject, Component: component}) {
		out = append(out, s.view.Get(k))
	}
	return out
}

// The three values as conditions write them, and none for what is not there.
const (
	isOK      = "ok"
	isBad     = "bad"
	isUnknown = "unknown"
	isNone    = "none"
)

// state is what is known of one thing from some moment on.
type state struct {
	is      string
	awaited bool      // it was ok before that moment and is looked at again soon
	since   time.Time // of the newest bad reading
}

// sum reads a set of readings as one state. An ok reading counts only when it is
// newer than onset: what was seen before the outage says nothing about it. Any
// sign of life since then outweighs silence elsewhere.
func sum(rs []evidence.Reading, onset time.Time) state {
	st := state{is: isUnknown}
	if len(rs) == 0 {
		return state{is: isNone}
	}
	for _, r := range rs {
		switch {
		case r.Truth == truth.OK && r.At.Before(onset):
			st.awaited = true
		case r.Truth == truth.OK:
			st.is = isOK
		case r.Truth == truth.Bad:
			if r.Since.After(st.since) {
				st.since = r.Since
			}
			if st.is != isOK {
				st.is = isBad
			}
		}
	}
	if st.is == isOK {
		st.awaited = false
	}
	return st
}

// lifeSigns are the elements by which a device shows that it lives.
var lifeSigns = []string{evidence.Device, evidence.SNMP, evidence.WANRouter, evidence.Gateway}

// signsOf returns all readings that tell whether a device lives: its own, those
// of services on it, and of lines whose far end it is.
func (s *scene) signsOf(device string) []evidence.Reading {
	var out []evidence.Reading
	for _, e := range lifeSigns {
		out = append(out, s.readings(e, device, "")...)
	}
	for _, e := range []string{evidence.Service, evidence.Database} {
		for _, r := range s.readings(e, device, "") {
			if r.Truth == truth.OK { // a service that answers proves its host; one that does not proves nothing
				out = append(out, r)
			}
		}
	}
	for _, l := range s.graph.LinesTo(device) {
		for _, r := range s.readings(evidence.Line, l, "") {
			if r.Truth == truth.OK {
				out = append(out, r)
			}
		}
	}
	return out
}

// alive tells whether a device shows life since onset: it answers, or an agent
// on it measures.
func (s *scene) alive(device string, onset time.Time) bool {
	for _, a := range s.graph.AgentsOn(device) {
		if at, ok := s.seen[a]; ok && !at.Before(onset) {
			return true
		}
	}
	return sum(s.signsOf(device), onset).is == isOK
}

// alertOr turns a state bad while an alert about it fires: what was found stays
// found until the alert has resolved, unless it is known to be well again.
func (s *scene) alertOr(st state, subject string, want ...string) state {
	since, fires := s.has(subject, "", want...)
	if fires && st.is != isOK && st.is != isBad {
		st.is = isBad
	}
	if fires && since.After(st.since) {
		st.since = since
	}
	return st
}

// onsetOf returns since when a device has been silent by its newest bad reading
// or alert; zero when nothing says so.
func (s *scene) onsetOf(device string) time.Time {
	st := s.alertOr(sum(s.signsOf(device), time.Time{}), device, "silent")
	for _, a := range s.graph.AgentsOn(device) {
		if ag := sum(s.readings(evidence.Agent, a, ""), time.Time{}); ag.is == isBad && ag.since.After(st.since) {
			st.since = ag.since
		}
	}
	return st.since
}

// agentState tells whether an agent lives since onset: only a measurement newer
// than that proves life; an open connection does not.
func (s *scene) agentState(agent string, onset time.Time) state {
	if at, ok := s.seen[agent]; ok && !at.Before(onset) {
		return state{is: isOK}
	}
	rs := s.readings(evidence.Agent, agent, "")
	if len(rs) == 0 {
		return state{is: isNone}
	}
	st := state{is: isUnknown}
	for _, r := range rs {
		if r.Truth == truth.Bad {
			st = state{is: isBad, since: r.Since}
		}
	}
	for _, f := range s.mute {
		if f.agent == agent && f.symptom == "silent" && st.is == isUnknown {
			st = state{is: isBad, since: f.ActiveAt}
		}
	}
	return st
}
