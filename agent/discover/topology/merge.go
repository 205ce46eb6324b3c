package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// set joins hosts that are one device (union-find).
type set struct {
	parent []int
	joined []joined
}

// joined is why two hosts are one device.
type joined struct {
	i, j int
	why  string
}

func newSet(n int) *set {
	s := &set{parent: make([]int, n)}
	for i := range s.parent {
		s.parent[i] = i
	}
	return s
}

func (s *set) root(i int) int {
	for s.parent[i] != i {
		s.parent[i] = s.parent[s.parent[i]]
		i = s.parent[i]
	}
	return i
}

func (s *set) join(i, j int, why string) {
	x, y := s.root(i), s.root(j)
	if x == y {
		return
	}
	s.joined = append(s.joined, joined{i, j, why})
	s.parent[max(x, y)] = min(x, y)
}

// merger finds out which addresses are one device.
type merger struct {
	*builder
	set   *set
	place map[netip.Addr]int // of hosts
	self  int                // host that is the machine that swept, -1: none
	later []clash
}

// clash is a conflict between hosts, told once devices are known.
type clash struct {
	kind, text string
	hosts      []int
}

// merge makes devices of hosts.
func (b *builder) merge() {
	m := &merger{builder: b, set: newSet(len(b.hosts)), place: map[netip.Addr]int{}, self: -1}
	for i, h := range b.hosts {
		m.place[h.Address] = i
	}
	m.joinSelf()
	m.joinAgents()
	m.joinByTable()
	m.joinSilent()
	m.makeDevices()
}

func (m *merger) joinSelf() {
	for _, n := range m.sweep.Self.Networks {
		i, ok := m.place[n.Addr()]
		switch {
		case !ok:
		case m.self < 0:
			m.self = i
		default:
			m.set.join(m.self, i, "of the machine that swept")
		}
	}
}

// key is one reason for which hosts that answer SNMP may be one device.
type key struct{ what, value string }

// keys returns the reasons of one host, the surest first.
func keys(f *Facts) []key {
	var all []key
	named := f.SysName + "\x00" + f.SysObjectID
	if solid(f.Serial) && f.SysName != "" {
		all = append(all, key{"name and serial number", f.SysName + "\x00" + f.Serial})
	}
	if len(f.EngineID) >= 10 && f.SysName != "" {
		all = append(all, key{"name and engine ID", named + "\x00" + f.EngineID})
	}
	for _, mac := range f.macs() {
		if f.SysName != "" {
			all = append(all, key{"name and hardware address", named + "\x00" + mac.String()})
		} else {
			all = append(all, key{"description and hardware address", f.SysDescr + "\x00" + f.SysObjectID + "\x00" + mac.String()})
		}
	}
	return all
}

// solid tells whether a serial number can be one: makers leave all sorts of
// fillings there.
func solid(serial string) bool {
	s := strings.ToLower(strings.TrimSpace(serial))
	if len(s) < 4 || !strings.ContainsAny(s, "0123456789") || strings.Trim(s, s[:1]) == "" || strings.HasPrefix(s, "0123456789") || strings.HasPrefix(s, "123456789") {
		return false
	}
	return !slices.Contains([]string{"none", "null", "unknown", "default string", "not specified", "not available", "to be filled by o.e.m.", "system serial number"}, s)
}

// apart tells why two hosts cannot be one device, or "".
func apart(x, y *Facts) string {
	switch {
	case x.SysObjectID != y.SysObjectID && x.SysObjectID != "" && y.SysObjectID != "":
		return "their sysObjectIDs differ"
	case solid(x.Serial) && solid(y.Serial) && x.Serial != y.Serial:
		return fmt.Sprintf("their serial numbers differ (%s, %s)", x.Serial, y.Serial)
	}
	return ""
}

