package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// conclude makes links of addresses: two routers at the ends of a network that
// has room for two, and whatever has no link at all with its gateway.
func (b *builder) conclude() {
	b.pairs()
	linked := map[*Device]bool{}
	for _, l := range b.links {
		linked[l.a], linked[l.b] = true, true
	}
	for _, d := range b.devices {
		if !linked[d] {
			if l := b.gateway(d); l != nil {
				b.links = append(b.links, l)
			}
		}
	}
}

// pairs links devices that share a network of two addresses.
func (b *builder) pairs() {
	type stand struct {
		d     *Device
		index int
	}
	ends := map[netip.Prefix][]stand{}
	for _, d := range b.devices {
		if d.facts == nil {
			continue
		}
		for _, o := range d.facts.usable() {
			room := o.Prefix.Addr().BitLen() - o.Prefix.Bits()
			if i := d.facts.at(o.Interface); (room == 1 || room == 2) && i != nil && i.Up {
				p := o.Prefix.Masked()
				ends[p] = append(ends[p], stand{d, o.Interface})
			}
		}
	}
	for _, p := range sortedPrefixes(ends) {
		e := ends[p]
		if len(e) != 2 || e[0].d == e[1].d {
			continue
		}
		known := b.between(e[0].d, e[1].d)
		if i := slices.IndexFunc(known, func(l *Link) bool { return l.agrees(e[0].d, e[0].index) && l.agrees(e[1].d, e[1].index) }); i >= 0 {
			known[i].because(fmt.Sprintf("both have an address in %s", p))
			continue
		}
		b.links = append(b.links, &Link{a: e[0].d, b: e[1].d, ai: e[0].index, bi: e[1].index, Confidence: Low,
			Why: []string{fmt.Sprintf("both have an address in %s; if a carrier's line is between, describe it under lines", p)}})
	}
}

func sortedPrefixes[V any](m map[netip.Prefix]V) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(m))
	for p := range m {
		all = append(all, p)
	}
	slices.SortFunc(all, func(x, y netip.Prefix) int { return x.Addr().Compare(y.Addr()) })
	return all
}

// gateway returns a link to what a device is reached by way of, or nil: a router,
// or the switch to which the router's port leads.
func (b *builder) gateway(d *Device) *Link {
	l := b.router(d)
	if l == nil {
		return nil
	}
	if s := b.behind(l.a, l.ai); s != nil && s != d && l.a != d {
		l.because(fmt.Sprintf("port %s of %s leads to %s", l.a.portName(l.ai, ""), l.a.label(), s.label()))
		l.a, l.ai = s, 0
	}
	return l
}

// behind returns the switch that is surely all that a router's port leads to.
func (b *builder) behind(r *Device, index int) *Device {
	if r.facts == nil || r.facts.at(index) == nil {
		return nil
	}
	i := r.facts.at(index)
	if base, _, found := strings.Cut(i.name(), "."); found { // a VLAN on a port
		index = r.facts.byText(base)
	}
	for _, l := range b.links {
		at, other := l.ai, l.b
		if l.b == r {
			at, other = l.bi, l.a
		}
		if (l.a == r || l.b == r) && at != 0 && at == index && l.Confidence.rank() >= Medium.rank() && !l.shared && other.Kind == kindSwitch {
			return other
		}
	}
	return nil
}

// router returns a link to the router by way of which a device is reached, or
// nil: its own default gateway, else a router that has it in ARP, else the only
// one that has its network on a port.
func (b *builder) router(d *Device) *Link {
	for _, a := range d.gateways(&b.sweep.Self) {
		if g := b.byAddress[a]; g != nil && g != d {
			return &Link{a: g, b: d, ai: g.indexOf(a), Confidence: Low, routed: true, Why: []string{fmt.Sprintf("its default gateway is %s", a)}}
		}
	}
	if l := b.neighbouring(d); l != nil {
		return l
	}
	var fits []*Link
	for _, r := range b.devices {
		if r == d || r.facts == nil || !r.facts.Forwards {
			continue
		}
		if o, ok := r.facing(d); ok {
			fits = append(fits, &Link{a: r, b: d, ai: o.Interface, Confidence: Low, routed: true, Why: []string{fmt.Sprintf("its network %s is on this port", o.Prefix.Masked())}})
		}
	}
	if len(fits) == 1 {
		return fits[0]
	}
	return nil
}

// neighbouring returns a link to the router that has the device in ARP on the
// port of its network.
func (b *builder) neighbouring(d *Device) *Link {
	for _, a := range d.Answered {
		for _, m := range b.arp[a] {
			for _, h := range m.by {
				if h == nil || h.Facts == nil || !h.Facts.Forwards {
					continue
				}
				r := b.byAddress[h.Address]
				if r == nil || r == d {
					continue
				}
				if o, ok := r.facing(d); ok {
					return &Link{a: r, b: d, ai: o.Interface, Confidence: Low, routed: true, Why: []string{fmt.Sprintf("%s is in its ARP table", a)}}
				}
			}
		}
	}
	return nil
}

// gateways are the next hops of a device's default routes.
func (d *Device) gateways(s *Self) []netip.Addr {
	var all []netip.Addr
	if d.IsSelf && s.Gateway.IsValid() {
		all = append(all, s.Gateway)
	}
	if d.facts != nil {
		all = append(all, d.facts.Gateways...)
	}
	return all
}

// facing returns a router's address in the network of another device.
func (d *Device) facing(other *Device) (OwnAddress, bool) {
	for _, o := range d.facts.usable() {
		if o.Prefix.IsSingleIP() {
			continue
		}
		for _, a := range other.Answered {
			if o.Prefix.Contains(a) && o.Prefix.Addr() != a {
				return o, true
			}
		}
	}
	return OwnAddress{}, false
}

// indexOf returns the ifIndex of the interface with an address, 0 where none is
// known.
func (d *Device) indexOf(a netip.Addr) int {
	for _, o := range d.own {
		if o.Prefix.Addr() == a {
			return o.Interface
		}
	}
	return 0
}
