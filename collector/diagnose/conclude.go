package diagnose

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
)

// mostEvidence bounds how many observations a proof shows.
const mostEvidence = 16

// phrase is what titles, proofs and recovery queries may name.
type phrase struct {
	Device    string // inventory name of the root
	Name      string // its name in the text's language
	Component string
	Site      string // inventory id
	SiteName  string
	Circuit   string
	Carrier   string
	For       string // how long it has lasted
	Count     int    // things affected
	Value     string // of the first alert
	Minutes   string // runtime the UPS last told
	Element   string // of the first alert
	Lines     string // lines that are down with the root, as a regular expression inside a PromQL string
	From      string // the site whose agent saw the first alert
	Busiest   string // processes that use the host's processors most, "" when not told
	Largest   string // processes that hold most of its memory, "" when not told
}

// conclude states a candidate as a diagnosis.
func (r *Rules) conclude(s *scene, c *candidate) incident.Diagnosis {
	rule := c.rule
	slices.SortFunc(c.explained, func(a, b *fact) int { return cmp.Compare(a.place, b.place) })
	d := incident.Diagnosis{Cause: c.cause, Class: rule.Class, Site: c.root.site, Device: c.root.device, Component: c.root.component,
		Process: rule.Process, VendorKind: rule.VendorKind, Severity: cmp.Or(rule.Severity, worst(c.explained)),
		Provisional: rule.Provisional, Decides: rule.Decides, Rule: rule.ID, Rank: rule.Rank, RunnerUp: rule.RunnerUp, Against: rule.Against}
	if l, ok := s.graph.Line(c.root.device); ok {
		d.Circuit = l.Circuit
	}
	for _, f := range c.explained {
		d.Alerts = append(d.Alerts, f.Fingerprint)
	}
	d.Affected = s.affected(rule, c.root, c.onset)
	d.Evidence = s.observations(rule, c)
	zh, en := s.phrase(c, d, lang.ZH), s.phrase(c, d, lang.EN)
	d.Title = lang.Text{ZH: say(rule.texts["title.zh"], zh), EN: say(rule.texts["title.en"], en)}
	d.Proof = proof(rule, zh, en, d.Evidence)
	d.Recovery = say(rule.texts["recovery"], en)
	return d
}

// say fills a template that was checked at load.
func say(t *template.Template, p phrase) string {
	var b strings.Builder
	if err := t.Execute(&b, p); err != nil {
		panic(fmt.Sprintf("template %s checked at load failed: %v", t.Name(), err))
	}
	return strings.TrimSpace(b.String())
}

func worst(facts []*fact) string {
	order := []string{incident.SeverityMinor, incident.SeverityMajor, incident.SeverityCritical}
	w := 0
	for _, f := range facts {
		w = max(w, slices.Index(order, f.Severity()))
	}
	return order[w]
}

func (s *scene) phrase(c *candidate, d incident.Diagnosis, language string) phrase {
	p := phrase{Device: d.Device, Name: s.nameOf(d.Device, language), Component: d.Component, Site: d.Site,
		SiteName: s.nameOf("site:"+d.Site, language), Circuit: d.Circuit, Count: len(d.Affected)}
	p.For = duration(s.now.Sub(c.began()), language)
	if l, ok := s.graph.Line(d.Device); ok {
		p.Carrier = s.nameOf(l.Carrier, language)
	}
	p.Lines = s.linesDown(c.root)
	first := c.explained[0]
	if c.root.fact != nil {
		first = c.root.fact
	}
	p.Value, p.Element, p.From = strconv.FormatFloat(first.Value, 'g', 4, 64), first.element, s.nameOf("site:"+first.Site(), language)
	if p.Element == "F" {
		p.Busiest, p.Largest = s.consumers(d.Device)
	}
	for _, r := range s.readings(evidence.UPS, d.Device, "") {
		p.Minutes = cmp.Or(r.Attrs["minutes"], p.Minutes)
	}
	return p
}