// joinAgents joins what answers SNMP with the same identity.
func (m *merger) joinAgents() {
	first := map[key]int{}
	engines, seen := map[string]int{}, map[[2]int]bool{}
	for i, h := range m.hosts {
		if h.Facts == nil {
			continue
		}
		for _, k := range keys(h.Facts) {
			j, known := first[k]
			if !known {
				first[k] = i
				continue
			}
			if why := apart(m.hosts[j].Facts, h.Facts); why == "" {
				m.set.join(j, i, "same "+k.what)
			} else if pair := [2]int{j, i}; !seen[pair] {
				seen[pair] = true
				m.clash("identity", []int{j, i}, "%s and %s have the same %s, yet %s: taken for two devices", m.hosts[j].Address, h.Address, k.what, why)
			}
		}
		if e := h.Facts.EngineID; len(e) >= 10 {
			if j, known := engines[e]; !known {
				engines[e] = i
			} else if m.set.root(i) != m.set.root(j) {
				m.clash("engine_id", []int{j, i}, "%s and %s have the same SNMP engine ID %s: SNMPv3 mixes them up; a configuration or disk was copied", m.hosts[j].Address, h.Address, e)
			}
		}
	}
}

func (m *merger) clash(kind string, hosts []int, format string, args ...any) {
	m.later = append(m.later, clash{kind, fmt.Sprintf(format, args...), hosts})
}

// joinByTable joins hosts whose addresses stand in the address table of one.
func (m *merger) joinByTable() {
	claims := map[netip.Addr][]int{}
	for i, h := range m.hosts {
		if h.Facts == nil {
			continue
		}
		for _, a := range h.Facts.usable() {
			if j, ok := m.place[a.Prefix.Addr()]; ok && j != i {
				claims[a.Prefix.Addr()] = append(claims[a.Prefix.Addr()], i)
			}
		}
	}
	for j, h := range m.hosts {
		by := claims[h.Address]
		slices.SortFunc(by, func(x, y int) int { return x - y })
		roots := map[int]bool{}
		for _, i := range by {
			roots[m.set.root(i)] = true
		}
		switch {
		case len(by) == 0:
		case h.Facts != nil:
			m.answeredByOther(j, by)
		case len(roots) == 1:
			m.set.join(by[0], j, "in one address table")
		default:
			m.clash("address", by, "address %s stands in the address tables of several devices", h.Address)
		}
	}
}

// answeredByOther handles an address of hosts at which an SNMP agent answers.
func (m *merger) answeredByOther(j int, by []int) {
	f := m.hosts[j].Facts
	for _, i := range by {
		g := m.hosts[i].Facts
		if m.set.root(i) == m.set.root(j) {
			continue
		}
		if why := apart(f, g); why == "" && f.SysName == g.SysName {
			m.set.join(i, j, "in one address table, same name")
			continue
		}
		m.clash("address", []int{i, j}, "address %s stands in the address table of %s (%s), but %s answers there", m.hosts[j].Address, g.SysName, m.hosts[i].Address, f.SysName)
	}
}

// joinSilent joins what does not answer SNMP to the device with its hardware
// address.
func (m *merger) joinSilent() {
	owner, twice := map[MAC]int{}, map[MAC]bool{}
	own := func(mac MAC, i int) {
		if j, known := owner[mac]; known && m.set.root(j) != m.set.root(i) {
			twice[mac] = true
		}
		owner[mac] = i
	}
	for i, h := range m.hosts {
		if h.Facts != nil {
			for _, mac := range h.Facts.macs() {
				own(mac, i)
			}
		}
	}
	for _, mac := range m.sweep.Self.MACs {
		if m.self >= 0 && mac.Own() {
			own(mac, m.self)
		}
	}
	busy := m.busy()
	for i, h := range m.hosts {
		if h.Facts != nil || i == m.self {
			continue
		}
		macs := m.macs(h.Address, busy)
		if len(macs) == 0 || busy[macs[0]] || twice[macs[0]] {
			continue
		}
		if j, known := owner[macs[0]]; known {
			m.set.join(j, i, "same hardware address "+macs[0].String())
		} else {
			owner[macs[0]] = i
		}
	}
}
