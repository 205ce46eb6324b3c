package profile

import (
	"slices"
	"strings"
)

// Identity is what is known of a device when its profiles are chosen.
type Identity struct {
	SysObjectID string
	SysDescr    string
	Has         map[string]bool // of Probes: those under which the device has an instance
}

// Plan is what to read from one device: the union of its profiles.
type Plan struct {
	Profiles []string // names, the device's own first
	Own      string   // the profile chosen for the device itself, or ""
	Scalars  []Value
	Tables   []Table
}

// Names returns the names of all profiles.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Probes returns the subtrees whose presence decides about profiles, sorted.
func (s *Set) Probes() []string {
	var oids []string
	for _, n := range s.names {
		oids = append(oids, s.profiles[n].Match.Has...)
	}
	slices.Sort(oids)
	return slices.Compact(oids)
}

// Select returns the plan for a device: its own profile (the one with the
// longest fitting sysObjectID; sysDescr decides between equals) with all that it
// extends, then every layer that fits and is not replaced. Where two define the
// same table or the same metric, the former wins.
func (s *Set) Select(id Identity) *Plan {
	b := &planner{set: s, plan: &Plan{}, taken: map[string]bool{}, metrics: map[string]bool{}, tables: map[string]bool{}, replaced: map[string]bool{}}
	if own := s.own(id); own != nil {
		b.plan.Own = own.Name
		b.take(own)
	}
	for _, n := range s.names {
		if p := s.profiles[n]; p.Match.layer() && !b.replaced[n] && p.Match.fits(id) > 0 {
			b.take(p)
		}
	}
	return b.plan
}

func (s *Set) own(id Identity) *Profile {
	var best *Profile
	score := 0
	for _, n := range s.names {
		p := s.profiles[n]
		if p.Match.layer() {
			continue
		}
		if f := p.Match.fits(id); f > score {
			best, score = p, f
		}
	}
	return best
}

// fits returns 0 when the device is not meant, else how closely it is.
func (m *Match) fits(id Identity) int {
	score := 0
	if m.Always {
		score = 1
	}
	if len(m.SysObjectID) > 0 {
		longest := 0
		for _, prefix := range m.SysObjectID {
			if under(id.SysObjectID, prefix) {
				longest = max(longest, strings.Count(prefix, ".")+1)
			}
		}
		if longest == 0 {
			return 0
		}
		score += 4 * longest
	}
	if m.descr != nil {
		if !m.descr.MatchString(id.SysDescr) {
			return 0
		}
		score += 2
	}
	if len(m.Has) > 0 {
		if !slices.ContainsFunc(m.Has, func(o string) bool { return id.Has[o] }) {
			return 0
		}
		score++
	}
	return score
}

// under tells whether oid is prefix or below it.
func under(oid, prefix string) bool {
	return strings.HasPrefix(oid, prefix) && (len(oid) == len(prefix) || oid[len(prefix)] == '.')
}

type planner struct {
	set             *Set
	plan            *Plan
	taken, replaced map[string]bool
	metrics, tables map[string]bool
}

func (b *planner) take(p *Profile) {
	if b.taken[p.Name] {
		return
	}
	b.taken[p.Name] = true
	b.plan.Profiles = append(b.plan.Profiles, p.Name)
	for _, n := range p.Replaces {
		b.replaced[n] = true
	}
	for _, v := range p.Scalars {
		if !b.metrics[v.Metric] {
			b.metrics[v.Metric] = true
			b.plan.Scalars = append(b.plan.Scalars, v)
		}
	}
	for _, t := range p.Tables {
		if !b.tables[t.Name] {
			b.tables[t.Name] = true
			b.plan.Tables = append(b.plan.Tables, t)
		}
	}
	for _, n := range p.Extends {
		b.take(b.set.profiles[n])
	}
}
