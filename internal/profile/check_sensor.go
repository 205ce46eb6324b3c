package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sensor checks one sensor, or one processor, which has no class.
func (c *checker) sensor(at string, t *Table, s *Sensor, classed bool) {
	c.oid(at+".oid", s.OID)
	if classed {
		c.class(at, s)
	} else if s.Class != "" || s.ClassFrom != nil {
		c.fault(at+".class", "a processor has no class")
	}
	if s.Name == nil && t.Scalar() {
		c.fault(at, "%s has no name", s.OID)
	}
	if s.Convert != "" && conversions[s.Convert] == nil {
		c.fault(at+".convert", "convert %q: want one of %s", s.Convert, strings.Join(sortedKeys(conversions), ", "))
	}
	var cells []string
	for _, l := range []*Lookup{s.ClassFrom, s.ConvertFrom} {
		if l != nil {
			cells = append(cells, l.Cell)
		}
	}
	if s.ConvertFrom != nil {
		for _, name := range slices.Sorted(maps.Values(s.ConvertFrom.Map)) {
			if conversions[name] == nil {
				c.fault(at+".convert_from", "convert %q: want one of %s", name, strings.Join(sortedKeys(conversions), ", "))
			}
		}
	}
	if s.ExponentFrom != nil {
		cells = append(cells, s.ExponentFrom.Cell)
	}
	for _, name := range []string{s.PrecisionFrom, s.DivisorFrom} {
		if name != "" {
			cells = append(cells, name)
		}
	}
	if s.Place != "" && s.Place != PlaceRoom && s.Place != PlaceDevice {
		c.fault(at+".place", "place %q: want room or device", s.Place)
	}
	c.names(at, t, cells)
	c.names(at, t, s.Name.names())
	c.conditions(at, t, s.When)
	if s.Signed != 0 && s.Signed != 8 && s.Signed != 16 && s.Signed != 32 {
		c.fault(at+".signed", "signed %d: want 8, 16 or 32", s.Signed)
	}
	s.extract = c.regexp(at+".extract", s.Extract, true)
	s.status = c.states(at+".status", s.Status)
	for _, bit := range slices.Sorted(maps.Keys(s.StatusBits)) {
		c.states(at+".status_bits", map[string]string{fmt.Sprint(bit): s.StatusBits[bit]})
		if bit < 0 {
			c.fault(at+".status_bits", "bit %d: bits count from 0", bit)
		}
	}
	if s.State != nil {
		c.oid(at+".state.oid", s.State.OID)
		s.State.status = c.states(at+".state.map", s.State.Map)
	}
}

func (c *checker) class(at string, s *Sensor) {
	if (s.Class == "") == (s.ClassFrom == nil) {
		c.fault(at, "sensor %s: want either class or class_from", s.OID)
	}
	if s.Class != "" && Unit(s.Class) == "" {
		c.fault(at+".class", "sensor class %q is not known; known are %s", s.Class, strings.Join(sortedKeys(units), ", "))
	}
	if s.Class == ClassState && s.Status == nil && s.StatusBits == nil && s.State == nil {
		c.fault(at, "sensor %s: class state needs status", s.OID)
	}
	if s.ClassFrom != nil {
		for _, class := range slices.Sorted(maps.Values(s.ClassFrom.Map)) {
			if Unit(class) == "" {
				c.fault(at+".class_from.map", "sensor class %q is not known", class)
			}
		}
	}
}

func (c *checker) states(at string, m map[string]string) states {
	for _, k := range sortedKeys(m) {
		switch m[k] {
		case StatusUnknown, StatusOK, StatusWarning, StatusCritical:
		default:
			c.fault(at, "state %q of value %s: want ok, warning, critical or unknown", m[k], k)
		}
	}
	return compileStates(m)
}

func (c *checker) pool(at string, t *Table, p *Pool) {
	if p.Name == nil {
		c.fault(at, "pool has no name")
	}
	known := 0
	for _, r := range []*Ref{p.Total, p.Used, p.Free} {
		if r != nil {
			known++
		}
	}
	for _, r := range p.refs() {
		if r.Cell != "" {
			c.names(at, t, []string{r.Cell})
		} else {
			c.oid(at, r.OID)
		}
		r.extract = c.regexp(at, r.Extract, true)
		c.names(at, t, r.Key.names())
	}
	if p.Percent == nil && known < 2 {
		c.fault(at, "pool: want percent, or two of total, used and free")
	}
	if p.Unit != nil && p.Unit.Cell != "" {
		c.names(at, t, []string{p.Unit.Cell})
	}
	c.names(at, t, p.Name.names())
	c.conditions(at, t, p.When)
}

func (c *checker) conditions(at string, t *Table, when []*Cond) {
	for i, cond := range when {
		if cond.name != condValue {
			c.names(fmt.Sprintf("%s.when[%d]", at, i), t, []string{cond.name})
		}
	}
}

// names checks that what a definition asks of its row is there.
func (c *checker) names(at string, t *Table, names []string) {
	for _, n := range names {
		if !t.knows(n) && (t.Outer == nil || !t.Outer.knows(n)) {
			c.fault(at, "%q is neither a cell nor a label nor an index of table %s", n, t.Name)
		}
	}
}

func (t *Table) knows(name string) bool {
	return t.Labels[name] != nil || t.Cells[name] != nil || slices.Contains(t.IndexNames(), name) || ownIndex.MatchString(name)
}

// checkReferences checks what one profile says of others.
func (s *Set) checkReferences(p *Profile, c *checker) []error {
	for i, n := range p.Extends {
		if s.heads[n] == nil {
			c.fault(fmt.Sprintf("$.extends[%d]", i), "extends %q: no such profile", n)
		}
	}
	for i, n := range p.Replaces {
		if s.heads[n] == nil {
			c.fault(fmt.Sprintf("$.replaces[%d]", i), "replaces %q: no such profile", n)
		}
	}
	if len(c.faults) == 0 && s.reaches(p.Name, p.Name, map[string]bool{}) {
		c.fault("$.extends", "profile %q extends itself in the end", p.Name)
	}
	return c.faults
}

func (s *Set) reaches(from, to string, seen map[string]bool) bool {
	p := s.heads[from]
	if p == nil || seen[from] {
		return false
	}
	seen[from] = true
	for _, n := range p.Extends {
		if n == to || s.reaches(n, to, seen) {
			return true
		}
	}
	return false
}
