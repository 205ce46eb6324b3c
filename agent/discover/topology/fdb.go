package topology

import (
	"fmt"
	"maps"
	"slices"
)

// bridge is a device with a forwarding table.
type bridge struct {
	d     *Device
	ports map[int]map[MAC]bool // what was learned behind each port; ports of an aggregate count as that
	hears map[*Device]int      // port behind which a known device is; -1: behind several
	up    map[int]bool         // ports that lead to other bridges
}

// learn makes links of what bridges learned.
func (b *builder) learn() {
	var bridges []*bridge
	of := map[*Device]*bridge{}
	for _, d := range b.devices {
		if d.facts != nil && len(d.facts.FDB) > 0 {
			br := b.newBridge(d)
			bridges, of[d] = append(bridges, br), br
		}
	}
	for _, br := range bridges {
		br.uplinks(b.links, of)
	}
	for i, x := range bridges {
		for _, y := range bridges[i+1:] {
			b.direct(x, y, bridges)
		}
	}
	for _, br := range bridges {
		for other, p := range br.hears {
			if p > 0 && of[other] != nil {
				br.up[p] = true
			}
		}
	}
	for _, d := range b.devices {
		if of[d] == nil {
			b.attach(d, bridges)
		}
	}
}

// bundled returns the aggregate a port is part of, or the port.
func (f *Facts) bundled(index int) int {
	if i := f.at(index); i != nil && i.Bundle != 0 {
		return i.Bundle
	}
	return index
}

func (b *builder) newBridge(d *Device) *bridge {
	br := &bridge{d: d, ports: map[int]map[MAC]bool{}, hears: map[*Device]int{}, up: map[int]bool{}}
	for _, e := range d.facts.FDB {
		if e.Interface <= 0 || !e.MAC.Own() || slices.Contains(d.MACs, e.MAC) {
			continue
		}
		p := d.facts.bundled(e.Interface)
		if br.ports[p] == nil {
			br.ports[p] = map[MAC]bool{}
		}
		br.ports[p][e.MAC] = true
	}
	for p, macs := range br.ports {
		for m := range macs {
			other := b.byMAC[m]
			if other == nil || other == d {
				continue
			}
			if was, known := br.hears[other]; known && was != p {
				br.hears[other] = -1
			} else {
				br.hears[other] = p
			}
		}
	}
	return br
}

// uplinks marks the ports that by LLDP or CDP lead to another bridge.
func (br *bridge) uplinks(links []*Link, of map[*Device]*bridge) {
	for _, l := range links {
		if l.a == br.d && l.ai != 0 && of[l.b] != nil {
			br.up[br.d.facts.bundled(l.ai)] = true
		}
		if l.b == br.d && l.bi != 0 && of[l.a] != nil {
			br.up[br.d.facts.bundled(l.bi)] = true
		}
	}
}

// direct links two bridges that learned each other, unless a third stands
// between: one that both learned behind the same ports as each other, and that
// has the two behind different ports of its own.
func (b *builder) direct(x, y *bridge, all []*bridge) {
	xp, yp := x.hears[y.d], y.hears[x.d]
	if xp <= 0 || yp <= 0 {
		return
	}
	for _, z := range all {
		if z == x || z == y || x.hears[z.d] != xp || y.hears[z.d] != yp {
			continue
		}
		if z.hears[x.d] == 0 || z.hears[y.d] == 0 || z.hears[x.d] != z.hears[y.d] {
			return
		}
	}
	why := "each has learned the other behind this port, and no third stands between"
	for _, l := range b.between(x.d, y.d) {
		if l.agrees(x.d, xp) && l.agrees(y.d, yp) {
			l.because("the forwarding tables agree")
			return
		}
	}
	if b.taken(x.d, xp) || b.taken(y.d, yp) {
		b.disagree(x, xp, y, yp)
		return
	}
	b.links = append(b.links, &Link{a: x.d, b: y.d, ai: xp, bi: yp, Confidence: Medium, Why: []string{why}, fdb: true})
}

// disagree notes that forwarding tables and LLDP do not tell the same.
func (b *builder) disagree(x *bridge, xp int, y *bridge, yp int) {
	if len(b.between(x.d, y.d)) == 0 {
		b.conflict("port", []*Device{x.d, y.d}, "by their forwarding tables port %s of %s and port %s of %s are connected; by LLDP or CDP one of them leads elsewhere",
			x.d.portName(xp, ""), x.d.label(), y.d.portName(yp, ""), y.d.label())
	}
}

// between returns the links of two devices.
func (b *builder) between(x, y *Device) []*Link {
	var all []*Link
	for _, l := range b.links {
		if l.a == x && l.b == y || l.a == y && l.b == x {
			all = append(all, l)
		}
	}
	return all
}

// agrees tells whether a link's end at a device can be the port or, for an
// aggregate, a part of it.
func (l *Link) agrees(d *Device, port int) bool {
	index := l.ai
	if l.b == d {
		index = l.bi
	}
	return index == 0 || d.facts == nil || d.facts.bundled(index) == port
}

// taken tells whether a sure link already ends at the port.
func (b *builder) taken(d *Device, port int) bool {
	return slices.ContainsFunc(b.links, func(l *Link) bool {
		return l.Confidence.rank() >= Medium.rank() && !l.shared && (l.a == d && l.ai != 0 && l.agrees(d, port) || l.b == d && l.bi != 0 && l.agrees(d, port))
	})
}

// attach finds the port behind which a device that is no bridge stands: among
// those that have learned it the ones that lead to no other bridge.
func (b *builder) attach(d *Device, bridges []*bridge) {
	for _, m := range d.MACs {
		var at []*bridge
		var ports []int
		for _, br := range bridges {
			for _, p := range slices.Sorted(maps.Keys(br.ports)) {
				if br.ports[p][m] && !br.up[p] {
					at, ports = append(at, br), append(ports, p)
				}
			}
		}
		if len(at) > 1 {
			b.conflict("place", []*Device{d}, "%s (%s) was learned behind %s: it moved, or something between is not known", d.label(), m, places(at, ports))
			continue
		}
		if len(at) == 1 {
			b.attachTo(d, m, at[0], ports[0])
		}
	}
}

func places(at []*bridge, ports []int) string {
	text := ""
	for i, br := range at {
		if i > 0 {
			text += " and "
		}
		text += fmt.Sprintf("port %s of %s", br.d.portName(ports[i], ""), br.d.label())
	}
	return text
}

func (b *builder) attachTo(d *Device, m MAC, br *bridge, p int) {
	for _, l := range b.between(d, br.d) {
		if l.agrees(br.d, p) {
			l.because("the forwarding table agrees")
			return
		}
	}
	own := 0
	if d.facts != nil {
		own = d.facts.byMAC(m, "")
	}
	strange := 0 // addresses behind the port that are not the device's
	for other := range maps.Keys(br.ports[p]) {
		if !slices.Contains(d.MACs, other) {
			strange++
		}
	}
	l := &Link{a: br.d, b: d, ai: p, bi: own, fdb: true}
	switch {
	case b.taken(br.d, p):
		return // it stands behind what the port leads to
	case strange == 0:
		l.Confidence, l.Why = Medium, []string{fmt.Sprintf("the only hardware address behind the port is its own (%s)", m)}
	default:
		l.Confidence, l.shared = Low, true
		l.Why = []string{fmt.Sprintf("learned behind the port together with %d other hardware addresses: something between is not known", strange)}
	}
	b.links = append(b.links, l)
}
