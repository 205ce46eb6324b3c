package diagnose

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
)

// moment is a time that facts carry for us and conditions cannot see.
type moment = time.Time

// subject is one thing a hypothesis is tried on.
type subject struct {
	env       any
	name      string // of the device, line, site or carrier
	component string // of a port or alert
	site      string
	onset     time.Time
	facts     *siteFacts
	fact      *fact // the alert, in scope alert
}

// subjects returns what hypotheses of a scope are tried on: whatever alerts
// that fire could have their root in.
func (s *scene) subjects(scope string) []subject {
	switch scope {
	case "company":
		return []subject{{env: companyEnv{theValues, s.company()}, name: "company", site: s.headOffice()}}
	case "carrier":
		return s.carriers()
	case "site":
		return each(s.concerned(), func(id string) subject {
			f := s.site(id)
			return subject{env: siteEnv{theValues, *f, s.company()}, name: id, site: id, onset: f.since, facts: f}
		})
	case "line":
		return s.lineSubjects()
	case "device":
		return s.deviceSubjects()
	case "port":
		return s.portSubjects()
	default:
		return s.alertSubjects()
	}
}

func each[T, U any](in []T, f func(T) U) []U {
	out := make([]U, len(in))
	for i, x := range in {
		out[i] = f(x)
	}
	return out
}

