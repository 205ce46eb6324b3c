package snmp

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
)

// neighbourMetric says who stands at a device's port: 1, with the labels port
// (ifName where the device has one), neighbour (name, or MAC or address where no
// name is said), far_port and by (lldp, cdp, arp, fdb).
const neighbourMetric = "faultline_neighbour_info"

// mostNeighbours bounds what one table may show of them at a time.
const mostNeighbours = 4096

// sightings hands over the neighbours of a table. They are read at the pace of
// names; those that speak for themselves are told in every poll, as other slow
// things are, the many of address tables only when they were read.
func (t *table) sightings(p *poll) {
	if len(t.def.Neighbours) == 0 {
		return
	}
	if t.namedAt == t.number {
		t.neighbours, t.neighboursAt = t.readNeighbours(p), p.walkAt
	}
	if p.walkAt.Sub(t.neighboursAt) > 2*slowEvery { // what could not be read again since is no news
		t.neighbours = nil
	}
	for _, ls := range t.neighbours {
		p.sample(ls, 1, p.walkAt)
	}
	if len(t.neighbours) > 0 && t.def.Optional {
		t.neighbours = nil
	}
}

// readNeighbours makes the series of the rows that this poll has seen and read the
// names of.
func (t *table) readNeighbours(p *poll) []base.Labels {
	ports := p.portNames()
	shown, left := map[Neighbour]bool{}, 0
	var out []base.Labels
	for _, r := range t.rows {
		if r.seen != t.number || r.named != t.number {
			continue
		}
		n, ok := t.neighbourOf(r)
		if !ok {
			continue
		}
		if name, known := ports[n.LocalInterface]; known {
			n.LocalInterface = name
		}
		switch {
		case shown[n]:
		case len(shown) == mostNeighbours:
			left++
		default:
			shown[n] = true
			out = append(out, base.LabelsFrom(neighbourMetric, map[string]string{"port": n.LocalInterface, "neighbour": n.RemoteName, "far_port": n.RemotePort, "by": n.Protocol}))
		}
	}
	if left > 0 {
		p.faults = append(p.faults, fmt.Errorf("%s: %d neighbours left out, more than %d", t.def.Name, left, mostNeighbours))
	}
	return out
}

// neighbourOf is who a row tells of; false when it tells of nobody, or not where.
func (t *table) neighbourOf(r *row) (Neighbour, bool) {
	get := t.get(r)
	for i := range t.def.Neighbours {
		if def := &t.def.Neighbours[i]; def.Applies(get) {
			n := Neighbour{Protocol: def.Protocol, LocalInterface: def.LocalInterface.Expand(get),
				RemoteName: spelled(def.Protocol, def.RemoteName.Expand(get)), RemotePort: def.RemotePort.Expand(get)}
			return n, n.LocalInterface != "" && n.RemoteName != ""
		}
	}
	return Neighbour{}, false
}

// spelled writes an address that a table has in its index as it is written
// everywhere else: a MAC address that is six decimal numbers there, an IP address
// with its length before it.
func spelled(by, name string) string {
	parts := strings.Split(name, ".")
	switch {
	case by == profile.ByARP && len(parts) == 5 && parts[0] == "4":
		return strings.Join(parts[1:], ".")
	case by != profile.ByFDB || len(parts) != 6:
		return name
	}
	mac := make(net.HardwareAddr, 6)
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return name
		}
		mac[i] = byte(n)
	}
	return mac.String()
}

// portNames are the interfaces' names by each text that the device has for one of
// them alone: discovery protocols call ports by any of these. A name is stronger
// than another's description, that is stronger than an alias.
func (d *device) portNames() map[string]string {
	names := map[string]string{}
	for _, label := range []string{"ifName", "ifDescr", "ifAlias"} {
		found := map[string][]string{}
		for _, t := range d.tables {
			if t.def.Name != ifTable {
				continue
			}
			for _, r := range t.rows {
				if text := r.static[t.staticAt[label]]; text != "" {
					found[text] = append(found[text], t.identity(r))
				}
			}
		}
		for text, ids := range found {
			if _, taken := names[text]; !taken && len(ids) == 1 {
				names[text] = ids[0]
			}
		}
	}
	return names
}
