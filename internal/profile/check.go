package profile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
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
	if !namePattern.MatchString(p.Name) {
		c.fault("$.profile", "profile name %q: want lower-case letters, digits and dashes", p.Name)
	}
	if p.Class != "" && !slices.Contains(deviceClasses, p.Class) {
		c.fault("$.class", "class %q: want one of %s", p.Class, strings.Join(deviceClasses, ", "))
	}
	if v := p.Verified; v != "" && v != VerifiedRecording && v != VerifiedServer && v != VerifiedNone {
		c.fault("$.verified", "verified %q: want recording, server or none", v)
	}
	if p.Verified == VerifiedNone && len(p.Source) == 0 {
		c.fault("$.verified", "a profile that nothing here proves must name the source of its objects")
	}
	for i := range p.Match {
		c.match(fmt.Sprintf("$.match[%d]", i), &p.Match[i])
	}
	c.identity(p)
	if p.Base != "" {
		c.oid("$.base", p.Base)
	}
	c.objects("$", p.scalars)
	c.notifications(p)
	tables := map[string]bool{}
	for i := range p.Tables {
		at := fmt.Sprintf("$.tables[%d]", i)
		if tables[p.Tables[i].Name] {
			c.fault(at+".name", "table %q is there twice", p.Tables[i].Name)
		}
		tables[p.Tables[i].Name] = true
		c.table(at, &p.Tables[i])
	}
}

func (c *checker) match(at string, a *Alternative) {
	for i, o := range a.SysObjectID {
		c.oid(fmt.Sprintf("%s.sys_object_id[%d]", at, i), o)
	}
	for i, o := range a.Has {
		c.oid(fmt.Sprintf("%s.has[%d]", at, i), o)
	}
	a.descr = c.regexp(at+".sys_descr", a.SysDescr, false)
	if !a.Always && len(a.SysObjectID) == 0 && len(a.Has) == 0 && a.SysDescr == "" {
		c.fault(at, "match: an alternative without a condition")
	}
}

// regexp compiles a regular expression; one that must have a group is refused
// without.
func (c *checker) regexp(at, text string, group bool) *regexp.Regexp {
	if text == "" {
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		c.fault(at, "regular expression: %v", err)
		return nil
	}
	if group && re.NumSubexp() == 0 {
		c.fault(at, "regular expression %q has no group: put ( ) around what is wanted", text)
		return nil
	}
	return re
}

func (c *checker) oid(at, oid string) {
	if !oidPattern.MatchString(oid) {
		c.fault(at, "OID %q: want digits and dots, as in 1.3.6.1.2.1.1.3.0 (with a leading dot where base or entry is given)", oid)
		return
	}
	numbers := strings.Split(oid, ".")
	for i, text := range numbers {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || i == 1 && n > 39 && oid[0] != '2' || i == mostNumbers {
			c.fault(at, "OID %q: numbers have 32 bits, the second is below 40, and there are at most %d", oid, mostNumbers)
			return
		}
	}
}

// mostNumbers is how many numbers an OID may have (RFC 3416, section 4.1).
const mostNumbers = 128

func (c *checker) identity(p *Profile) {
	id := &p.Identity
	for name, sources := range map[string]Sources{"vendor": id.Vendor, "os": id.OS, "model": id.Model, "version": id.Version, "serial": id.Serial} {
		for i := range sources {
			s, at := &sources[i], fmt.Sprintf("$.identity.%s[%d]", name, i)
			given := 0
			for _, is := range []bool{s.Text != "", s.OID != "", s.Column != "", s.SysDescr != "", s.SysName != "", s.Cells != nil, s.SysObjectID != nil} {
				if is {
					given++
				}
			}
			if given != 1 {
				c.fault(at, "identity %s: want exactly one of text, oid, column, sys_descr, sys_name, cells and sys_object_id", name)
			}
			for _, o := range []string{s.OID, s.Column} {
				if o != "" {
					c.oid(at, o)
				}
			}
			for o := range s.When {
				c.oid(at+".when", o)
			}
			for o := range s.SysObjectID {
				c.oid(at+".sys_object_id", o)
			}
			c.names(at, p.scalars, s.Cells.names())
			s.re = c.regexp(at, s.Match+s.SysDescr+s.SysName, false)
		}
	}
}

