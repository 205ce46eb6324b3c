package diagnose

import (
	"cmp"
	"slices"
	"time"
)

// relations are how an alert may stand to a root.
var relations = []string{
	"self",    // it is about the root, or about an agent that runs on it
	"part",    // it is about the root's component
	"alert",   // it is the alert the hypothesis was tried on
	"behind",  // it is about something reached through the root alone
	"lines",   // it is about a line that ends at the root or behind it
	"answers", // it is about another line of the site whose answers come back over the root
	"peer",    // it is about the port at the other end of the root, a port
	"ports",   // it is about a port that leads to the root, or a port of the root
	"from",    // it was seen from the root's site alone and is about something of another
	"site",    // it is about anything of the root's site
	"carrier", // it is about a line of the root, a carrier
	"company", // it is about anything
}

// root is what a hypothesis names as the cause.
type root struct {
	subject   string // what the hypothesis was tried on
	device    string // what is named: a device, line or carrier
	component string
	site      string
	fact      *fact
	down      []string // what is down with it
	behind    []string // what cannot be reached then
}

// key is the stable name of the cause.
func (r root) key(rule *Rule) string {
	k := rule.Cause + "/" + r.subject
	if r.component != "" && (rule.Scope == "port" || rule.Scope == "alert") {
		k += "/" + r.component
	}
	return k
}

// rootOf names the root of a hypothesis that holds for a subject.
func (s *scene) rootOf(rule *Rule, sub subject) root {
	r := root{subject: sub.name, device: sub.name, component: cmp.Or(rule.Part, sub.component), site: sub.site, fact: sub.fact}
	switch {
	case rule.Root == "router" && len(sub.facts.routers) > 0:
		r.device = sub.facts.routers[0]
	case rule.Root == "line" && len(sub.facts.lines) > 0:
		r.device = sub.facts.lines[0]
	case rule.Root == "ups" && sub.facts.ups != "":
		r.device = sub.facts.ups
	case rule.Root == "core":
		r.device = s.coreRoot()
	case rule.Root == "collector": // stands at head office, whatever its host is called
		r.site, r.device = s.headOffice(), "site:"+s.headOffice()
	case rule.Root == "" && rule.Scope == "site":
		r.device = "site:" + sub.site
	}
	if rule.Part == "" && rule.Scope == "site" {
		r.component = ""
	}
	r.down = []string{r.device}
	if l, ok := s.graph.Line(r.device); ok {
		for _, o := range s.graph.LinesOf(l.Site) {
			if o.ID != l.ID && s.lineState(o.ID).is == isBad {
				r.down = append(r.down, o.ID)
			}
		}
	}
	if rule.Scope == "carrier" {
		for _, l := range s.graph.LinesOfCarrier(sub.name) {
			if s.lineState(l.ID).is == isBad {
				r.down = append(r.down, l.ID)
			}
		}
	}
	if rule.Scope == "port" {
		// What hangs on the port is gone; the device it belongs to is not.
		r.down = nil
		if to := s.graph.LeadsTo(portOf(sub.name, sub.component)); to != "" && sub.component != "" {
			r.down = []string{to}
		}
	}
	r.behind = s.graph.Affected(r.down)
	if rule.Scope == "carrier" {
		r.behind = s.graph.Affected(r.down[1:]) // its other lines carry on
	}
	return r
}

// coreRoot is the device that stands for head office: the bad one on which most
// depends, else its router.
func (s *scene) coreRoot() string {
	if c := s.company(); c.CoreBad != "" {
		return c.CoreBad
	}
	for _, d := range s.graph.DevicesOf(s.headOffice()) {
		if d.Kind == "router" {
			return d.ID
		}
	}
	return "site:" + s.headOffice()
}

// lineAt tells whether the subject is a line that ends at the root, at what is
// down with it or behind it, or that is down itself.
func (s *scene) lineAt(subject string, r root) bool {
	l, ok := s.graph.Line(subject)
	if !ok {
		return false
	}
	gone := func(device string) bool {
		return device != "" && (slices.Contains(r.down, device) || among(r.behind, device))
	}
	return slices.Contains(r.down, l.ID) || gone(l.AEnd.Device) || gone(l.BEnd.Device)
}

// peerOf tells whether a port is the other end of a device's port; where the
// inventory does not name that, any port of what is plugged in may be.
func (s *scene) peerOf(device, port string, f *fact) bool {
	d, _ := s.graph.Device(device)
	for _, p := range d.Ports {
		if p.Name == port && p.To == f.subject {
			return p.Peer == "" || p.Peer == f.Component()
		}
	}
	return false
}

// portAt tells whether a port leads to the root or to what is behind it, or
// belongs to either.
func (s *scene) portAt(f *fact, r root) bool {
	to := s.graph.LeadsTo(portOf(f.subject, f.Component()))
	if to != "" && (to == r.device || slices.Contains(r.down, to)) {
		return true
	}
	return f.subject == r.device && r.fact == nil && (r.component == "" || r.component == f.Component()) || among(r.behind, f.subject)
}

// affected returns what is down or unreachable because of the root, without the
// root and without what has shown life since the onset.
func (s *scene) affected(rule *Rule, r root, onset time.Time) []string {
	var list []string
	switch rule.Affects {
	case "behind":
		list = append(list, r.behind...)
		for _, d := range r.down {
			if _, isLine := s.graph.Line(d); !isLine && d != r.device {
				list = append(list, d)
			}
		}
	case "site":
		for _, d := range s.graph.DevicesOf(r.site) {
			list = append(list, d.ID)
		}
		list = append(list, s.graph.Affected(list)...)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(id string) bool {
		return id == r.device || !onset.IsZero() && s.alive(id, onset)
	})
}
