package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
)

// How sure a proposal is.
const (
	High   = "high"   // both ends say so
	Medium = "medium" // one end says so, and the other says nothing of its neighbours
	Low    = "low"    // one end says so and the other, which speaks, does not
)

// Proposal is what the inventory could say and does not: a port's neighbour, or
// what a device hangs on. A person accepts it by writing it there.
type Proposal struct {
	Device     string
	Port       string // "": what Device depends on
	To         string
	Peer       string // To's port, "" when it was not said
	Replaces   string // what the inventory says now, "" when nothing
	Confidence string
	By         []string // how it was seen, sorted
}

// Propose returns the links between known devices that were seen and are not
// declared, and for devices that hang on nothing what they hang on, sorted. What
// was seen behind a line is nobody's neighbour here.
func Propose(g *inventory.Graph, seen []Sighting, now time.Time, fresh time.Duration) []Proposal {
	l := linksOf(g, seen, now, fresh)
	var out []Proposal
	for _, end := range l.ends() {
		declared, _ := g.PortTo(end.device, end.port)
		if declared == end.to {
			continue
		}
		out = append(out, Proposal{Device: end.device, Port: end.port, To: end.to, Peer: l.peer(end), Replaces: declared, Confidence: l.confidence(end), By: l.by(end)})
	}
	out = append(out, l.dependencies()...)
	slices.SortFunc(out, func(a, b Proposal) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Port, b.Port), strings.Compare(a.To, b.To))
	})
	return out
}

// end is one device's port with the device it leads to.
type end struct{ device, port, to string }

// links are the sightings between known devices.
type links struct {
	g      *inventory.Graph
	seen   map[end][]Sighting
	speaks map[string]bool // devices that tell of neighbours by name
}

func linksOf(g *inventory.Graph, seen []Sighting, now time.Time, fresh time.Duration) *links {
	l := &links{g: g, seen: map[end][]Sighting{}, speaks: map[string]bool{}}
	behind := map[[2]string]map[string]bool{} // addresses by port
	for _, s := range seen {
		if now.Sub(s.At) > fresh || s.Port == "" || behindLine(g, s) {
			continue
		}
		if s.By == ByFDB {
			port := [2]string{s.Device, s.Port}
			if behind[port] == nil {
				behind[port] = map[string]bool{}
			}
			behind[port][s.Neighbor] = true
			continue
		}
		if to, known := resolve(g, s.Device, s.Neighbor); known && s.Spoken() && to != s.Device {
			l.speaks[s.Device] = true
			l.seen[end{s.Device, s.Port, to}] = append(l.seen[end{s.Device, s.Port, to}], s)
		}
	}
	l.alone(seen, behind, now, fresh)
	return l
}

// behindLine tells whether a line is plugged in where it was seen.
func behindLine(g *inventory.Graph, s Sighting) bool {
	declared, _ := g.PortTo(s.Device, s.Port)
	_, isLine := g.Line(declared)
	return isLine
}

// alone takes the devices that are the only ones behind a port where nobody speaks:
// one address behind a port is what is plugged in there.
func (l *links) alone(seen []Sighting, behind map[[2]string]map[string]bool, now time.Time, fresh time.Duration) {
	spoken := map[[2]string]bool{}
	for e := range l.seen {
		spoken[[2]string{e.device, e.port}] = true
	}
	for _, s := range seen {
		port := [2]string{s.Device, s.Port}
		if s.By != ByFDB || now.Sub(s.At) > fresh || spoken[port] || len(behind[port]) != 1 {
			continue
		}
		if d, known := l.g.Device(s.Neighbor); known && d.ID != s.Device {
			l.seen[end{s.Device, s.Port, d.ID}] = append(l.seen[end{s.Device, s.Port, d.ID}], s)
		}
	}
}

func (l *links) ends() []end {
	var out []end
	for e := range l.seen {
		out = append(out, e)
	}
	return out
}

// back are the sights of the device from the other end, at the port that is meant
// if that was said.
func (l *links) back(e end) []end {
	var out []end
	for other := range l.seen {
		if other.device == e.to && other.to == e.device {
			out = append(out, other)
		}
	}
	slices.SortFunc(out, func(a, b end) int { return strings.Compare(a.port, b.port) })
	return out
}

