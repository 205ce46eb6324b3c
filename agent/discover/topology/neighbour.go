package topology

import (
	"slices"
	"strings"
)

// sighting is a neighbour that a device heard and that is known.
type sighting struct {
	n      *Neighbour
	a, b   *Device
	ai, bi int
	at     string // the port's name where ai is 0
	peer   string // the neighbour's port where bi is 0
}

// hear makes links of what devices heard by LLDP and CDP.
func (b *builder) hear() {
	var seen []*sighting
	for _, d := range b.devices {
		if d.facts == nil {
			continue
		}
		for k := range d.facts.Neighbours {
			if s := b.sight(d, &d.facts.Neighbours[k]); s != nil {
				seen = append(seen, s)
			}
		}
	}
	// The surest first: they decide what the others are.
	slices.SortStableFunc(seen, func(x, y *sighting) int { return y.known() - x.known() })
	for _, s := range seen {
		b.join(s)
	}
	b.crowds(seen)
	for _, l := range b.links {
		l.judge()
	}
	b.contradictions()
}

func (s *sighting) known() int {
	n := 0
	if s.ai != 0 {
		n++
	}
	if s.bi != 0 {
		n++
	}
	if s.n.Protocol == "lldp" {
		n += 4
	}
	return n
}

// sight finds out who a neighbour is; one that is not known becomes a stranger.
func (b *builder) sight(d *Device, n *Neighbour) *sighting {
	s := &sighting{n: n, a: d, ai: d.facts.heardAt(n)}
	s.at = d.portName(s.ai, d.facts.localText(n))
	s.b = b.who(d, s.at, n)
	switch s.b {
	case nil:
		b.strange(s)
		return nil
	case d:
		b.conflict("port", []*Device{d}, "%s hears itself on port %s by %s: a loop, or a cable between two of its own ports", d.label(), s.at, strings.ToUpper(n.Protocol))
		return nil
	}
	s.b.caps |= n.Caps
	if f := s.b.facts; f != nil {
		s.bi = f.find(n.PortID, n.PortDescr)
	}
	if s.bi == 0 {
		s.peer = firstOf(n.PortID.Text, n.PortDescr)
		if n.PortID.Kind == IDMAC || n.PortID.Kind == IDAddress {
			s.peer = firstOf(n.PortDescr, n.PortID.Text)
		}
	}
	return s
}

// who returns the device that a neighbour is: by its chassis, its addresses, its
// name or its port's hardware address, in this order.
func (b *builder) who(d *Device, port string, n *Neighbour) *Device {
	byChassis := b.byMAC[n.Chassis.MAC]
	if n.Chassis.Kind == IDAddress {
		byChassis = b.byAddress[n.Chassis.Address]
	}
	var byAddress *Device
	for _, a := range n.Addresses {
		if byAddress = b.byAddress[a]; byAddress != nil {
			break
		}
	}
	byName := b.named(n)
	if byChassis != nil {
		if byName != nil && byName != byChassis && plainName(n.Name) != plainName(byChassis.label()) {
			b.conflict("identity", []*Device{d, byChassis, byName}, "on port %s %s hears the chassis of %s under the name of %s", port, d.label(), byChassis.label(), byName.label())
		}
		return byChassis
	}
	if byName != nil && byAddress != nil && byName != byAddress {
		b.conflict("identity", []*Device{d, byAddress, byName}, "on port %s %s hears the address of %s under the name of %s", port, d.label(), byAddress.label(), byName.label())
		if b.silentAt(byAddress) {
			return byName
		}
	}
	for _, found := range []*Device{byAddress, byName, b.byMAC[n.PortID.MAC]} {
		if found != nil {
			return found
		}
	}
	return nil
}

// silentAt tells whether nothing is known of a device but its address.
func (b *builder) silentAt(d *Device) bool { return d.facts == nil }

// named returns the only device of the neighbour's name. CDP adds a domain, or a
// serial number in brackets.
func (b *builder) named(n *Neighbour) *Device {
	for _, text := range []string{n.Name, n.Chassis.nameText()} {
		name, rest, _ := strings.Cut(text, "(")
		found := b.byName[plainName(name)]
		if plainName(name) == "" {
			continue
		}
		if len(found) == 1 {
			return found[0]
		}
		serial := strings.TrimSuffix(rest, ")")
		for _, d := range found {
			if serial != "" && d.Serial == serial {
				return d
			}
		}
	}
	return nil
}

// nameText is the chassis' name where it has one.
func (id ID) nameText() string {
	if id.Kind == IDName {
		return id.Text
	}
	return ""
}

// strange notes a neighbour that did not answer the sweep; LLDP and CDP often
// tell of the same.
func (b *builder) strange(s *sighting) {
	n := s.n
	st := Stranger{Name: n.Name, Chassis: n.Chassis.Text, Descr: n.Descr, Addresses: n.Addresses, Port: firstOf(n.PortID.Text, n.PortDescr), Protocol: n.Protocol,
		At: End{Port: s.at}, at: s.a}
	for i := range b.strangers {
		o := &b.strangers[i]
		if o.at == st.at && o.At.Port == st.At.Port && (plainName(o.Name) == plainName(st.Name) && st.Name != "" || o.Chassis == st.Chassis && st.Chassis != "") {
			o.Name, o.Chassis, o.Descr, o.Port = firstOf(o.Name, st.Name), firstOf(o.Chassis, st.Chassis), firstOf(o.Descr, st.Descr), firstOf(o.Port, st.Port)
			for _, a := range st.Addresses {
				if !slices.Contains(o.Addresses, a) {
					o.Addresses = append(slices.Clone(o.Addresses), a)
				}
			}
			return
		}
	}
	b.strangers = append(b.strangers, st)
}