// concerned returns the sites that alerts fire about.
func (s *scene) concerned() []string {
	set := map[string]bool{}
	for _, f := range s.alerts {
		if site := s.siteOf(f); site != "" {
			set[site] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (s *scene) siteOf(f fact) string {
	return cmp.Or(s.graph.SiteOf(f.subject), s.graph.SiteOf(f.Site()), f.Site())
}

func (s *scene) headOffice() string {
	for _, st := range s.inv.Sites {
		if st.Kind == "hq" {
			return st.ID
		}
	}
	return ""
}

func (s *scene) lineSubjects() []subject {
	var out []subject
	for _, id := range s.concerned() {
		for _, l := range s.graph.LinesOf(id) {
			if len(s.about[l.ID]) > 0 || s.lineState(l.ID).is == isBad {
				f, onset := s.line(l)
				site := s.site(id)
				out = append(out, subject{env: lineEnv{theValues, f, *site, s.company()}, name: l.ID, site: id, onset: onset, facts: site})
			}
		}
	}
	return out
}

// deviceSubjects are the devices of the sites concerned and of head office.
func (s *scene) deviceSubjects() []subject {
	sites := s.concerned()
	if hq := s.headOffice(); hq != "" && !slices.Contains(sites, hq) {
		sites = append(sites, hq)
	}
	var out []subject
	for _, id := range sites {
		site := s.site(id)
		for _, d := range s.graph.DevicesOf(id) {
			f, onset := s.device(d)
			out = append(out, subject{env: deviceEnv{theValues, f, *site, s.company()}, name: d.ID, site: id, onset: onset, facts: site})
		}
	}
	return out
}

// portSubjects are the ports that alerts fire about and those that lead to
// something known.
func (s *scene) portSubjects() []subject {
	refs := map[portRef]bool{}
	for _, f := range s.alerts {
		if f.element == evidence.Port && f.Component() != "" {
			refs[portRef{f.subject, f.Component()}] = true
		}
	}
	for _, id := range s.concerned() {
		for _, d := range s.graph.DevicesOf(id) {
			for _, p := range s.ports(d.ID) {
				refs[p] = true
			}
		}
		for _, l := range s.graph.LinesOf(id) {
			for _, p := range s.ports(l.ID) {
				refs[p] = true
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(refs), func(a, b portRef) int {
		return cmp.Or(strings.Compare(a.device, b.device), strings.Compare(a.name, b.name))
	})
	return each(keys, func(p portRef) subject {
		d, _ := s.graph.Device(p.device)
		df, _ := s.device(d)
		pf := s.port(p, time.Time{})
		site := s.site(d.Site)
		return subject{env: portEnv{theValues, pf, df, *site}, name: p.device, component: p.name, site: d.Site, onset: pf.since, facts: site}
	})
}

func (s *scene) alertSubjects() []subject {
	out := make([]subject, len(s.alerts))
	for i := range s.alerts {
		f := &s.alerts[i]
		d, known := s.graph.Device(f.subject)
		_, onLine := s.graph.Line(f.subject)
		var df deviceFacts
		if known {
			df, _ = s.device(d)
		}
		site := s.site(s.siteOf(*f))
		af := alertFacts{Element: f.element, OnLine: onLine, Known: known || onLine, Component: f.Component()}
		af.Symptom.set(f.symptom)
		out[i] = subject{env: alertEnv{theValues, af, df, *site}, name: cmp.Or(f.subject, f.Site()), component: f.Component(),
			site: site.site, onset: f.ActiveAt, facts: site, fact: f}
	}
	return out
}

func (s *scene) carriers() []subject {
	var out []subject
	for _, v := range s.inv.Vendors {
		if v.Kind != "carrier" {
			continue
		}
		f, sites := carrierFacts{}, map[string]bool{}
		var begun []time.Time
		for _, l := range s.inv.Lines {
			st := s.lineState(l.ID)
			switch {
			case st.is != isBad:
			case l.Carrier == v.ID:
				f.DeadLines++
				sites[l.Site] = true
				begun = append(begun, st.since)
			default:
				f.OthersBad = true
			}
		}
		f.DeadSites, f.AtOnce = len(sites), within(begun, together)
		onset := latest(begun)
		out = append(out, subject{env: carrierEnv{theValues, f, s.company()}, name: v.ID, site: s.headOffice(), onset: onset})
	}
	return out
}

// within tells whether all moments lie within d of each other.
func within(ts []time.Time, d time.Duration) bool {
	if len(ts) == 0 {
		return false
	}
	return latest(ts).Sub(slices.MinFunc(ts, time.Time.Compare)) <= d
}

func latest(ts []time.Time) time.Time {
	if len(ts) == 0 {
		return time.Time{}
	}
	return slices.MaxFunc(ts, time.Time.Compare)
}

// lineState is bad as soon as one vantage finds the line dead: the last good
// reading of the side that is cut off ages, but says nothing any more.
func (s *scene) lineState(id string) state {
	st := state{is: isNone}
	for _, r := range s.readings(evidence.Line, id, "") {
		switch {
		case r.Truth == truth.Bad:
			st.is = isBad
			st.since = latest([]time.Time{st.since, r.Since})
		case r.Truth == truth.OK && st.is != isBad:
			st.is = isOK
		case st.is == isNone:
			st.is = isUnknown
		}
	}
	if since, fires := s.has(id, "", "dead"); fires && st.is != isBad {
		st.is, st.since = isBad, since
	}
	return st
}

// company sums up all branches.
func (s *scene) company() companyFacts {
	if s.whole != nil {
		return *s.whole
	}
	f := companyFacts{}
	var begun []time.Time
	for _, site := range s.inv.Sites {
		if site.Kind == "hq" {
			continue
		}
		sf := s.site(site.ID)
		if sf.Agent != isNone || sf.Router != isNone || sf.Lines != isNone {
			f.Sites++
		}
		if sf.Cut {
			f.Cut++
			begun = append(begun, sf.since)
		}
	}
	f.AtOnce = within(begun, together)
	f.Core, f.Awaited, f.CoreBad = s.core(latest(begun))
	s.whole = &f
	return f
}

// core is the state of head office's own network devices, and the bad one on
// which most depends.
func (s *scene) core(onset time.Time) (is string, awaited bool, worst string) {
	is, most := isNone, -1
	for _, d := range s.graph.DevicesOf(s.headOffice()) {
		if !isNetwork(d.Kind) {
			continue
		}
		st := s.alertOr(sum(s.signsOf(d.ID), onset), d.ID, "silent")
		awaited = awaited || st.awaited
		switch {
		case st.is == isBad:
			is = isBad
			if n := len(s.graph.Dependents(d.ID)); n > most {
				worst, most = d.ID, n
			}
		case st.is == isNone || is == isBad:
		case st.is == isUnknown || is == isNone:
			is = st.is
		}
	}
	return is, awaited, worst
}

func isNetwork(kind string) bool {
	return kind == "router" || kind == "switch" || kind == "firewall"
}

func isFacility(kind string) bool {
	return slices.Contains([]string{"ups", "environment", "cooling", "pdu"}, kind)
}

// port is what is known of one port. Of several vantages the newest counts.
func (s *scene) port(p portRef, onset time.Time) portFacts {
	f := portFacts{Oper: isNone, Admin: isUnknown, Far: isNone, ref: p}
	var newest evidence.Reading
	for _, r := range s.readings(evidence.Port, p.device, p.name) {
		f.known = true
		f.Flapping = f.Flapping || r.Changes >= 4
		if newest.At.IsZero() || r.At.After(newest.At) {
			newest = r
		}
	}
	for _, a := range s.about[p.device] {
		if a.element == evidence.Port && a.Component() == p.name {
			f.Symptom.set(a.symptom)
			f.since = a.ActiveAt
		}
	}
	f.Flapping = f.Flapping || f.Symptom.Flapping
	if f.known {
		f.setNewest(newest, onset)
	}
	if to := s.leadsTo(p); to != "" {
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
	for _, a := range s.agentsOn(d.ID) {
		f.Agent = worseOf(f.Agent, s.agentState(a, onset).is)
	}
	f.Steady = steady(probes, onset)
	for _, a := range s.agentsOn(d.ID) {
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
	for _, p := range s.ports(device) {
		// Recursion ends here: only the port's own readings are asked.
		f := portFacts{Oper: isNone, Admin: isUnknown, ref: p}
		for _, r := range s.readings(evidence.Port, p.device, p.name) {
			if !f.known || r.At.After(f.since) {
				f.setNewest(r, onset)
				f.since = r.At
			}
			f.known = true
			f.Flapping = f.Flapping || r.Changes >= 4
		}
		for _, a := range s.about[p.device] {
			if a.element == evidence.Port && a.Component() == p.name {
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
	f.APort = s.port(portRef{l.AEnd.Device, l.AEnd.Interface}, st.since)
	f.BPort = s.port(portRef{l.BEnd.Device, l.BEnd.Interface}, st.since)
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
	return f, st.since
}

func (s *scene) endState(e inventory.End, onset time.Time) state {
	if e.Device == "" {
		return state{is: isNone}
	}
	return s.alertOr(sum(s.signsOf(e.Device), onset), e.Device, "silent")
}
