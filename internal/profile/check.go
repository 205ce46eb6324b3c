package profile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

var (
	oidPattern    = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]{0,9}))+$`)
	metricPattern = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelPattern  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// checker gathers the faults of one file.
type checker struct {
	file   string
	doc    *ast.File
	faults []error
}

func (c *checker) fault(at, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("%s:%d: %s", c.file, line(c.doc, at), fmt.Sprintf(format, args...)))
}

func (c *checker) profile(p *Profile) {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(p.Name) {
		c.fault("$.profile", "profile name %q: want lower-case letters, digits and dashes", p.Name)
	}
	c.match(&p.Match)
	metrics := map[string]bool{}
	for i := range p.Scalars {
		at := fmt.Sprintf("$.scalars[%d]", i)
		c.value(at, &p.Scalars[i], metrics)
		if p.Scalars[i].StatusOf != nil {
			c.fault(at+".status_of", "status_of belongs to a table's column")
		}
	}
	tables := map[string]bool{}
	for i := range p.Tables {
		at := fmt.Sprintf("$.tables[%d]", i)
		if tables[p.Tables[i].Name] {
			c.fault(at+".name", "table %q is there twice", p.Tables[i].Name)
		}
		tables[p.Tables[i].Name] = true
		c.table(at, &p.Tables[i], metrics)
	}
}

func (c *checker) match(m *Match) {
	for i, o := range m.SysObjectID {
		c.oid(fmt.Sprintf("$.match.sys_object_id[%d]", i), o)
	}
	for i, o := range m.Has {
		c.oid(fmt.Sprintf("$.match.has[%d]", i), o)
	}
	if m.SysDescr != "" {
		re, err := regexp.Compile(m.SysDescr)
		if err != nil {
			c.fault("$.match.sys_descr", "sys_descr: %v", err)
			return
		}
		m.descr = re
	}
}

func (c *checker) oid(at, oid string) {
	if !oidPattern.MatchString(oid) {
		c.fault(at, "OID %q: want digits and dots, as in 1.3.6.1.2.1.1.3.0", oid)
	}
}

func (c *checker) table(at string, t *Table, metrics map[string]bool) {
	if t.Name == "" {
		c.fault(at, "table has no name")
	}
	if len(t.Index) == 0 {
		c.fault(at, "table %q has no index", t.Name)
	}
	if len(t.Columns) == 0 {
		c.fault(at, "table %q has no columns", t.Name)
	}
	names := map[string]bool{}
	for i, n := range t.Index {
		c.label(fmt.Sprintf("%s.index[%d]", at, i), n, names)
	}
	for i, l := range t.Labels {
		lat := fmt.Sprintf("%s.labels[%d]", at, i)
		c.label(lat+".name", l.Name, names)
		c.oid(lat+".oid", l.OID)
		c.format(lat+".format", l.Format)
	}
	for i, l := range t.Meta {
		lat := fmt.Sprintf("%s.meta[%d]", at, i)
		c.label(lat+".name", l.Name, names)
		c.oid(lat+".oid", l.OID)
		c.format(lat+".format", l.Format)
	}
	for i := range t.Columns {
		c.value(fmt.Sprintf("%s.columns[%d]", at, i), &t.Columns[i], metrics)
	}
	for i := range t.Columns {
		c.rowReferences(fmt.Sprintf("%s.columns[%d]", at, i), t, &t.Columns[i], names)
	}
}

func (c *checker) label(at, name string, seen map[string]bool) {
	if !labelPattern.MatchString(name) || strings.HasPrefix(name, "__") {
		c.fault(at, "label %q is not a label name", name)
	}
	if seen[name] {
		c.fault(at, "label %q is there twice", name)
	}
	seen[name] = true
}

func (c *checker) format(at, f string) {
	if f != "" && f != "mac" {
		c.fault(at, "format %q: want mac or nothing", f)
	}
}

func (c *checker) value(at string, v *Value, metrics map[string]bool) {
	if !metricPattern.MatchString(v.Metric) {
		c.fault(at+".metric", "metric %q is not a metric name", v.Metric)
	}
	if metrics[v.Metric] {
		c.fault(at+".metric", "metric %q is there twice", v.Metric)
	}
	metrics[v.Metric] = true
	c.oid(at+".oid", v.OID)
	c.format(at+".format", v.Format)
	switch v.Type {
	case Gauge, Counter, ClockOffset:
		if len(v.Enum) > 0 || v.Format != "" {
			c.fault(at+".type", "metric %s: enum and format belong to type info", v.Metric)
		}
	case Info:
		if v.Sensor != nil || v.Scale != 0 {
			c.fault(at+".type", "metric %s: an info has neither sensor nor scale", v.Metric)
		}
	default:
		c.fault(at+".type", "metric %s: type %q: want gauge, counter, info or clock_offset", v.Metric, v.Type)
	}
	if v.Sensor != nil {
		c.sensor(at+".sensor", v.Sensor)
	}
	if v.StatusOf != nil {
		c.states(at+".status_of.map", v.StatusOf.Map)
	}
}

func (c *checker) sensor(at string, s *Sensor) {
	if (s.Class == "") == (s.ClassFrom == nil) {
		c.fault(at, "sensor: want either class or class_from")
	}
	if s.Class != "" && Unit(s.Class) == "" {
		c.fault(at+".class", "sensor class %q is not known; known are %s", s.Class, strings.Join(sortedKeys(units), ", "))
	}
	if (s.Name == "") == (len(s.NameFrom) == 0) {
		c.fault(at, "sensor: want either name or name_from")
	}
	if s.ClassFrom != nil {
		for _, class := range slices.Sorted(maps.Values(s.ClassFrom.Map)) {
			if Unit(class) == "" {
				c.fault(at+".class_from.map", "sensor class %q is not known", class)
			}
		}
	}
	c.states(at+".status", s.Status)
}

func (c *checker) states(at string, m map[string]string) {
	for _, k := range sortedKeys(m) {
		switch m[k] {
		case StatusUnknown, StatusOK, StatusWarning, StatusCritical:
		default:
			c.fault(at, "state %q of value %s: want ok, warning, critical or unknown", m[k], k)
		}
	}
}

// rowReferences checks that what a column names in its row is there.
func (c *checker) rowReferences(at string, t *Table, v *Value, names map[string]bool) {
	need := func(at, name string) {
		if name != "" && !names[name] {
			c.fault(at, "%q is neither a label nor meta of table %s", name, t.Name)
		}
	}
	if s := v.Sensor; s != nil {
		for i, n := range s.NameFrom {
			need(fmt.Sprintf("%s.sensor.name_from[%d]", at, i), n)
		}
		if s.ClassFrom != nil {
			need(at+".sensor.class_from.meta", s.ClassFrom.Meta)
		}
		if s.ExponentFrom != nil {
			need(at+".sensor.exponent_from.meta", s.ExponentFrom.Meta)
		}
		need(at+".sensor.precision_from", s.PrecisionFrom)
	}
	if st := v.StatusOf; st != nil {
		i := slices.IndexFunc(t.Columns, func(o Value) bool { return o.Metric == st.Column && o.Sensor != nil })
		if i < 0 {
			c.fault(at+".status_of.column", "%q is not a column of table %s with a sensor", st.Column, t.Name)
		}
	}
}

// checkReferences checks what one profile says of others.
func (s *Set) checkReferences(p *Profile, doc *ast.File) []error {
	c := &checker{file: p.file, doc: doc}
	for i, n := range p.Extends {
		if s.profiles[n] == nil {
			c.fault(fmt.Sprintf("$.extends[%d]", i), "extends %q: no such profile", n)
		}
	}
	for i, n := range p.Replaces {
		if s.profiles[n] == nil {
			c.fault(fmt.Sprintf("$.replaces[%d]", i), "replaces %q: no such profile", n)
		}
	}
	if len(c.faults) == 0 && s.reaches(p.Name, p.Name, map[string]bool{}) {
		c.fault("$.extends", "profile %q extends itself in the end", p.Name)
	}
	return c.faults
}

func (s *Set) reaches(from, to string, seen map[string]bool) bool {
	p := s.profiles[from]
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