// linesDown names the lines among what is down with a root, for a query's label
// matcher; all lines of a carrier when none of them is known to be down.
func (s *scene) linesDown(r root) string {
	var out []string
	add := func(id string) { out = append(out, strings.ReplaceAll(regexp.QuoteMeta(id), `\`, `\\`)) }
	for _, id := range r.down {
		if _, ok := s.graph.Line(id); ok {
			add(id)
		}
	}
	if len(out) == 0 {
		for _, l := range s.graph.LinesOfCarrier(r.device) {
			add(l.ID)
		}
	}
	return strings.Join(out, "|")
}

// began is when the cause showed first: its onset, or that of its first alert.
func (c *candidate) began() time.Time {
	at := c.onset
	for _, f := range c.explained {
		if at.IsZero() || c.onset.IsZero() && f.ActiveAt.Before(at) {
			at = f.ActiveAt
		}
	}
	return at
}

// nameOf returns what people call a thing, or its inventory name.
func (s *scene) nameOf(id, language string) string {
	var name lang.Text
	if d, ok := s.graph.Device(id); ok {
		name = d.Name
	} else if l, ok := s.graph.Line(id); ok {
		name = l.Name
	} else if v, ok := s.graph.Vendor(id); ok {
		name = v.Name
	} else if st, ok := s.graph.Site(strings.TrimPrefix(id, "site:")); ok {
		name = st.Name
	}
	return cmp.Or(name.In(language), strings.TrimPrefix(id, "site:"))
}

// duration says a length of time in the largest unit that fits.
func duration(d time.Duration, language string) string {
	zh := strings.HasPrefix(language, "zh")
	for _, u := range []struct {
		unit   time.Duration
		zh, en string
	}{{24 * time.Hour, "天", "d"}, {time.Hour, "小时", "h"}, {time.Minute, "分钟", "min"}} {
		if d >= 2*u.unit || d >= u.unit && u.unit > time.Minute {
			if zh {
				return fmt.Sprintf("%d %s", d/u.unit, u.zh)
			}
			return fmt.Sprintf("%d %s", d/u.unit, u.en)
		}
	}
	sec := max(0, int64(d/time.Second))
	if zh {
		return fmt.Sprintf("%d 秒", sec)
	}
	return fmt.Sprintf("%d s", sec)
}

// observations are the readings a rule cites, about the root first and then
// about its site, each in words.
func (s *scene) observations(rule *Rule, c *candidate) []incident.Observation {
	var out []incident.Observation
	type sight struct {
		element, subject, component string
		truth                       truth.Truth
	}
	done := map[sight]bool{} // two observers who saw the same are one observation
	for _, element := range rule.Cite {
		for _, subject := range s.citable(c.root, element) {
			for _, k := range s.view.Find(evidence.Key{Element: element, Subject: subject}) {
				r := s.view.Get(k)
				saw := sight{k.Element, k.Subject, k.Component, r.Truth}
				if done[saw] || r.At.IsZero() || len(out) >= mostEvidence || !s.telling(c.root, k) {
					continue
				}
				done[saw] = true
				out = append(out, s.observe(k, r, c.onset))
			}
		}
	}
	return out
}

// citable are the subjects whose readings of an element bear on a root.
func (s *scene) citable(r root, element string) []string {
	out := append([]string{r.device}, r.down...)
	if r.fact != nil {
		out = append(out, r.fact.subject)
	}
	for _, id := range slices.Clone(out) {
		for _, p := range s.graph.PortsTowards(id) {
			out = append(out, p.Device)
		}
		out = append(out, s.graph.AgentsOn(id)...)
	}
	f := s.site(r.site)
	out = append(append(out, f.routers...), f.lines...)
	if f.ups != "" && element == evidence.UPS {
		out = append(out, f.ups)
	}
	for _, a := range s.graph.AgentsOf(r.site) {
		out = append(out, a.ID)
	}
	return out
}

// telling leaves out the ports that have nothing to do with the root.
func (s *scene) telling(r root, k evidence.Key) bool {
	if k.Element != evidence.Port {
		return true
	}
	to := s.graph.LeadsTo(portOf(k.Subject, k.Component))
	return to != "" && (to == r.device || slices.Contains(r.down, to)) || k.Subject == r.device && k.Component == r.component
}

func (s *scene) observe(k evidence.Key, r evidence.Reading, onset time.Time) incident.Observation {
	last := !onset.IsZero() && r.At.Before(onset)
	t, v := r.Truth, r.Value
	if t == truth.Unknown && r.Before != truth.Unknown {
		t, last = r.Before, true
	}
	subject := k.Subject
	if k.Component != "" {
		subject += ":" + k.Component
	}
	o := incident.Observation{Element: k.Element, Subject: subject, Vantage: k.Vantage, Truth: t.String(), Value: &v,
		Unit: r.Attrs["unit"], At: r.At, Since: r.Since, Last: last}
	o.Text = lang.Text{ZH: s.words(k, r, t, last, lang.ZH), EN: s.words(k, r, t, last, lang.EN)}
	return o
}

// words says one reading with its age.
func (s *scene) words(k evidence.Key, r evidence.Reading, t truth.Truth, last bool, language string) string {
	w := s.elements.Words(k.Element).Of(t)
	name := s.nameOf(k.Subject, language)
	text := strings.NewReplacer("{subject}", name, "{component}", k.Component, "{value}", strconv.FormatFloat(r.Value, 'g', 4, 64),
		"{minutes}", cmp.Or(r.Attrs["minutes"], "?"), "{for}", duration(s.now.Sub(r.Since), language),
		"{admin}", map[string]string{"1": "up", "2": "down"}[r.Attrs["admin"]]).Replace(w.In(language))
	age := duration(s.now.Sub(r.At), language)
	switch zh := strings.HasPrefix(language, "zh"); {
	case zh && last:
		return fmt.Sprintf("%s（故障前最后所见，%s前）", text, age)
	case zh:
		return fmt.Sprintf("%s（%s前）", text, age)
	case last:
		return fmt.Sprintf("%s (last seen before the fault, %s ago)", text, age)
	default:
		return fmt.Sprintf("%s (%s ago)", text, age)
	}
}

// proof is the proof line: what was found, the evidence, the rule, and what
// speaks against the runner-up.
func proof(rule *Rule, zh, en phrase, evidence []incident.Observation) lang.Text {
	z, e := []string{say(rule.texts["proof.zh"], zh)}, []string{say(rule.texts["proof.en"], en)}
	for _, o := range evidence {
		z, e = append(z, o.Text.ZH), append(e, o.Text.EN)
	}
	out := lang.Text{ZH: strings.Join(z, "；") + "。判定规则 " + rule.ID, EN: strings.Join(e, "; ") + ". Rule " + rule.ID}
	if rule.RunnerUp != "" {
		out.ZH += "；次选 " + rule.RunnerUp
		out.EN += "; runner-up " + rule.RunnerUp
		if !rule.Against.IsZero() {
			out.ZH += "：" + rule.Against.ZH
			out.EN += ": " + rule.Against.EN
		}
	}
	out.ZH += "。"
	out.EN += "."
	return out
}
