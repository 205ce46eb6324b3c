package inventory

import (
	"slices"
	"strings"
)

// PortRef names a port of a device.
type PortRef struct{ Device, Name string }

// places says what stands where: made once for a graph, since a diagnosis asks
// for it thousands of times in a round.
type places struct {
	devices  map[string][]Device  // by site, in the inventory's order
	lines    map[string][]Line    // by site, main lines first
	agents   map[string][]Agent   // by site
	carried  map[string][]Line    // by carrier
	hosted   map[string][]string  // device → agents that run on it
	ending   map[string][]string  // device → lines whose far end it is
	towards  map[string][]PortRef // device or line → the ports that lead to it
	pluggedA map[PortRef]string   // port → the line whose end is written there
}

func newPlaces(inv *Inventory) places {
	p := places{devices: map[string][]Device{}, lines: map[string][]Line{}, agents: map[string][]Agent{}, carried: map[string][]Line{},
		hosted: map[string][]string{}, ending: map[string][]string{}, towards: map[string][]PortRef{}, pluggedA: map[PortRef]string{}}
	for _, d := range inv.Devices {
		p.devices[d.Site] = append(p.devices[d.Site], d)
		for _, port := range d.Ports {
			if port.To != "" {
				p.towards[port.To] = append(p.towards[port.To], PortRef{d.ID, port.Name})
			}
		}
	}
	for _, l := range inv.Lines {
		p.lines[l.Site] = append(p.lines[l.Site], l)
		p.carried[l.Carrier] = append(p.carried[l.Carrier], l)
		if l.BEnd.Device != "" {
			p.ending[l.BEnd.Device] = append(p.ending[l.BEnd.Device], l.ID)
		}
		for _, e := range []End{l.AEnd, l.BEnd} {
			ref := PortRef{e.Device, e.Interface}
			if _, first := p.pluggedA[ref]; !first {
				p.pluggedA[ref] = l.ID
			}
			if e.Device != "" && e.Interface != "" && !slices.Contains(p.towards[l.ID], ref) {
				p.towards[l.ID] = append(p.towards[l.ID], ref)
			}
		}
	}
	for _, ls := range p.lines {
		slices.SortStableFunc(ls, func(a, b Line) int { return strings.Compare(b.Role, a.Role) })
	}
	for _, a := range inv.Agents {
		p.agents[a.Site] = append(p.agents[a.Site], a)
		if a.Device != "" {
			p.hosted[a.Device] = append(p.hosted[a.Device], a.ID)
		}
	}
	return p
}

// DevicesOf returns the devices of a site, in the inventory's order. The answer
// must not be changed; so it is with those below.
func (g *Graph) DevicesOf(site string) []Device { return g.places.devices[site] }

// LinesOf returns the lines that serve a site, main lines first.
func (g *Graph) LinesOf(site string) []Line { return g.places.lines[site] }

// LinesOfCarrier returns the lines that a vendor runs.
func (g *Graph) LinesOfCarrier(vendor string) []Line { return g.places.carried[vendor] }

// AgentsOf returns the agents installed at a site.
func (g *Graph) AgentsOf(site string) []Agent { return g.places.agents[site] }

// AgentsOn returns the agents that run on a device.
func (g *Graph) AgentsOn(device string) []string { return g.places.hosted[device] }

// LinesTo returns the lines whose far end is the device.
func (g *Graph) LinesTo(device string) []string { return g.places.ending[device] }

// PortsTowards returns the ports, as neighbours know them, that lead to a device
// or line: written under the neighbour, or the line's own ends.
func (g *Graph) PortsTowards(id string) []PortRef { return g.places.towards[id] }

// LeadsTo returns what is plugged into a port, a device or line; "" when nothing
// is written.
func (g *Graph) LeadsTo(p PortRef) string {
	if to, ok := g.PortTo(p.Device, p.Name); ok {
		return to
	}
	return g.places.pluggedA[p]
}

func filter[T any](all []T, keep func(T) bool) []T {
	var out []T
	for _, x := range all {
		if keep(x) {
			out = append(out, x)
		}
	}
	return out
}
