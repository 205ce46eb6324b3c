package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// lead says of every device which port leads where. A port leads to one device:
// of several links the surest counts.
func (b *builder) lead() {
	for _, d := range b.devices {
		best := map[string]*Link{}
		for _, l := range b.links {
			name := l.portAt(d)
			if name == "" || l.routed || l.beyond || l.shared {
				continue
			}
			was := best[name]
			if was == nil {
				best[name] = l
				continue
			}
			if l.Confidence.rank() > was.Confidence.rank() {
				best[name], l, was = l, was, l
			} else {
				was = best[name]
			}
			if l.other(d) != was.other(d) && l.Confidence.rank() >= Medium.rank() {
				b.conflict("port", []*Device{d, l.other(d), was.other(d)}, "port %s of %s leads to %s (%s) and to %s (%s)", name, d.label(),
					best[name].other(d).label(), best[name].Confidence, l.other(d).label(), l.Confidence)
			}
		}
		for name, l := range best {
			peer := l.portAt(l.other(d))
			d.Leads = append(d.Leads, Lead{Port: name, To: l.other(d).ID, Peer: peer, Confidence: l.Confidence, Why: strings.Join(l.Why, "; ")})
		}
		slices.SortFunc(d.Leads, func(x, y Lead) int { return comparePorts(x.Port, y.Port) })
	}
}

// other returns the device at the other end.
func (l *Link) other(d *Device) *Device {
	if l.a == d {
		return l.b
	}
	return l.a
}

// portAt returns the port's name at a device, "" where it is not known or the
// link is another's.
func (l *Link) portAt(d *Device) string {
	switch d {
	case l.a:
		return d.portName(l.ai, l.A.Port)
	case l.b:
		return d.portName(l.bi, l.B.Port)
	}
	return ""
}

// comparePorts orders port names by their numbers: 1/0/2 before 1/0/10.
func comparePorts(x, y string) int {
	digits := func(s string) int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	for x != "" && y != "" {
		i, j := digits(x), digits(y)
		if i > 0 && j > 0 {
			a, c := strings.TrimLeft(x[:i], "0"), strings.TrimLeft(y[:j], "0")
			if d := cmp.Or(cmp.Compare(len(a), len(c)), strings.Compare(a, c)); d != 0 {
				return d
			}
			x, y = x[i:], y[j:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Compare(len(x), len(y))
}

// climb finds the root and says by way of what each device is reached.
func (b *builder) climb() {
	b.root = b.findRoot()
	if b.root == nil {
		return
	}
	b.spread([]*Device{b.root}, 0, Medium)
	b.spreadOn(Medium)
	b.spread(b.reached(), -1, Low)
	for _, island := range b.islands() {
		b.land(island)
	}
	for _, d := range b.devices {
		b.parents(d)
	}
	slices.SortStableFunc(b.devices, func(x, y *Device) int {
		return cmp.Or(cmp.Compare(uint(x.depth), uint(y.depth)), strings.Compare(x.ID, y.ID))
	})
}

// reached are the devices that have a depth.
func (b *builder) reached() []*Device {
	var all []*Device
	for _, d := range b.devices {
		if d.depth >= 0 {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(x, y *Device) int { return cmp.Compare(x.depth, y.depth) })
	return all
}

// spread gives depths, beginning at some devices, along links that are at least
// so sure; depth is that of the first ones, -1: they have theirs. Nothing is
// reached by way of what passes nothing on.
func (b *builder) spread(from []*Device, depth int, least Confidence) {
	for _, d := range from {
		if depth >= 0 {
			d.depth = depth
		}
	}
	for len(from) > 0 {
		d := from[0]
		from = from[1:]
		if !d.passes() && d != b.root {
			continue
		}
		for _, l := range b.links {
			if (l.a != d && l.b != d) || l.Confidence.rank() < least.rank() {
				continue
			}
			if o := l.other(d); o.depth < 0 {
				o.depth = d.depth + 1
				from = append(from, o)
			}
		}
	}
}

// spreadOn goes on through devices of which it is not known that they pass
// something on, where nothing else leads to what is behind them.
func (b *builder) spreadOn(least Confidence) {
	for again := true; again; {
		again = false
		for _, l := range b.links {
			if l.Confidence.rank() < least.rank() || (l.a.depth < 0) == (l.b.depth < 0) {
				continue
			}
			near, far := l.a, l.b
			if near.depth < 0 {
				near, far = far, near
			}
			far.depth, again = near.depth+1, true
			b.spread([]*Device{far}, -1, least)
		}
	}
}

// passes tells whether others may be reached by way of a device.
func (d *Device) passes() bool {
	return d.Kind == kindRouter || d.Kind == kindSwitch || d.Kind == kindFirewall || d.Kind == kindOther && d.caps&(CapBridge|CapRouter) != 0
}

// findRoot returns the device everything is reached through: the one that was
// named, else this machine's gateway, else the gateway of most, else the one
// with most links.
func (b *builder) findRoot() *Device {
	switch b.sweep.Root {
	case "":
		if d := b.byAddress[b.sweep.Self.Gateway]; d != nil {
			return d
		}
	case RootSelf:
		for _, d := range b.devices {
			if d.IsSelf {
				return d
			}
		}
	default:
		for _, d := range b.devices {
			if d.ID == b.sweep.Root || plainName(d.Name) == plainName(b.sweep.Root) || slices.ContainsFunc(d.Addresses, func(a netip.Addr) bool { return a.String() == b.sweep.Root }) {
				return d
			}
		}
		b.conflict("place", nil, "the root %s did not answer: another was chosen", b.sweep.Root)
	}
	score := map[*Device]int{}
	for _, d := range b.devices {
		for _, a := range d.gateways(&b.sweep.Self) {
			if g := b.byAddress[a]; g != nil && g != d {
				score[g] += 1000
			}
		}
	}
	for _, l := range b.links {
		for _, d := range []*Device{l.a, l.b} {
			if d.passes() {
				score[d]++
			}
		}
	}
	var best *Device
	for _, d := range b.devices {
		if score[d] > score[best] {
			best = d
		}
	}
	return best
}

// parents says by way of which devices one step nearer a device is reached: of
// the surest kind of link all of them.
func (b *builder) parents(d *Device) {
	if d.depth <= 0 {
		return
	}
	sure := func(c Confidence) bool { return c.rank() >= Medium.rank() }
	var ups []*Link
	for _, l := range b.links {
		if (l.a == d || l.b == d) && l.other(d).depth == d.depth-1 {
			ups = append(ups, l)
		}
	}
	if slices.ContainsFunc(ups, func(l *Link) bool { return sure(l.Confidence) }) {
		ups = slices.DeleteFunc(ups, func(l *Link) bool { return !sure(l.Confidence) })
	}
	p := Parent{}
	var why []string
	for _, l := range ups {
		o := l.other(d)
		if !slices.Contains(p.AnyOf, o.ID) {
			p.AnyOf = append(p.AnyOf, o.ID)
			if port := l.portAt(o); port != "" {
				why = append(why, fmt.Sprintf("%s %s: %s", o.ID, port, strings.Join(l.Why, ", ")))
			} else {
				why = append(why, fmt.Sprintf("%s: %s", o.ID, strings.Join(l.Why, ", ")))
			}
		}
		if p.Confidence == "" || l.Confidence.rank() > p.Confidence.rank() {
			p.Confidence = l.Confidence
		}
	}
	slices.Sort(p.AnyOf)
	if p.Why = strings.Join(why, "; "); len(p.AnyOf) > 0 {
		d.Parents = append(d.Parents, p)
	}
}
