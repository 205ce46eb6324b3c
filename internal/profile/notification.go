package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Severities of a notification.
const (
	SeverityOK       = "ok"
	SeverityInfo     = "info"
	SeverityWarning  = "warning"
	SeverityCritical = "critical"
)

var severities = []string{SeverityOK, SeverityInfo, SeverityWarning, SeverityCritical}

// Notification is how a trap or inform reads: a snmpTrapOID, what it is called,
// how bad it is and what its variable bindings mean.
type Notification struct {
	OID          string                    `yaml:"oid"`      // snmpTrapOID as RFC 3584 maps it; with .* at its end: all below that are not said otherwise
	Name         string                    `yaml:"name"`     // as in its MIB
	Severity     string                    `yaml:"severity"` // ok, info, warning or critical
	SeverityFrom *Lookup                   `yaml:"severity_from"`
	Text         *Template                 `yaml:"text"`   // {value} and, for the instance it came with, {value.index}
	Values       map[string]*NotifiedValue `yaml:"values"` // the objects it carries
	Clears       Names                     `yaml:"clears"` // notifications of the same subject that it ends
}

// NotifiedValue is an object in a notification.
type NotifiedValue struct {
	OID    string            `yaml:"oid"`
	Map    map[string]string `yaml:"map"`    // text by raw value, or by OID
	Format string            `yaml:"format"` // "" mac hex ip date
}

// UnmarshalYAML takes an OID, or the whole form.
func (v *NotifiedValue) UnmarshalYAML(decode func(any) error) error {
	var oid string
	if err := decode(&oid); err == nil {
		v.OID = oid
		return nil
	}
	type plain NotifiedValue
	return decode((*plain)(v))
}

// Names is a list of names, or one.
type Names []string

// UnmarshalYAML takes one name or a list.
func (n *Names) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*n = Names{one}
		return nil
	}
	return decode((*[]string)(n))
}

// family is the end of an OID that stands for all below it.
const family = ".*"

// State returns the severity by the text of the values, as they were received.
func (n *Notification) State(raw Get) string {
	if f := n.SeverityFrom; f != nil {
		if s, ok := f.Map[raw(f.Cell)]; ok {
			return s
		}
	}
	return n.Severity
}

// absoluteNotifications gives relative OIDs their base.
func (p *Profile) absoluteNotifications() {
	for i := range p.Notifications {
		n := &p.Notifications[i]
		root(p.Base, &n.OID)
		for _, v := range n.Values {
			if v == nil {
				continue
			}
			root(p.Base, &v.OID)
			v.Map = rootedKeys(p.Base, v.Map)
		}
		if n.SeverityFrom != nil {
			n.SeverityFrom.Map = rootedKeys(p.Base, n.SeverityFrom.Map)
		}
	}
}

var notificationName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// ReservedAttrs are attributes of an event that no value may be called.
var ReservedAttrs = []string{"oid", "name", "severity", "source", "version", "interface", "clears", "relay", "agent_address",
	"enterprise", "engine", "inform", "incomplete", "omitted", "suppressed", "seconds"}

// notifications makes the OIDs of the section absolute and checks it.
func (c *checker) notifications(p *Profile) {
	p.absoluteNotifications()
	seen := map[string]bool{}
	for i := range p.Notifications {
		n, at := &p.Notifications[i], fmt.Sprintf("$.notifications[%d]", i)
		c.oid(at+".oid", strings.TrimSuffix(n.OID, family))
		if seen[n.OID] {
			c.fault(at+".oid", "notification %s is there twice", n.OID)
		}
		seen[n.OID] = true
		if !notificationName.MatchString(n.Name) {
			c.fault(at+".name", "notification name %q: want letters, digits, - and _", n.Name)
		}
		c.severity(at+".severity", n.Severity)
		for _, name := range slices.Sorted(maps.Keys(n.Values)) {
			c.notified(at+".values."+name, name, n.Values[name])
		}
		if f := n.SeverityFrom; f != nil {
			if n.Values[f.Cell] == nil {
				c.fault(at+".severity_from.cell", "%q is none of the values", f.Cell)
			}
			for _, raw := range slices.Sorted(maps.Keys(f.Map)) {
				c.severity(at+".severity_from.map."+raw, f.Map[raw])
			}
		}
		for _, name := range n.Text.names() {
			if n.Values[strings.TrimSuffix(name, ".index")] == nil {
				c.fault(at+".text", "%q is none of the values", name)
			}
		}
	}
}

func (c *checker) severity(at, s string) {
	if !slices.Contains(severities, s) {
		c.fault(at, "severity %q: want one of %s", s, strings.Join(severities, ", "))
	}
}

