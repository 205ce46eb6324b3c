package diagnose

import (
	"cmp"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
)

// port is what is known of one port. Of several vantages the newest counts.
func (s *scene) port(p inventory.PortRef, onset time.Time) portFacts {
	f := portFacts{Oper: isNone, Admin: isUnknown, Far: isNone}
	var newest evidence.Reading
	for _, r := range s.readings(evidence.Port, p.Device, p.Name) {
		f.known = true
		f.Flapping = f.Flapping || r.Changes >= 4
		if newest.At.IsZero() || r.At.After(newest.At) {
			newest = r
		}
	}
	for _, a := range s.about[p.Device] {
		if a.element == evidence.Port && a.Component() == p.Name {
			f.Symptom.set(a.symptom)
			f.since = a.ActiveAt
		}
	}
	f.Flapping = f.Flapping || f.Symptom.Flapping
	if f.known {
		f.setNewest(newest, onset)
	}
	if to := s.graph.LeadsTo(p); to != "" {
		f.Carries = true
		f.Far = s.farState(to, latest([]time.Time{onset, f.since}))
	}
	return f
}

func (f *portFacts) setNewest(r evidence.Reading, onset time.Time) {
	st := sum([]evidence.Reading{r}, onset)
	f.Oper, f.Awaited = st.is, st.awaited
	if r.Truth == truth.Bad {
		f.since = r.Since
	}
	if r.Truth != truth.Unknown {
		f.Admin = map[string]string{"1": "up", "2": "down"}[r.Attrs["admin"]]
	}
	f.Admin = cmp.Or(f.Admin, isUnknown)
}

func (s *scene) farState(to string, onset time.Time) string {
	if _, ok := s.graph.Line(to); ok {
		return s.lineState(to).is
	}
	return sum(s.signsOf(to), onset).is
}

// knownDevice is what is known of one device, and since when it has been bad.
type knownDevice struct {
	facts deviceFacts
	onset time.Time
}

// device is what is known of one device; computed once per scene.
func (s *scene) device(d inventory.Device) (deviceFacts, time.Time) {
	k, ok := s.devices[d.ID]
	if !ok {
		k.facts, k.onset = s.newDevice(d)
		s.devices[d.ID] = k
	}
	return k.facts, k.onset
}

func (s *scene) newDevice(d inventory.Device) (deviceFacts, time.Time) {
	onset := s.onsetOf(d.ID)
	st := s.alertOr(sum(s.signsOf(d.ID), onset), d.ID, "silent")
	var probes []evidence.Reading
	for _, e := range []string{evidence.Device, evidence.WANRouter, evidence.Gateway} {
		probes = append(probes, s.readings(e, d.ID, "")...)
	}
	pr := sum(probes, onset)
	f := deviceFacts{Kind: d.Kind, Network: isNetwork(d.Kind), Facility: isFacility(d.Kind), State: st.is, Awaited: st.awaited,
		Probe: pr.is, SNMP: sum(s.readings(evidence.SNMP, d.ID, ""), onset).is, Agent: isNone}
	for _, a := range s.graph.AgentsOn(d.ID) {
		f.Agent = worseOf(f.Agent, s.agentState(a, onset).is)
	}
	f.Connection = s.connectionOf(d.ID)
	f.Steady = steady(probes, onset)
	for _, a := range s.graph.AgentsOn(d.ID) {
		if f.Agent == isBad {
			f.Steady = steady(probes, s.heard[a].Add(grace))
		}
	}
	for _, a := range s.about[d.ID] {
		f.Symptom.set(a.symptom)
	}
	f.Port = s.facing(d.ID, onset)
	f.Awaited = f.Awaited || f.Port.Awaited || pr.awaited
	f.Up = s.upstream(d.ID, onset)
	behind := s.graph.Dependents(d.ID)
	f.Behind = len(behind)
	for _, b := range behind {
		f.BehindOK = f.BehindOK || !onset.IsZero() && s.alive(b, onset)
	}
	return f, onset
}

// connectionOf is what became of the connection of the agents on a device: open
// while one of them keeps it, closed, or none.
func (s *scene) connectionOf(device string) string {
	is := isNone
	for _, a := range s.graph.AgentsOn(device) {
		for _, r := range s.readings(evidence.Agent, a, "") {
			switch r.Attrs["connected"] {
			case "1":
				return "open"
			case "0":
				is = "closed"
			}
		}
	}
	return is
}

// grace is what the clocks and polls of two observers may be apart.
const grace = 3 * time.Second

// steady tells whether one of the readings has been ok without a break from
// before the moment until after it.
func steady(rs []evidence.Reading, moment time.Time) bool {
	return slices.ContainsFunc(rs, func(r evidence.Reading) bool {
		return r.Truth == truth.OK && !r.Since.After(moment) && !r.At.Before(moment)
	})
}

