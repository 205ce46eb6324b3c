package topology

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// hidden tells whether an interface belongs to what runs inside of a machine:
// its addresses repeat on other machines.
func hidden(i *Interface) bool {
	n := strings.ToLower(i.name())
	for _, prefix := range []string{"docker", "br-", "virbr", "veth", "cni", "flannel", "cali", "vnet", "lxc", "lxdbr", "podman", "kube-"} {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// name is what an interface is called in inventories and series.
func (i *Interface) name() string { return cmp.Or(i.Name, i.Descr) }

// at returns the interface of an ifIndex, or nil.
func (f *Facts) at(index int) *Interface {
	if index <= 0 {
		return nil
	}
	for k := range f.Interfaces {
		if f.Interfaces[k].Index == index {
			return &f.Interfaces[k]
		}
	}
	return nil
}

// macs are the hardware addresses that are the device's own.
func (f *Facts) macs() []MAC {
	var all []MAC
	add := func(m MAC) {
		if m.Own() && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	add(f.BridgeMAC)
	add(f.Chassis.MAC)
	for i := range f.Interfaces {
		if !hidden(&f.Interfaces[i]) {
			add(f.Interfaces[i].MAC)
		}
	}
	return all
}

// usable are the addresses that others can reach.
func (f *Facts) usable() []OwnAddress {
	var all []OwnAddress
	for _, o := range f.Addresses {
		a := o.Prefix.Addr()
		if !a.IsValid() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] == 255) {
			continue
		}
		if i := f.at(o.Interface); i != nil && hidden(i) {
			continue
		}
		all = append(all, o)
	}
	return all
}

// makeDevices makes devices of the joined hosts.
func (m *merger) makeDevices() {
	groups := map[int][]int{}
	for i := range m.hosts {
		groups[m.set.root(i)] = append(groups[m.set.root(i)], i)
	}
	of := make([]*Device, len(m.hosts))
	for i := range m.hosts {
		if m.set.root(i) != i {
			continue
		}
		d := &Device{depth: -1, Because: m.reasons(i)}
		for _, k := range groups[i] {
			of[k] = d
			d.take(m.hosts[k])
		}
		if m.self >= 0 && m.set.root(m.self) == i {
			d.takeSelf(&m.sweep.Self)
		}
		m.devices = append(m.devices, d)
	}
	busy := m.busy()
	for _, d := range m.devices {
		m.finish(d, busy)
	}
	for _, c := range m.later {
		var ds []*Device
		for _, i := range c.hosts {
			if d := of[i]; !slices.Contains(ds, d) {
				ds = append(ds, d)
			}
		}
		m.conflict(c.kind, ds, "%s", c.text)
	}
}

// reasons tells why the hosts of a root are one device.
func (m *merger) reasons(root int) []string {
	var order []string
	by := map[string][]netip.Addr{}
	for _, x := range m.set.joined {
		if m.set.root(x.i) != root {
			continue
		}
		if by[x.why] == nil {
			order = append(order, x.why)
		}
		for _, k := range []int{x.i, x.j} {
			if a := m.hosts[k].Address; !slices.Contains(by[x.why], a) {
				by[x.why] = append(by[x.why], a)
			}
		}
	}
	for i, why := range order {
		var texts []string
		slices.SortFunc(by[why], netip.Addr.Compare)
		for _, a := range by[why] {
			texts = append(texts, a.String())
		}
		order[i] = strings.Join(texts, ", ") + ": " + why
	}
	return order
}

// take adds a host to a device. Of several that tell of themselves the one with
// most interfaces counts.
func (d *Device) take(h *Host) {
	d.hosts = append(d.hosts, h)
	d.Answered = append(d.Answered, h.Address)
	if h.Facts != nil && (d.facts == nil || len(h.Facts.Interfaces) > len(d.facts.Interfaces)) {
		d.facts = h.Facts
	}
	if rank := []string{"", "tcp", "icmp", "snmp"}; slices.Index(rank, h.Heard) > slices.Index(rank, d.Heard) {
		d.Heard = h.Heard
	}
	for _, p := range h.Ports {
		if !slices.Contains(d.Ports, p) {
			d.Ports = append(d.Ports, p)
		}
	}
	slices.Sort(d.Ports)
	if d.Name == "" {
		d.Name = h.Name
	}
	if h.RTT > 0 && !d.Pinged.IsValid() {
		d.Pinged = h.Address
	}
	if h.Refused != "" {
		d.Problems = append(d.Problems, h.Address.String()+" speaks SNMP, but "+h.Refused)
	}
}

func (d *Device) takeSelf(s *Self) {
	d.IsSelf = true
	if d.Name == "" {
		d.Name = s.Name
	}
	for _, m := range s.MACs {
		if m.Own() {
			d.MACs = append(d.MACs, m)
		}
	}
	for _, n := range s.Networks {
		d.own = append(d.own, OwnAddress{Prefix: n})
	}
}

// finish works out a device's names and addresses.
func (b *builder) finish(d *Device, busy map[MAC]bool) {
	if f := d.facts; f != nil {
		d.Vendor, d.Model, d.Version, d.Serial = f.Vendor, f.Model, f.Version, f.Serial
		d.Class, d.Profile, d.Location, d.Descr = f.Class, f.Profile, f.Location, f.SysDescr
		d.Credential, d.Asked, d.Spoken = f.Credential, f.Asked, f.Spoken
		d.Problems = append(d.Problems, f.Problems...)
		d.own = append(d.own, f.usable()...)
		if f.SysName != "" {
			d.Name = f.SysName
		}
	}
	for _, h := range d.hosts {
		if h.Facts != nil {
			for _, m := range h.Facts.macs() {
				if !slices.Contains(d.MACs, m) {
					d.MACs = append(d.MACs, m)
				}
			}
		}
	}
	if d.facts == nil && !d.IsSelf {
		b.arpMACs(d, busy)
	}
	slices.SortFunc(d.MACs, MAC.Compare)
}

// arpMACs gives a device that tells nothing of itself the hardware address that
// ARP knows.
func (b *builder) arpMACs(d *Device, busy map[MAC]bool) {
	for _, a := range d.Answered {
		macs := b.macs(a, busy)
		if len(macs) == 0 || busy[macs[0]] {
			continue
		}
		if len(macs) > 1 {
			b.conflict("address", []*Device{d}, "address %s has two hardware addresses by ARP, %s and %s: it was given to two machines, or one was replaced", a, macs[0], macs[1])
		}
		if !slices.Contains(d.MACs, macs[0]) {
			d.MACs = append(d.MACs, macs[0])
		}
	}
}

// index makes the maps by which neighbours are found. What would lead to two
// devices leads to none.
func (b *builder) index() {
	var twice []MAC
	for _, d := range b.devices {
		for _, m := range d.MACs {
			if other := b.byMAC[m]; other != nil {
				b.conflict("hardware_address", []*Device{other, d}, "%s and %s both have the hardware address %s", other.label(), d.label(), m)
				twice = append(twice, m)
			}
			b.byMAC[m] = d
		}
		if d.facts != nil && d.facts.SysName != "" {
			b.byName[plainName(d.facts.SysName)] = append(b.byName[plainName(d.facts.SysName)], d)
		} else if d.Name != "" {
			b.byName[plainName(d.Name)] = append(b.byName[plainName(d.Name)], d)
		}
	}
	for _, m := range twice {
		delete(b.byMAC, m)
	}
	b.indexAddresses()
}

// indexAddresses gives every address one owner: who answered at it, else the
// only one in whose table it stands.
func (b *builder) indexAddresses() {
	claims := map[netip.Addr][]*Device{}
	for _, d := range b.devices {
		for _, a := range d.Answered {
			b.byAddress[a] = d
		}
		for _, o := range d.own {
			if a := o.Prefix.Addr(); !slices.Contains(claims[a], d) {
				claims[a] = append(claims[a], d)
			}
		}
	}
	for _, a := range sortedAddresses(claims) {
		by := claims[a]
		switch owner := b.byAddress[a]; {
		case owner == nil && len(by) == 1:
			b.byAddress[a] = by[0]
		case owner == nil:
			b.conflict("address", by, "address %s stands in the address tables of %s, and none answers there", a, labels(by...))
		}
	}
	for _, d := range b.devices {
		d.Addresses = b.addressesOf(d)
	}
}

// addressesOf lists a device's addresses, the one to poll first: one that
// answers SNMP before one that does not, a router's loopback before a port.
func (b *builder) addressesOf(d *Device) []netip.Addr {
	all := slices.Clone(d.Answered)
	for _, o := range d.own {
		if a := o.Prefix.Addr(); b.byAddress[a] == d && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	score := func(a netip.Addr) int {
		n := 0
		for _, h := range d.hosts {
			if h.Address == a {
				n += 4
				if h.Facts != nil {
					n += 8
				}
			}
		}
		if d.facts != nil && d.facts.Forwards {
			for _, o := range d.own {
				if i := d.facts.at(o.Interface); o.Prefix.Addr() == a && i != nil && i.Type == ifLoopback {
					n += 2
				}
			}
		}
		if a.Is4() {
			n++
		}
		return n
	}
	slices.SortStableFunc(all, func(x, y netip.Addr) int { return cmp.Or(score(y)-score(x), x.Compare(y)) })
	for _, h := range d.hosts {
		if h.Address == all[0] && h.RTT > 0 {
			d.Pinged = all[0]
		}
		if h.Address == all[0] && h.Facts != nil {
			d.Asked, d.Credential, d.Spoken = h.Facts.Asked, h.Facts.Credential, h.Facts.Spoken
		}
	}
	return all
}

// Types of interfaces (IANAifType-MIB).
const (
	ifEthernet = 6
	ifLoopback = 24
)

func sortedAddresses[V any](m map[netip.Addr]V) []netip.Addr {
	all := make([]netip.Addr, 0, len(m))
	for a := range m {
		all = append(all, a)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// plainName is a system's name for comparing: without its domain, in lower case.
func plainName(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if _, err := netip.ParseAddr(name); err == nil {
		return name
	}
	host, _, _ := strings.Cut(name, ".")
	return host
}
