package profile

import (
	"slices"
	"strings"
)

// Plan is what to read from one device: the union of its profiles. Its tables
// are shared by all devices and not to be changed.
type Plan struct {
	Profiles []string // names, the device's own first
	Own      string   // the profile chosen for the device itself, or ""
	Class    string   // what kind of device it is, or ""
	Identity []Named
	Faults   []error  // profiles that could not be read
	Tables   []*Table // what stands outside tables is a table of one row (Scalar)
}

// Named is a profile's identity.
type Named struct {
	*Identity
	Profile string
}

// Probes returns the subtrees whose presence decides about the profiles of a
// device, sorted.
func (s *Set) Probes(id Identification) []string {
	var oids []string
	for _, n := range s.names {
		m := s.heads[n].Match
		for i := range m {
			if m[i].named(id) >= 0 {
				oids = append(oids, m[i].Has...)
			}
		}
	}
	slices.Sort(oids)
	return slices.Compact(oids)
}

// Select returns the plan for a device: its own profile (the one with the
// longest fitting sysObjectID; sysDescr and instances decide between equals)
// with all that it extends, then every layer that fits and is not replaced.
// Where two define the same table, metric or sensor, the former wins. Devices of
// a kind share one plan.
func (s *Set) Select(id Identification) *Plan {
	c := &choice{set: s, taken: map[string]bool{}, replaced: map[string]bool{}}
	own := ""
	if p := s.own(id); p != nil {
		own = p.Name
		c.take(p)
	}
	for _, n := range s.names {
		if p := s.heads[n]; p.Layer() && !c.replaced[n] && p.Match.fits(id) > 0 {
			c.take(p)
		}
	}
	key := own + " " + strings.Join(c.names, " ")
	s.mu.Lock()
	plan := s.plans[key]
	s.mu.Unlock()
	if plan != nil {
		return plan
	}
	b := &planner{plan: &Plan{Profiles: c.names, Own: own}, tables: map[string]bool{}, things: map[string]string{}}
	shared := true
	for _, n := range c.names {
		p, err := s.body(n)
		if err != nil {
			b.plan.Faults = append(b.plan.Faults, err)
			continue
		}
		shared = shared && p.text == nil
		b.add(p.on(id))
	}
	if shared && b.plan.Faults == nil {
		s.mu.Lock()
		s.plans[key] = b.plan
		s.mu.Unlock()
	}
	return b.plan
}

// choice is which profiles are taken together, in their order.
type choice struct {
	set             *Set
	names           []string
	taken, replaced map[string]bool
}

func (c *choice) take(p *Profile) {
	if p == nil || c.taken[p.Name] {
		return
	}
	c.taken[p.Name] = true
	c.names = append(c.names, p.Name)
	for _, n := range p.Replaces {
		c.replaced[n] = true
	}
	for _, n := range p.Extends {
		c.take(c.set.heads[n])
	}
}

func (s *Set) own(id Identification) *Profile {
	var best *Profile
	score := 0
	for _, n := range s.names {
		p := s.heads[n]
		if p.Layer() {
			continue
		}
		if f := p.Match.fits(id); f > score {
			best, score = p, f
		}
	}
	return best
}

// fits returns 0 when the device is not meant, else how closely it is.
func (m Match) fits(id Identification) int {
	best := 0
	for i := range m {
		best = max(best, m[i].fits(id))
	}
	return best
}

func (a *Alternative) fits(id Identification) int {
	score := a.named(id)
	if score < 0 {
		return 0
	}
	if len(a.Has) > 0 {
		if !slices.ContainsFunc(a.Has, func(o string) bool { return id.Has[o] }) {
			return 0
		}
		score++
	}
	return score
}

// named returns how closely the device's names fit, or -1 when they do not.
func (a *Alternative) named(id Identification) int {
	score := 0
	if a.Always {
		score = 1
	}
	if len(a.SysObjectID) > 0 {
		longest := 0
		for _, prefix := range a.SysObjectID {
			if under(id.SysObjectID, prefix) {
				longest = max(longest, strings.Count(prefix, ".")+1)
			}
		}
		if longest == 0 {
			return -1
		}
		score += 4 * longest
	}
	if a.descr != nil {
		if !a.descr.MatchString(id.SysDescr) {
			return -1
		}
		score += 2
	}
	return score
}

// under tells whether oid is prefix or below it.
func under(oid, prefix string) bool {
	return strings.HasPrefix(oid, prefix) && (len(oid) == len(prefix) || oid[len(prefix)] == '.')
}

type planner struct {
	plan   *Plan
	tables map[string]bool
	things map[string]string // profile by metric, or class and OID of a sensor
}

func (b *planner) add(p *Profile) {
	if b.plan.Class == "" {
		b.plan.Class = p.Class
	}
	b.plan.Identity = append(b.plan.Identity, Named{&p.Identity, p.Name})
	b.table(p, p.scalars)
	for i := range p.Tables {
		if t := &p.Tables[i]; !b.tables[t.Name] {
			b.tables[t.Name] = true
			b.table(p, t)
		}
	}
}

// table adds what no former profile reads.
func (b *planner) table(p *Profile, t *Table) {
	c := *t
	c.Columns = keep(c.Columns, func(v *Value) bool { return b.first("m "+v.Metric, p) })
	c.Sensors = keep(c.Sensors, func(s *Sensor) bool { return b.first("s "+s.Class+" "+s.OID, p) })
	c.Processors = keep(c.Processors, func(s *Sensor) bool { return b.first("p "+s.OID, p) })
	if c.Scalar() && len(c.Cells) > 0 || len(c.Columns)+len(c.Sensors)+len(c.Processors)+len(c.Memory)+len(c.Storage)+len(c.Neighbours) > 0 {
		b.plan.Tables = append(b.plan.Tables, &c)
	}
}

// first tells whether a thing is the profile's own or nobody's yet.
func (b *planner) first(thing string, p *Profile) bool {
	owner, taken := b.things[thing]
	if !taken {
		b.things[thing] = p.Name
		return true
	}
	return owner == p.Name
}

func keep[T any](all []T, wanted func(*T) bool) []T {
	kept := make([]T, 0, len(all))
	for i := range all {
		if wanted(&all[i]) {
			kept = append(kept, all[i])
		}
	}
	return kept
}
