package inventory

import (
	"maps"
	"slices"
	"strings"
)

// What a dependency carries.
const (
	ForNetwork = "network" // the way to reach it; the default
	ForPower   = "power"   // what feeds it
)

// Graph answers questions about one inventory: who is who, and what hangs on
// what. Its edges lead from every device to the collector: device → switch →
// router → line → carrier and HQ's end of the line. It is immutable and safe
// for concurrent use.
type Graph struct {
	inv       *Inventory
	sites     map[string]*Site
	devices   map[string]*Device
	lines     map[string]*Line
	vendors   map[string]*Vendor
	agents    map[string]*Agent
	addresses map[string][]*Device
	groups    map[string][]Dependency // all that must hold for the name to be reached and fed
	children  map[string][]string     // name → names that have it in a group
	places    places
}

// NewGraph makes the graph of a loaded inventory.
func NewGraph(inv *Inventory) *Graph {
	g := &Graph{
		inv:       inv,
		sites:     index(inv.Sites, func(s *Site) string { return s.ID }),
		devices:   index(inv.Devices, func(d *Device) string { return d.ID }),
		lines:     index(inv.Lines, func(l *Line) string { return l.ID }),
		vendors:   index(inv.Vendors, func(v *Vendor) string { return v.ID }),
		agents:    index(inv.Agents, func(a *Agent) string { return a.ID }),
		addresses: map[string][]*Device{},
		groups:    map[string][]Dependency{},
		children:  map[string][]string{},
		places:    newPlaces(inv),
	}
	for i := range inv.Devices {
		d := &inv.Devices[i]
		for _, addr := range d.Addresses {
			g.addresses[addr] = append(g.addresses[addr], d)
		}
		for _, dep := range d.DependsOn {
			if dep.For == "" {
				dep.For = ForNetwork
			}
			g.depend(d.ID, dep)
		}
		if d.Host != "" {
			g.depend(d.ID, Dependency{AnyOf: []string{d.Host}, For: ForNetwork})
		}
	}
	for _, l := range inv.Lines {
		g.depend(l.ID, Dependency{AnyOf: []string{l.Carrier}, For: ForNetwork})
		if l.AEnd.Device != "" {
			g.depend(l.ID, Dependency{AnyOf: []string{l.AEnd.Device}, For: ForNetwork})
		}
	}
	return g
}

func index[T any](all []T, id func(*T) string) map[string]*T {
	m := make(map[string]*T, len(all))
	for i := range all {
		m[id(&all[i])] = &all[i]
	}
	return m
}

func (g *Graph) depend(id string, dep Dependency) {
	g.groups[id] = append(g.groups[id], dep)
	for _, p := range dep.AnyOf {
		if !slices.Contains(g.children[p], id) {
			g.children[p] = append(g.children[p], id)
		}
	}
}

// Inventory returns what the graph was made of. It must not be changed.
func (g *Graph) Inventory() *Inventory { return g.inv }

// Site returns the site of that id.
func (g *Graph) Site(id string) (Site, bool) { return get(g.sites, id) }

// Device returns the device of that id.
func (g *Graph) Device(id string) (Device, bool) { return get(g.devices, id) }

// Line returns the line of that id.
func (g *Graph) Line(id string) (Line, bool) { return get(g.lines, id) }

// Vendor returns the vendor of that id.
func (g *Graph) Vendor(id string) (Vendor, bool) { return get(g.vendors, id) }

// Agent returns the agent of that id.
func (g *Graph) Agent(id string) (Agent, bool) { return get(g.agents, id) }

func get[T any](m map[string]*T, id string) (T, bool) {
	if p, ok := m[id]; ok {
		return *p, true
	}
	var zero T
	return zero, false
}

// DeviceByAddress returns the device that has the address, if exactly one has.
// Sites may use the same private addresses; DeviceAt tells them apart.
func (g *Graph) DeviceByAddress(addr string) (Device, bool) {
	if ds := g.addresses[addr]; len(ds) == 1 {
		return *ds[0], true
	}
	return Device{}, false
}

// DeviceAt returns the device of the site that has the address, or the only
// device anywhere that has it.
func (g *Graph) DeviceAt(site, addr string) (Device, bool) {
	for _, d := range g.addresses[addr] {
		if d.Site == site {
			return *d, true
		}
	}
	return g.DeviceByAddress(addr)
}

// SiteOf returns the site id of a device, line, agent or site; "" when unknown.
func (g *Graph) SiteOf(id string) string {
	if d, ok := g.devices[id]; ok {
		return d.Site
	}
	if l, ok := g.lines[id]; ok {
		return l.Site
	}
	if a, ok := g.agents[id]; ok {
		return a.Site
	}
	if s, ok := g.sites[strings.TrimPrefix(id, "site:")]; ok {
		return s.ID
	}
	return ""
}

