package topology

import (
	"net/netip"
	"slices"
)

// heardMAC is a hardware address that ARP knows for an address.
type heardMAC struct {
	mac MAC
	by  []*Host // that said so; nil stands for the machine that swept
}

// readARP gathers what all devices know of hardware addresses.
func (b *builder) readARP() {
	b.arp = map[netip.Addr][]heardMAC{}
	for _, e := range b.sweep.Self.ARP {
		b.heardARP(e, nil)
	}
	for _, h := range b.hosts {
		if h.Facts == nil {
			continue
		}
		for _, e := range h.Facts.ARP {
			if i := h.Facts.at(e.Interface); i == nil || !hidden(i) {
				b.heardARP(e, h)
			}
		}
	}
}

func (b *builder) heardARP(e ARPEntry, by *Host) {
	if e.MAC == (MAC{}) || e.MAC[0]&1 == 1 || !e.Address.IsValid() {
		return
	}
	all := b.arp[e.Address]
	if i := slices.IndexFunc(all, func(m heardMAC) bool { return m.mac == e.MAC }); i >= 0 {
		all[i].by = append(all[i].by, by)
		return
	}
	b.arp[e.Address] = append(all, heardMAC{e.MAC, []*Host{by}})
}

// proxied bounds how many addresses one hardware address may stand for before
// it is taken for a router's that answers for others.
const proxied = 8

// macs returns the hardware addresses of an address that may be its device's
// own, those that most say first. What a router answers for others (proxy ARP)
// is left out where something better is known.
func (b *builder) macs(a netip.Addr, routers map[MAC]bool) []MAC {
	var own, doubtful []heardMAC
	for _, m := range b.arp[a] {
		switch {
		case !m.mac.Own():
		case routers[m.mac]:
			doubtful = append(doubtful, m)
		default:
			own = append(own, m)
		}
	}
	if len(own) == 0 {
		own = doubtful
	}
	slices.SortStableFunc(own, func(x, y heardMAC) int {
		if d := len(y.by) - len(x.by); d != 0 {
			return d
		}
		return x.mac.Compare(y.mac)
	})
	out := make([]MAC, len(own))
	for i := range own {
		out[i] = own[i].mac
	}
	return out
}

// busy are the hardware addresses that stand for so many addresses that a router
// answers for others by them.
func (b *builder) busy() map[MAC]bool {
	count := map[MAC]int{}
	for _, all := range b.arp {
		for _, m := range all {
			count[m.mac]++
		}
	}
	many := map[MAC]bool{}
	for m, n := range count {
		if n > proxied {
			many[m] = true
		}
	}
	return many
}