// worseOf joins the states of several agents: one that lives is enough.
func worseOf(a, b string) string {
	order := []string{isNone, isUnknown, isBad, isOK}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// facing is the neighbour's port towards a device: a bad one first.
func (s *scene) facing(device string, onset time.Time) portFacts {
	best := portFacts{Oper: isNone, Admin: isUnknown, Far: isNone}
	for _, p := range s.graph.PortsTowards(device) {
		// Recursion ends here: only the port's own readings are asked.
		f := portFacts{Oper: isNone, Admin: isUnknown}
		for _, r := range s.readings(evidence.Port, p.Device, p.Name) {
			if !f.known || r.At.After(f.since) {
				f.setNewest(r, onset)
				f.since = r.At
			}
			f.known = true
			f.Flapping = f.Flapping || r.Changes >= 4
		}
		for _, a := range s.about[p.Device] {
			if a.element == evidence.Port && a.Component() == p.Name {
				f.Symptom.set(a.symptom)
				f.Flapping = f.Flapping || a.symptom == "flapping"
			}
		}
		if f.known && (!best.known || f.Oper == isBad && best.Oper != isBad) {
			best = f
		}
	}
	return best
}

// upstream is the state of what is next on the way to a device.
func (s *scene) upstream(id string, onset time.Time) string {
	is := isNone
	for _, p := range s.graph.Parents(id) {
		var st state
		if _, ok := s.graph.Line(p); ok {
			st = s.lineState(p)
		} else {
			st = sum(s.signsOf(p), onset)
		}
		is = worseOf(is, st.is)
	}
	return is
}

// line is what is known of one line.
func (s *scene) line(l inventory.Line) (lineFacts, time.Time) {
	st := s.lineState(l.ID)
	f := lineFacts{Dead: st.is == isBad, Latest: true, Others: isNone}
	for _, a := range s.about[l.ID] {
		f.Symptom.set(a.symptom)
	}
	near, far := s.endState(l.AEnd, st.since), s.endState(l.BEnd, st.since)
	f.Near, f.Far = near.is, far.is
	f.Steady = l.BEnd.Device != "" && steady(s.signsOf(l.BEnd.Device), st.since)
	for _, r := range s.site(l.Site).routers {
		f.Steady = f.Steady || steady(s.signsOf(r), st.since)
	}
	f.APort = s.port(portOf(l.AEnd.Device, l.AEnd.Interface), st.since)
	f.BPort = s.port(portOf(l.BEnd.Device, l.BEnd.Interface), st.since)
	// A port's reading comes with its device's next answer, unless that is silent.
	f.Awaited = near.awaited || far.awaited || f.APort.Awaited && near.is != isBad || f.BPort.Awaited && far.is != isBad
	for _, o := range s.graph.LinesOf(l.Site) {
		if o.ID == l.ID {
			continue
		}
		other := s.lineState(o.ID)
		f.Steady = f.Steady || other.is == isOK && steady(s.readings(evidence.Line, o.ID, ""), st.since)
		if other.is == isOK {
			fresh := sum(s.readings(evidence.Line, o.ID, ""), st.since)
			other.is, f.Awaited = fresh.is, f.Awaited || fresh.awaited
		}
		f.Others = worseOf(f.Others, other.is)
		f.Latest = f.Latest && !other.since.After(st.since)
	}
	if back := s.returnsOver(l); back != "" {
		f.ReturnsElsewhere = true
		f.ByReturn = s.noWorse(l.ID, back)
	}
	return f, st.since
}

// returnsOver is the other line of the site over which answers to tests of this
// one come back: who is asked across a second line answers by the way he prefers,
// the first that lives. It is "" for the preferred line itself.
func (s *scene) returnsOver(l inventory.Line) string {
	for _, o := range s.graph.LinesOf(l.Site) {
		if s.lineState(o.ID).is == isBad {
			continue
		}
		if o.ID == l.ID {
			return ""
		}
		return o.ID
	}
	return ""
}

// tolerance is by how much a line may measure worse than the one its answers come
// back over and still owe that to it: two short tests of one loss differ so.
const tolerance = 1.25

// noWorse tells whether what fires about a line's quality fires about the other
// line too, and no less there.
func (s *scene) noWorse(line, other string) bool {
	found := false
	for _, a := range s.about[line] {
		if a.symptom != "lossy" && a.symptom != "slow" && a.symptom != "large_lost" {
			continue
		}
		if !slices.ContainsFunc(s.about[other], func(b *fact) bool {
			return b.Name == a.Name && a.Value <= tolerance*b.Value || a.symptom != "lossy" && b.symptom == "lossy"
		}) {
			return false
		}
		found = true
	}
	return found
}

func (s *scene) endState(e inventory.End, onset time.Time) state {
	if e.Device == "" {
		return state{is: isNone}
	}
	return s.alertOr(sum(s.signsOf(e.Device), onset), e.Device, "silent")
}
