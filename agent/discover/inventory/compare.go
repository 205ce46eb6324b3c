package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/faultline/faultline/agent/discover/topology"
)

// Changes is what a sweep found to differ from what is described.
type Changes struct {
	New     []string `json:"new"` // ids of devices that are not described
	Changed []Change `json:"changed"`
	Gone    []Gone   `json:"gone"`
	Same    int      `json:"same"` // devices that are as described
}

// Change is one thing of a described device that is different now.
type Change struct {
	Device string `json:"device"`
	What   string `json:"what"`
	Was    string `json:"was,omitempty"`
	Is     string `json:"is,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Gone is a described device that no longer answers where it was swept.
type Gone struct {
	Device    string   `json:"device"`
	Addresses []string `json:"addresses"`
}

// Compare finds what is new, changed and gone. Devices of the proposal that are
// described get the ids they are described under, everywhere in the proposal;
// new ones get ids that nothing has yet.
func Compare(p *topology.Proposal, e *Existing, site string, swept, excluded []netip.Prefix) *Changes {
	c := &Changes{New: []string{}, Changed: []Change{}, Gone: []Gone{}}
	m := matcher{e: e, site: site, is: map[*topology.Device]*Device{}, taken: map[*Device]bool{}}
	m.match(p.Devices)
	m.rename(p)
	for _, d := range p.Devices {
		old := m.is[d]
		if old == nil {
			c.New = append(c.New, d.ID)
			continue
		}
		found := differences(old, d, e, swept, excluded)
		if len(found) == 0 {
			c.Same++
		}
		c.Changed = append(c.Changed, found...)
	}
	for i := range e.Devices {
		if old := &e.Devices[i]; !m.taken[old] && old.answersAt(swept, excluded) {
			c.Gone = append(c.Gone, Gone{old.ID, old.Addresses})
		}
	}
	return c
}

// matcher finds which described device is which of the proposal.
type matcher struct {
	e     *Existing
	site  string
	is    map[*topology.Device]*Device
	taken map[*Device]bool
}

// match tries serial numbers first, then addresses, then names; devices of the
// site that was swept before those of others.
func (m *matcher) match(found []*topology.Device) {
	for _, same := range []func(*topology.Device, *Device) bool{
		func(d *topology.Device, o *Device) bool {
			return d.Serial != "" && len(d.Serial) > 3 && d.Serial == o.Serial
		},
		func(d *topology.Device, o *Device) bool {
			return slices.ContainsFunc(o.addresses(), func(a netip.Addr) bool { return slices.Contains(d.Answered, a) })
		},
		func(d *topology.Device, o *Device) bool {
			return slices.ContainsFunc(o.addresses(), func(a netip.Addr) bool { return slices.Contains(d.Addresses, a) })
		},
		func(d *topology.Device, o *Device) bool {
			return d.Credential != "" && strings.EqualFold(d.ID, o.ID) && len(o.Addresses) == 0
		},
	} {
		for _, here := range []bool{true, false} {
			for _, d := range found {
				if m.is[d] != nil {
					continue
				}
				for i := range m.e.Devices {
					if o := &m.e.Devices[i]; !m.taken[o] && (o.Site == m.site) == here && same(d, o) {
						m.is[d], m.taken[o] = o, true
						break
					}
				}
			}
		}
	}
}

// rename gives the proposal's devices their ids.
func (m *matcher) rename(p *topology.Proposal) {
	used := map[string]bool{}
	for _, o := range m.e.Devices {
		used[strings.ToLower(o.ID)] = true
	}
	for _, l := range m.e.Lines {
		used[strings.ToLower(l.ID)] = true
	}
	to := map[string]string{}
	for _, d := range p.Devices {
		id := d.ID
		if o := m.is[d]; o != nil {
			to[d.ID] = o.ID
			continue
		}
		for n := 2; used[strings.ToLower(id)]; n++ {
			id = fmt.Sprintf("%s-%d", d.ID, n)
		}
		used[strings.ToLower(id)] = true
		to[d.ID] = id
	}
	p.Rename(to)
}

// differences tells what of a described device is different now. What a person
// wrote and the sweep cannot know better (kind, name, roles) is left alone.
func differences(old *Device, d *topology.Device, e *Existing, swept, excluded []netip.Prefix) []Change {
	var all []Change
	add := func(what, was, is, why string) { all = append(all, Change{d.ID, what, was, is, why}) }
	for _, f := range []struct{ what, was, is string }{{"serial", old.Serial, d.Serial}, {"model", old.Model, d.Model}, {"vendor", old.Vendor, d.Vendor}} {
		if differs(f.was, f.is) && (f.what != "vendor" || f.was == "") { // a maker has many names
			add(f.what, f.was, f.is, "")
		}
	}
	for _, a := range old.addresses() {
		if here := (&Device{Addresses: []string{a.String()}}).answersAt(swept, excluded); here && !slices.Contains(d.Addresses, a) {
			add("address", a.String(), "", "it does not answer there")
		}
	}
	for _, a := range d.Answered {
		if !slices.Contains(old.addresses(), a) {
			add("address", "", a.String(), "it answers there")
		}
	}
	return append(all, connections(old, d, e)...)
}

// differs tells whether what is found now is not what is described, be it shorter
// or longer.
func differs(was, is string) bool {
	was, is = strings.ToLower(was), strings.ToLower(is)
	return is != "" && (was == "" || !strings.Contains(was, is) && !strings.Contains(is, was))
}

// connections tells which ports and ways up differ.
func connections(old *Device, d *topology.Device, e *Existing) []Change {
	var all []Change
	for _, l := range d.Leads {
		was, known := "", false
		for _, p := range old.Ports {
			if strings.EqualFold(p.Name, l.Port) {
				was, known = p.To, true
			}
		}
		if was == l.To || l.Confidence == topology.Low && known || has(e.Lines, was) {
			continue
		}
		all = append(all, Change{d.ID, "port " + l.Port, was, l.To, fmt.Sprintf("%s: %s", l.Confidence, l.Why)})
	}
	for _, p := range d.Parents {
		if p.Confidence == topology.Low {
			continue
		}
		var was []string
		for _, dep := range old.DependsOn {
			if dep.For != "power" {
				was = append(was, dep.AnyOf...)
			}
		}
		lines := slices.ContainsFunc(was, func(id string) bool { return has(e.Lines, id) })
		if !lines && !slices.ContainsFunc(p.AnyOf, func(id string) bool { return slices.Contains(was, id) }) {
			all = append(all, Change{d.ID, "depends_on", strings.Join(was, ", "), strings.Join(p.AnyOf, ", "), fmt.Sprintf("%s: %s", p.Confidence, p.Why)})
		}
	}
	return all
}
