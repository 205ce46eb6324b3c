package topology

import (
	"cmp"
	"slices"
)

// islands are the groups of devices that are linked with each other but not with
// the root; those with most devices first.
func (b *builder) islands() [][]*Device {
	seen := map[*Device]bool{}
	var all [][]*Device
	for _, d := range b.devices {
		if d.depth >= 0 || seen[d] {
			continue
		}
		seen[d] = true
		island := []*Device{d}
		for k := 0; k < len(island); k++ {
			for _, l := range b.links {
				if l.a != island[k] && l.b != island[k] {
					continue
				}
				if o := l.other(island[k]); !seen[o] && o.depth < 0 {
					seen[o] = true
					island = append(island, o)
				}
			}
		}
		all = append(all, island)
	}
	slices.SortStableFunc(all, func(x, y []*Device) int { return len(y) - len(x) })
	return all
}

// land ties an island to what is reached: by the gateway of one of its devices,
// those that pass most on first. An island nobody's gateway of which is known
// hangs on its own best device.
func (b *builder) land(island []*Device) {
	links := map[*Device]int{}
	for _, l := range b.links {
		links[l.a]++
		links[l.b]++
	}
	rank := func(d *Device) int {
		n := links[d]
		if d.passes() {
			n += 10_000
		}
		if slices.Contains(d.Roles, roleGateway) {
			n += 100_000
		}
		return n
	}
	slices.SortStableFunc(island, func(x, y *Device) int { return cmp.Compare(rank(y), rank(x)) })
	for _, d := range island {
		if l := b.gateway(d); l != nil && l.a.depth >= 0 {
			if !slices.ContainsFunc(b.between(l.a, d), func(o *Link) bool { return o.routed }) {
				b.links = append(b.links, l)
			}
			d.depth = l.a.depth + 1
			b.spread([]*Device{d}, -1, Low)
			return
		}
	}
	if len(island) > 1 {
		b.spread(island[:1], 0, Low)
	}
}
