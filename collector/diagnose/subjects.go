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
		if f.site != "" {
			set[f.site] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func (s *scene) siteOf(f *fact) string {
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
	refs := map[inventory.PortRef]bool{}
	for _, f := range s.alerts {
		if f.element == evidence.Port && f.Component() != "" {
			refs[portOf(f.subject, f.Component())] = true
		}
	}
	for _, id := range s.concerned() {
		for _, d := range s.graph.DevicesOf(id) {
			for _, p := range s.graph.PortsTowards(d.ID) {
				refs[p] = true
			}
		}
		for _, l := range s.graph.LinesOf(id) {
			for _, p := range s.graph.PortsTowards(l.ID) {
				refs[p] = true
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(refs), func(a, b inventory.PortRef) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Name, b.Name))
	})
	return each(keys, func(p inventory.PortRef) subject {
		d, _ := s.graph.Device(p.Device)
		df, _ := s.device(d)
		pf := s.port(p, time.Time{})
		site := s.site(d.Site)
		return subject{env: portEnv{theValues, pf, df, *site}, name: p.Device, component: p.Name, site: d.Site, onset: pf.since, facts: site}
	})
}

func (s *scene) alertSubjects() []subject {
	out := make([]subject, len(s.alerts))
	for i, f := range s.alerts {
		d, known := s.graph.Device(f.subject)
		_, onLine := s.graph.Line(f.subject)
		var df deviceFacts
		if known {
			df, _ = s.device(d)
		}
		site := s.site(f.site)
		af := alertFacts{Element: f.element, OnLine: onLine, Known: known || onLine, Component: f.Component(), Elsewhere: s.elsewhere(f)}
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
	for _, k := range s.view.Find(evidence.Key{Element: evidence.Line, Subject: id}) {
		r := s.view.Get(k)
		switch {
		case r.Truth == truth.Bad && s.shutIn(k.Vantage, id, r.At):
			if st.is == isNone {
				st.is = isUnknown
			}
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

// shutIn tells whether an agent of the line's own site had no way out of its LAN
// when it tested the line: its gateway was silent then, so it knows nothing of
// what is behind.
func (s *scene) shutIn(agent, line string, at time.Time) bool {
	l, _ := s.graph.Line(line)
	a, known := s.graph.Agent(agent)
	if !known || a.Site != l.Site {
		return false
	}
	for _, k := range s.view.Find(evidence.Key{Element: evidence.Gateway, Vantage: agent}) {
		r := s.view.Get(k)
		if r.Truth == truth.Bad || r.Truth == truth.OK && r.Before == truth.Bad && !at.After(r.Since.Add(grace)) && !at.Before(r.BeforeSince.Add(-grace)) {
			return true
		}
	}
	return false
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