func (c *checker) table(at string, t *Table) {
	if t.Name == "" {
		c.fault(at, "table has no name")
	}
	if t.Entry != "" {
		c.oid(at+".entry", t.Entry)
	}
	if len(t.Index) == 0 {
		c.fault(at, "table %q has no index", t.Name)
	}
	seen := map[string]bool{}
	for i, n := range t.IndexNames() {
		c.label(fmt.Sprintf("%s.index[%d]", at, i), n, seen)
	}
	if len(t.Columns)+len(t.Sensors)+len(t.Processors)+len(t.Memory)+len(t.Storage)+len(t.Neighbours) == 0 {
		c.fault(at, "table %q has nothing to read", t.Name)
	}
	c.objects(at, t)
	for i := range t.Neighbours {
		n, nat := &t.Neighbours[i], fmt.Sprintf("%s.neighbours[%d]", at, i)
		if !slices.Contains([]string{ByLLDP, ByCDP, ByARP, ByFDB}, n.Protocol) {
			c.fault(nat+".protocol", "protocol %q: want lldp, cdp, arp or fdb", n.Protocol)
		}
		for _, tpl := range []*Template{n.LocalInterface, n.RemoteName, n.RemotePort, n.RemoteAddress} {
			c.names(nat, t, tpl.names())
		}
		c.conditions(nat, t, n.When)
	}
}

// objects checks what tables and what is outside of them have in common.
func (c *checker) objects(at string, t *Table) {
	for _, kind := range []string{"labels", "cells"} {
		cells := t.Cells
		if kind == "labels" {
			cells = t.Labels
		}
		for _, name := range slices.Sorted(maps.Keys(cells)) {
			c.cell(fmt.Sprintf("%s.%s.%s", at, kind, name), t, name, cells[name], kind)
		}
	}
	metrics := map[string]bool{}
	columns := at + ".columns"
	if t.Scalar() {
		columns = at + ".scalars"
	}
	for i := range t.Columns {
		c.value(fmt.Sprintf("%s[%d]", columns, i), &t.Columns[i], metrics)
	}
	for i := range t.Sensors {
		where := fmt.Sprintf("%s.sensors[%d]", at, i)
		if k := t.Sensors[i].column; k > 0 {
			where = fmt.Sprintf("%s[%d].sensor", columns, k-1)
		}
		c.sensor(where, t, &t.Sensors[i], true)
	}
	for i := range t.Processors {
		c.sensor(fmt.Sprintf("%s.processors[%d]", at, i), t, &t.Processors[i], false)
	}
	for i := range t.Memory {
		c.pool(fmt.Sprintf("%s.memory[%d]", at, i), t, &t.Memory[i])
	}
	for i := range t.Storage {
		c.pool(fmt.Sprintf("%s.storage[%d]", at, i), t, &t.Storage[i])
	}
}

func (c *checker) cell(at string, t *Table, name string, cell *Cell, kind string) {
	if cell == nil {
		c.fault(at, "cell %q is empty", name)
		return
	}
	if kind == "labels" {
		c.label(at, name, map[string]bool{})
	}
	if ownIndex.MatchString(name) || name == condValue {
		c.fault(at, "cell name %q has a meaning of its own", name)
	}
	c.oid(at, cell.OID)
	c.format(at, cell.Format)
	c.names(at, t, cell.Key.names())
	cell.match = c.regexp(at, cell.Match, true)
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
	if v.Sensor != nil && v.Sensor.OID != v.OID {
		c.fault(at+".sensor", "metric %s: a sensor on another object belongs to sensors", v.Metric)
	}
}