// Dependencies returns the redundancy groups of a device or line: those written,
// the host it runs on, and for a line its carrier and HQ's end. For is never "".
func (g *Graph) Dependencies(id string) []Dependency { return slices.Clone(g.groups[id]) }

// Parents returns the names next on the way from id to the collector, sorted:
// all members of its groups except those that only feed it.
func (g *Graph) Parents(id string) []string {
	var out []string
	for _, dep := range g.groups[id] {
		if dep.For == ForNetwork {
			out = append(out, dep.AnyOf...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Dependents returns what cannot be reached while id is down, id not among them.
func (g *Graph) Dependents(id string) []string { return g.Affected([]string{id}) }

// Affected returns, sorted, everything that cannot be reached while all of down
// are down: devices, and lines whose carrier is down (a line whose end is dead
// carries nothing but is sound). A device is unreachable only when all members
// of one of its redundancy groups are down or unreachable. Names in down are
// devices, lines, carriers, and sites (id or site:id), whose devices are all
// down then; of down only those devices are in the answer.
//
// Only reachability is followed: a UPS whose card is silent takes nothing with
// it. PowerLost says what goes dark.
func (g *Graph) Affected(down []string) []string {
	s := g.newSpread(down)
	s.run()
	return s.result()
}

// PowerLost returns, sorted, what goes dark when all of the sources (UPS, PDU)
// stop feeding, and what cannot be reached then; the sources not among them.
func (g *Graph) PowerLost(sources []string) []string {
	s := g.newSpread(sources)
	for _, id := range sources {
		s.dark[id] = true
	}
	s.run()
	return s.result()
}

// spread is one computation of what follows from what.
type spread struct {
	g     *Graph
	named map[string]bool // given by the caller: not part of the answer
	gone  map[string]bool // down or unreachable
	dark  map[string]bool // without power; always gone too
	queue []string
}

func (g *Graph) newSpread(down []string) *spread {
	s := &spread{g: g, named: map[string]bool{}, gone: map[string]bool{}, dark: map[string]bool{}}
	for _, id := range down {
		if site, ok := g.sites[strings.TrimPrefix(id, "site:")]; ok && g.devices[id] == nil {
			for _, d := range g.DevicesOf(site.ID) {
				s.fall(d.ID)
			}
			continue
		}
		s.named[id] = true
		s.fall(id)
	}
	return s
}

func (s *spread) fall(id string) {
	if !s.gone[id] {
		s.gone[id] = true
		s.queue = append(s.queue, id)
	}
}

func (s *spread) run() {
	for len(s.queue) > 0 {
		id := s.queue[0]
		s.queue = s.queue[1:]
		for _, child := range s.g.children[id] {
			s.judge(child)
		}
	}
}

// judge looks at the groups of id again. A thing that is already gone may still
// go dark, and then its own dependents are looked at once more.
func (s *spread) judge(id string) {
	for _, dep := range s.g.groups[id] {
		lost := s.gone
		if dep.For == ForPower {
			lost = s.dark
		}
		if slices.ContainsFunc(dep.AnyOf, func(p string) bool { return !lost[p] }) {
			continue
		}
		if dep.For == ForPower && !s.dark[id] {
			s.dark[id] = true
			if s.gone[id] {
				s.queue = append(s.queue, id)
			}
		}
		s.fall(id)
	}
}

func (s *spread) result() []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(s.gone)) {
		l, isLine := s.g.lines[id]
		if s.named[id] || isLine && !s.gone[l.Carrier] {
			continue
		}
		if isLine || s.g.devices[id] != nil {
			out = append(out, id)
		}
	}
	return out
}

// PortTowards returns the neighbour and its port that lead to a device or line:
// a switch's port before another's. Both are "" when no port is written.
func (g *Graph) PortTowards(id string) (device, port string) {
	for _, d := range g.inv.Devices {
		for _, p := range d.Ports {
			if p.To != id {
				continue
			}
			if d.Kind == "switch" {
				return d.ID, p.Name
			}
			if device == "" {
				device, port = d.ID, p.Name
			}
		}
	}
	return device, port
}

// PortTo returns what is plugged into a device's port: a device or line.
func (g *Graph) PortTo(device, port string) (string, bool) {
	if d, ok := g.devices[device]; ok {
		for _, p := range d.Ports {
			if p.Name == port && p.To != "" {
				return p.To, true
			}
		}
	}
	return "", false
}
