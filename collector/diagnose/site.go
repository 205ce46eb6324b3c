package diagnose

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/truth"
)

// site is what is known of one site; computed once per scene.
func (s *scene) site(id string) *siteFacts {
	if f := s.sites[id]; f != nil {
		return f
	}
	st, _ := s.graph.Site(id)
	f := &siteFacts{Kind: st.Kind, site: id, Agent: isNone, Router: isNone, Lines: isNone}
	s.sites[id] = f
	s.findRouters(f)
	s.sumLines(f)
	var bad []time.Time
	if f.Lines == isBad {
		bad = append(bad, f.since)
	}
	for _, a := range s.graph.AgentsOf(id) {
		bad = append(bad, s.agentState(a.ID, s.now).since)
	}
	var signs []evidence.Reading
	for _, r := range f.routers {
		signs = append(signs, s.signsOf(r)...)
		bad = append(bad, s.alertOr(sum(s.signsOf(r), time.Time{}), r, "silent").since)
	}
	f.since = latest(bad)
	router := sum(signs, f.since)
	for _, r := range f.routers {
		router = s.alertOr(router, r, "silent")
	}
	f.Router, f.Awaited = router.is, router.awaited
	for _, a := range s.graph.AgentsOf(id) {
		f.Agent = worseOf(f.Agent, s.agentState(a.ID, f.since).is)
	}
	f.Cut = (f.Router == isBad || f.Lines == isBad) && f.Router != isOK && f.Agent != isOK && f.Lines != isOK
	s.sumPower(f)
	s.sumReturn(f)
	return f
}

func (s *scene) findRouters(f *siteFacts) {
	for _, d := range s.graph.DevicesOf(f.site) {
		if d.Kind == "router" || slices.Contains(d.Roles, "gateway") {
			f.routers = append(f.routers, d.ID)
		}
	}
}

// sumLines joins the states of the site's lines; since is when the last died.
func (s *scene) sumLines(f *siteFacts) {
	var begun []time.Time
	for _, l := range s.graph.LinesOf(f.site) {
		f.lines = append(f.lines, l.ID)
		st := s.lineState(l.ID)
		f.Lines = worseOf(f.Lines, st.is)
		if st.is == isBad {
			begun = append(begun, st.since)
		}
	}
	f.LineCount = len(f.lines)
	if f.Lines == isBad {
		f.LinesAtOnce, f.since = within(begun, together), latest(begun)
	}
}

// runtime is how long a UPS that did not say lasts on battery, and slack what
// is added for the time between two polls.
const (
	runtime = 10 * time.Minute
	slack   = time.Minute
)

// sumPower reads the UPS: on battery now, or by its last word before the outage.
func (s *scene) sumPower(f *siteFacts) {
	for _, d := range s.graph.DevicesOf(f.site) {
		for _, r := range s.readings(evidence.UPS, d.ID, "") {
			last, at := r.Truth, r.At
			if last == truth.Unknown {
				last, at = r.Before, r.BeforeAt
			}
			if f.ups == "" || last == truth.Bad {
				f.ups = d.ID
			}
			if last != truth.Bad {
				continue
			}
			f.OnBattery = f.OnBattery || r.Truth == truth.Bad
			lasts := runtime
			if m, err := strconv.ParseFloat(r.Attrs["minutes"], 64); err == nil {
				lasts = time.Duration(m * float64(time.Minute))
			}
			f.BatteryBefore = f.BatteryBefore || f.since.Sub(at) <= lasts+slack
		}
		if _, fires := s.has(d.ID, "", "on_battery"); fires {
			f.OnBattery, f.ups = true, d.ID
		}
	}
	for _, a := range s.graph.AgentsOf(f.site) {
		for _, k := range s.view.Find(evidence.Key{Element: evidence.LastGasp, Vantage: a.ID}) {
			r := s.view.Get(k)
			reason := r.Attrs["reason"]
			if s.now.Sub(r.At) < runtime && (strings.Contains(reason, "battery") || strings.Contains(reason, "power")) {
				f.PowerGasp = true
			}
		}
	}
}

// sumReturn reads what tells the causes of a cut apart once the site is back:
// what was switched off began anew, what was only cut off did not.
func (s *scene) sumReturn(f *siteFacts) {
	f.RouterRestarted, f.OthersRestarted = isUnknown, isUnknown
	dead, silent := 0, false
	var begun time.Time
	mark := func(since time.Time, fires bool) {
		if fires && (begun.IsZero() || since.Before(begun)) {
			begun = since
		}
	}
	for _, l := range f.lines {
		since, fires := s.has(l, "", "dead")
		mark(since, fires)
		if fires {
			dead++
		}
	}
	for _, fa := range s.mute {
		// Its own agent's silence is what makes a site cut off; a site without
		// one is known by its router alone.
		if fa.agent != "" && s.graph.SiteOf(fa.agent) == f.site || f.Agent == isNone && slices.Contains(f.routers, fa.subject) {
			silent = true
			mark(fa.ActiveAt, true)
		}
	}
	f.WasCut = silent && dead == len(f.lines) && (dead > 0 || len(f.lines) == 0)
	if !f.WasCut {
		return
	}
	others, anew := 0, 0
	for _, d := range s.graph.DevicesOf(f.site) {
		was, known := s.restarted(d.ID, begun)
		switch {
		case !known:
		case slices.Contains(f.routers, d.ID):
			f.RouterRestarted = map[bool]string{true: isBad, false: isOK}[was]
		default:
			others++
			if was {
				anew++
			}
		}
	}
	if others > 0 {
		f.OthersRestarted = map[bool]string{true: isBad, false: isOK}[anew == others]
	}
}

// restarted tells whether a device began anew since onset; known only from a
// reading newer than that.
func (s *scene) restarted(device string, onset time.Time) (was, known bool) {
	for _, r := range s.readings(evidence.Restart, device, "") {
		if r.Truth == truth.Unknown || !r.At.After(onset) {
			continue
		}
		known = true
		was = was || r.Value > float64(onset.Add(-5*time.Second).Unix())
	}
	return was, known
}