func (c *checker) notified(at, name string, v *NotifiedValue) {
	if v == nil {
		c.fault(at, "value %q is empty", name)
		return
	}
	if !labelPattern.MatchString(name) || slices.Contains(ReservedAttrs, name) {
		c.fault(at, "value name %q: want letters, digits and _, and none of %s", name, strings.Join(ReservedAttrs, ", "))
	}
	c.oid(at+".oid", v.OID)
	if !slices.Contains([]string{"", "mac", "hex", "ip", "date"}, v.Format) {
		c.fault(at+".format", "format %q: want mac, hex, ip, date or nothing", v.Format)
	}
}

// Notifications are all that profiles say of notifications. They are immutable;
// nil knows none.
type Notifications struct {
	exact    map[string]*Notification
	families map[string]*Notification
	values   map[string]named // by object
}

type named struct {
	name string
	*NotifiedValue
}

// LoadNotifications reads the notifications*.yaml files of a directory of
// profiles, and no others. All faults are reported; on any the result is nil.
func LoadNotifications(dirs ...fs.FS) (*Notifications, error) {
	s := &Notifications{exact: map[string]*Notification{}, families: map[string]*Notification{}, values: map[string]named{}}
	var faults []error
	from := map[string]string{} // file by OID
	for _, dir := range dirs {
		files, err := fs.Glob(dir, "notifications*.yaml")
		if err != nil {
			return nil, fmt.Errorf("load notifications: %w", err)
		}
		here := map[string]string{}
		for _, file := range files {
			text, err := fs.ReadFile(dir, file)
			if err != nil {
				return nil, fmt.Errorf("load notifications: %w", err)
			}
			p, _, err := Parse(file, text)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			for i := range p.Notifications {
				n := &p.Notifications[i]
				if other := here[n.OID]; other != "" {
					faults = append(faults, fmt.Errorf("%s: notification %s is also in %s", path.Base(file), n.OID, other))
				}
				here[n.OID] = file
				s.add(n)
			}
		}
		maps.Copy(from, here)
	}
	faults = append(faults, s.clears(from)...)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

// clears checks that what is ended exists.
func (s *Notifications) clears(from map[string]string) (faults []error) {
	names := map[string]bool{}
	for _, n := range s.exact {
		names[n.Name] = true
	}
	for _, oid := range slices.Sorted(maps.Keys(s.exact)) {
		for _, c := range s.exact[oid].Clears {
			if !names[c] {
				faults = append(faults, fmt.Errorf("%s: notification %s clears %q, which does not exist", from[oid], s.exact[oid].Name, c))
			}
		}
	}
	return faults
}

// add takes a notification in, in the place of one of the same OID.
func (s *Notifications) add(n *Notification) {
	if oid, ok := strings.CutSuffix(n.OID, family); ok {
		s.families[oid] = n
	} else {
		s.exact[n.OID] = n
	}
	for _, name := range slices.Sorted(maps.Keys(n.Values)) {
		v := n.Values[name]
		if old, known := s.values[v.OID]; !known || len(old.Map) == 0 && len(v.Map) > 0 {
			s.values[v.OID] = named{name, v}
		}
	}
}

// Len is how many there are.
func (s *Notifications) Len() int {
	if s == nil {
		return 0
	}
	return len(s.exact) + len(s.families)
}

// Find returns what is known of a snmpTrapOID, or nil. An agent that leaves out
// the zero before the last number, or puts one in, is understood; then the
// nearest family counts.
func (s *Notifications) Find(oid string) *Notification {
	if s == nil {
		return nil
	}
	if n := s.exact[oid]; n != nil {
		return n
	}
	at := strings.LastIndexByte(oid, '.')
	if at < 0 {
		return nil
	}
	enterprise, last := oid[:at], oid[at:]
	other := enterprise + ".0" + last
	if short, ok := strings.CutSuffix(enterprise, ".0"); ok {
		other = short + last
	}
	if n := s.exact[other]; n != nil {
		return n
	}
	for ; at > 0; at = strings.LastIndexByte(oid[:at], '.') {
		if n := s.families[oid[:at]]; n != nil {
			return n
		}
	}
	return nil
}

// Value returns what the object of a variable binding is called in a notification
// (nil: in any) and the instance; the name is "" where nothing is known.
func (s *Notifications) Value(n *Notification, oid string) (name, index string, v *NotifiedValue) {
	if n != nil {
		for its, w := range n.Values {
			if rest, ok := strings.CutPrefix(oid, w.OID); ok && (rest == "" || rest[0] == '.') && (v == nil || len(w.OID) > len(v.OID)) {
				name, index, v = its, strings.TrimPrefix(rest, "."), w
			}
		}
	}
	if v != nil {
		return name, index, v
	}
	if s == nil {
		return "", "", nil
	}
	for at := len(oid); at > 0; at = strings.LastIndexByte(oid[:at], '.') {
		if f, ok := s.values[oid[:at]]; ok {
			return f.name, strings.TrimPrefix(oid[at:], "."), f.NotifiedValue
		}
	}
	return "", "", nil
}

// Text returns the value's text by its raw text.
func (v *NotifiedValue) Text(raw string) string {
	if v != nil {
		if t, ok := v.Map[raw]; ok {
			return t
		}
	}
	return raw
}
