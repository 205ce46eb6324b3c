package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Propose concludes from a sweep what there is and how it hangs together. The
// sweep is not changed; the result depends on nothing else, not on the order of
// the hosts either.
func Propose(s *Sweep) *Proposal {
	b := &builder{sweep: s, byAddress: map[netip.Addr]*Device{}, byMAC: map[MAC]*Device{}, byName: map[string][]*Device{}}
	b.hosts = make([]*Host, len(s.Hosts))
	for i := range s.Hosts {
		b.hosts[i] = &s.Hosts[i]
	}
	slices.SortFunc(b.hosts, func(x, y *Host) int { return x.Address.Compare(y.Address) })
	b.readARP()
	b.merge()
	b.index()
	b.hear()
	b.learn()
	b.classify()
	b.conclude()
	b.name()
	b.lead()
	b.climb()
	return b.proposal()
}

// builder is a proposal being made.
type builder struct {
	sweep   *Sweep
	hosts   []*Host // by address
	arp     map[netip.Addr][]heardMAC
	devices []*Device

	byAddress map[netip.Addr]*Device
	byMAC     map[MAC]*Device
	byName    map[string][]*Device

	links     []*Link
	conflicts []Conflict
	strangers []Stranger
	root      *Device
}

// conflict notes what does not go together, once.
func (b *builder) conflict(kind string, devices []*Device, format string, args ...any) {
	c := Conflict{Kind: kind, Text: fmt.Sprintf(format, args...), devices: devices}
	if !slices.ContainsFunc(b.conflicts, func(o Conflict) bool {
		return o.Kind == c.Kind && o.Text == c.Text && slices.Equal(o.devices, c.devices)
	}) {
		b.conflicts = append(b.conflicts, c)
	}
}

// proposal fills in what is told by names, which are given last.
func (b *builder) proposal() *Proposal {
	p := &Proposal{Devices: append([]*Device{}, b.devices...), Links: append([]*Link{}, b.links...),
		Conflicts: append([]Conflict{}, b.conflicts...), Strangers: append([]Stranger{}, b.strangers...)}
	if b.root != nil {
		p.Root = b.root.ID
	}
	for _, l := range p.Links {
		l.A, l.B = End{l.a.ID, l.a.portName(l.ai, l.A.Port)}, End{l.b.ID, l.b.portName(l.bi, l.B.Port)}
	}
	for i := range p.Conflicts {
		c := &p.Conflicts[i]
		for _, d := range c.devices {
			c.Devices = append(c.Devices, d.ID)
		}
	}
	for i := range p.Strangers {
		s := &p.Strangers[i]
		s.At.Device = s.at.ID
	}
	slices.SortStableFunc(p.Links, func(x, y *Link) int {
		return cmp.Or(cmp.Compare(x.A.Device, y.A.Device), cmp.Compare(x.A.Port, y.A.Port), cmp.Compare(x.B.Device, y.B.Device), cmp.Compare(x.B.Port, y.B.Port))
	})
	slices.SortStableFunc(p.Strangers, func(x, y Stranger) int {
		return cmp.Or(cmp.Compare(x.At.Device, y.At.Device), cmp.Compare(x.At.Port, y.At.Port), cmp.Compare(x.Name, y.Name))
	})
	slices.SortStableFunc(p.Conflicts, func(x, y Conflict) int { return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Text, y.Text)) })
	return p
}

// label is how a device is called in texts that are written before it has an id.
func (d *Device) label() string {
	if d.facts != nil && d.facts.SysName != "" {
		return d.facts.SysName
	}
	if d.Name != "" {
		return d.Name
	}
	if len(d.Answered) > 0 {
		return d.Answered[0].String()
	}
	return "?"
}

func labels(ds ...*Device) string {
	var names []string
	for _, d := range ds {
		names = append(names, d.label())
	}
	return strings.Join(names, ", ")
}

// portName returns the name of the interface, or the text where none is known.
func (d *Device) portName(index int, text string) string {
	if d.facts != nil {
		if i := d.facts.at(index); i != nil {
			return i.name()
		}
	}
	return text
}
