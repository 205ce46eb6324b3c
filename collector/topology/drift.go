// Package topology compares what devices say of their neighbours (LLDP, CDP) with
// what the inventory declares, so that a dependency that has become wrong is told
// before it makes a fault be laid at the wrong door. It is pure: it asks nobody
// and changes nothing; a person accepts or rejects what it finds.
package topology

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/inventory"
)

// Sighting is one neighbour as a device saw it.
type Sighting struct {
	Device   string // inventory name of the one who saw
	Port     string // its port
	Neighbor string // what it calls the neighbour: a name, FQDN or address
	FarPort  string // the neighbour's port, "" when it was not said
	By       string // ByLLDP, ByCDP, ByARP or ByFDB
	At       time.Time
}

// How a neighbour was seen: it said so itself, or its address passed by.
const (
	ByLLDP = "lldp"
	ByCDP  = "cdp"
	ByARP  = "arp" // Neighbor is an IP address, FarPort the MAC address it answers from
	ByFDB  = "fdb" // Neighbor is a MAC address that a bridge has learned at the port
)

// Spoken tells whether the neighbour itself said who it is. Addresses seen at a
// port may be of what stands far behind it.
func (s Sighting) Spoken() bool { return s.By != ByARP && s.By != ByFDB }

// Kinds of drift.
const (
	Moved   = "moved"   // a port leads to something other than declared
	Missing = "missing" // a declared link was not seen although its device spoke of others
	Extra   = "extra"   // a link between known devices that is not declared
	Unknown = "unknown" // a neighbour the inventory does not know
)

// Drift is one difference.
type Drift struct {
	Kind     string
	Device   string
	Port     string
	Declared string // what the inventory says is there, "" when nothing
	Seen     string // what was seen, "" when nothing
	// Misleads are the devices whose dependencies it touches: their faults may be
	// laid at the wrong door.
	Misleads []string
}

// Compare returns what differs, sorted. Sightings older than fresh are no word
// about the present; a device without any fresh sighting is silent on the matter
// and nothing about it is missing.
func Compare(g *inventory.Graph, seen []Sighting, now time.Time, fresh time.Duration) []Drift {
	byPort, speaks := map[[2]string][]Sighting{}, map[string]bool{}
	for _, s := range seen {
		if now.Sub(s.At) > fresh || s.Device == "" || s.Port == "" {
			continue
		}
		speaks[s.Device] = true
		byPort[[2]string{s.Device, s.Port}] = append(byPort[[2]string{s.Device, s.Port}], s)
	}
	var out []Drift
	for port, sightings := range byPort {
		out = append(out, atPort(g, port[0], port[1], sightings)...)
	}
	out = append(out, unseen(g, byPort, speaks)...)
	slices.SortFunc(out, func(a, b Drift) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Port, b.Port), strings.Compare(a.Seen, b.Seen), strings.Compare(a.Kind, b.Kind))
	})
	return out
}

// atPort compares one port. Several neighbours at one port are a hub or switch
// that says nothing itself: it is enough that the declared one is among them.
func atPort(g *inventory.Graph, device, port string, seen []Sighting) []Drift {
	declared, _ := g.PortTo(device, port)
	if _, isLine := g.Line(declared); isLine {
		return nil // what is seen through a line is the far end's affair
	}
	var out []Drift
	for _, s := range seen {
		name, known := resolve(g, device, s.Neighbor)
		switch {
		case known && name == declared:
			return nil
		case !known:
			out = append(out, Drift{Kind: Unknown, Device: device, Port: port, Declared: declared, Seen: s.Neighbor})
		case declared != "":
			out = append(out, Drift{Kind: Moved, Device: device, Port: port, Declared: declared, Seen: name, Misleads: touched(g, device, declared, name)})
		case !linked(g, device, name):
			out = append(out, Drift{Kind: Extra, Device: device, Port: port, Seen: name, Misleads: touched(g, device, name)})
		}
	}
	return out
}

// unseen are declared links between two devices that both speak of neighbours,
// of which neither saw the other.
func unseen(g *inventory.Graph, byPort map[[2]string][]Sighting, speaks map[string]bool) []Drift {
	var out []Drift
	for _, d := range g.Inventory().Devices {
		for _, p := range d.Ports {
			if _, isDevice := g.Device(p.To); !isDevice || !speaks[d.ID] || !speaks[p.To] || len(byPort[[2]string{d.ID, p.Name}]) > 0 || sawEachOther(g, byPort, d.ID, p.To) {
				continue
			}
			out = append(out, Drift{Kind: Missing, Device: d.ID, Port: p.Name, Declared: p.To, Misleads: touched(g, d.ID, p.To)})
		}
	}
	return out
}

func sawEachOther(g *inventory.Graph, byPort map[[2]string][]Sighting, a, b string) bool {
	for port, list := range byPort {
		if port[0] != a && port[0] != b {
			continue
		}
		for _, s := range list {
			if name, known := resolve(g, s.Device, s.Neighbor); known && (name == a || name == b) && name != s.Device {
				return true
			}
		}
	}
	return false
}

// resolve finds the device a neighbour's name means: its inventory name, whatever
// the case and domain, or its address at the observer's site.
func resolve(g *inventory.Graph, observer, name string) (string, bool) {
	o, _ := g.Device(observer)
	if d, ok := g.DeviceAt(o.Site, name); ok {
		return d.ID, true
	}
	short, _, _ := strings.Cut(strings.ToLower(name), ".")
	for _, d := range g.Inventory().Devices {
		if strings.EqualFold(d.ID, name) || strings.ToLower(d.ID) == short {
			return d.ID, true
		}
	}
	return "", false
}

// linked tells whether the inventory declares any link between the two.
func linked(g *inventory.Graph, a, b string) bool {
	for _, end := range [][2]string{{a, b}, {b, a}} {
		d, _ := g.Device(end[0])
		if slices.ContainsFunc(d.Ports, func(p inventory.Port) bool { return p.To == end[1] }) || slices.Contains(g.Parents(end[0]), end[1]) {
			return true
		}
	}
	return false
}

// touched are the devices among names that depend on another of them, and what is
// reached through those alone.
func touched(g *inventory.Graph, names ...string) []string {
	var out []string
	for _, n := range names {
		if slices.ContainsFunc(g.Parents(n), func(p string) bool { return slices.Contains(names, p) }) {
			out = append(append(out, n), g.Dependents(n)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