// peer is the port at the other end: what that says itself, else what this one was
// told.
func (l *links) peer(e end) string {
	if back := l.back(e); len(back) == 1 {
		return back[0].port
	}
	for _, s := range l.seen[e] {
		if s.FarPort != "" {
			return s.FarPort
		}
	}
	return ""
}

func (l *links) by(e end) []string {
	var out []string
	for _, s := range l.seen[e] {
		if !slices.Contains(out, s.By) {
			out = append(out, s.By)
		}
	}
	slices.Sort(out)
	return out
}

func (l *links) confidence(e end) string {
	switch {
	case len(l.back(e)) > 0:
		return High
	case l.speaks[e.to]:
		return Low
	}
	return Medium
}

// dependencies proposes what devices hang on that, by the inventory, hang on
// nothing: the neighbour on the shortest way to their site's gateway or core.
func (l *links) dependencies() []Proposal {
	near := map[string][]string{}
	join := func(a, b string) { near[a], near[b] = append(near[a], b), append(near[b], a) }
	for e := range l.seen {
		join(e.device, e.to)
	}
	for _, d := range l.g.Inventory().Devices {
		for _, p := range d.Ports {
			if _, ok := l.g.Device(p.To); ok {
				join(d.ID, p.To)
			}
		}
	}
	hops := l.hops(near)
	var out []Proposal
	for _, d := range l.g.Inventory().Devices {
		if h, reached := hops[d.ID]; !reached || h == 0 || len(l.g.Parents(d.ID)) > 0 {
			continue
		}
		up := slices.DeleteFunc(slices.Sorted(slices.Values(near[d.ID])), func(n string) bool { return hops[n] != hops[d.ID]-1 })
		up = slices.Compact(up)
		if len(up) == 0 {
			continue
		}
		out = append(out, l.dependency(d.ID, up))
	}
	return out
}

// dependency is one device's; a way that was not seen but declared is sure.
func (l *links) dependency(device string, up []string) Proposal {
	p := Proposal{Device: device, To: strings.Join(up, " "), Confidence: High}
	for _, u := range up {
		for e := range l.seen {
			if e.device == device && e.to == u || e.device == u && e.to == device {
				p.By = append(p.By, l.by(e)...)
				if c := l.confidence(e); c != High {
					p.Confidence = Medium
				}
			}
		}
	}
	slices.Sort(p.By)
	p.By = slices.Compact(p.By)
	return p
}

// hops counts the links from each device to the nearest gateway or core of its
// site. Links between sites are lines, and not followed.
func (l *links) hops(near map[string][]string) map[string]int {
	hops := map[string]int{}
	var queue []string
	for _, d := range l.g.Inventory().Devices {
		if slices.Contains(d.Roles, "gateway") || slices.Contains(d.Roles, "core") {
			hops[d.ID] = 0
			queue = append(queue, d.ID)
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, n := range near[at] {
			if _, known := hops[n]; !known && l.g.SiteOf(n) == l.g.SiteOf(at) {
				hops[n] = hops[at] + 1
				queue = append(queue, n)
			}
		}
	}
	return hops
}

// Snippet is the proposal as it is written in the inventory, under the device it
// names.
func (p Proposal) Snippet() string {
	if p.Port == "" {
		names := strings.Fields(p.To)
		for i := range names {
			names[i] = scalar(names[i])
		}
		return fmt.Sprintf("# %s\n    depends_on: [{any_of: [%s]}]\n", p.Device, strings.Join(names, ", "))
	}
	peer := ""
	if p.Peer != "" {
		peer = ", peer: " + scalar(p.Peer)
	}
	return fmt.Sprintf("# %s\n    ports:\n      - {name: %s, to: %s%s}\n", p.Device, scalar(p.Port), scalar(p.To), peer)
}

// scalar writes a text as YAML reads it back, whatever a stranger called itself.
func scalar(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./", r))
	}) < 0 && strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") && s[0] != '-' && s[0] != '.'
	if plain && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	return fmt.Sprintf("%q", s)
}
