// Package scenario is the language in which people write down what shall be said
// of a fault: a company, a timeline of what fails, and the incidents that are
// expected of it. A scenario is played without waiting: only the measuring is
// simulated; evidence, heartbeat, alert rules, diagnosis, routes, processes and
// the engine are those that run, over a metric store of its own. It is run by
// go test over the shipped rules and by faultline-collector check over the
// operator's. docs/scenarios.md describes the language.
package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Scenario is one story: what fails, and what must be said of it when.
type Scenario struct {
	Title     string         `yaml:"title"`
	Inventory source         `yaml:"inventory"` // a file of inventories/ beside the scenarios, written out, or left out: the operator's own
	Poll      duration       `yaml:"poll"`      // between two measurements; default 5s
	Hold      duration       `yaml:"hold"`      // for how long recovery must be measured; default 10s
	Spooled   duration       `yaml:"spooled"`   // how long after its return an agent delivers what it kept; default 5s
	Run       duration       `yaml:"run"`       // how long the story goes on; default: 5s after the last time named
	Timeline  []Step         `yaml:"timeline"`
	Expect    []Expectation  `yaml:"expect"`
	Never     []Expected     `yaml:"never"`  // incidents that may never be opened, nor an incident ever be called
	Within    duration       `yaml:"within"` // the first incident is opened by then; default 15s after the first fault
	Notices   map[string]int `yaml:"notices"`

	Drill *Telling `yaml:"drill"` // what a drill says of itself; see Story

	file  *yamlfile.File
	inv   *inventory.Inventory
	start time.Time       // when the story begins; zero: epoch
	sites map[string]bool // whose things are measured; nil: all
}

// Name is the file the scenario stands in.
func (s *Scenario) Name() string { return s.file.Name }

// Expectation is everything that is said at a moment.
type Expectation struct {
	At         duration       `yaml:"at"`
	Incidents  []Expected     `yaml:"incidents"`  // exactly these, besides those folded into them
	Opened     *int           `yaml:"opened"`     // how many were opened so far, folded ones too
	Folded     *int           `yaml:"folded"`     // how many of them were folded
	Suppressed *int           `yaml:"suppressed"` // alerts that fire and that a maintenance, works or silence keeps quiet
	Messages   map[string]int `yaml:"messages"`   // to vendors so far, by inventory id; a vendor not named here got none
}

// Expected is an incident; what is left out is not compared.
type Expected struct {
	Cause       string    `yaml:"cause"`
	Rule        string    `yaml:"rule"`
	Class       string    `yaml:"class"`
	Was         string    `yaml:"was"` // its first class, before it was re-classified
	Device      string    `yaml:"device"`
	Component   string    `yaml:"component"`
	Site        string    `yaml:"site"`
	Process     string    `yaml:"process"`
	Vendor      string    `yaml:"vendor"` // kind of vendor
	Severity    string    `yaml:"severity"`
	State       string    `yaml:"state"` // open, verified
	Provisional *bool     `yaml:"provisional"`
	Affected    *[]string `yaml:"affected"`
	Count       *int      `yaml:"count"`  // of affected, when they are too many to write
	Proof       []string  `yaml:"proof"`  // what the proof line must contain, in English or Chinese
	Flaps       *int      `yaml:"flaps"`  // how often one of its alerts fired, at least
	Joined      *int      `yaml:"joined"` // alerts that belong to it, at least
	Again       *bool     `yaml:"again"`  // it follows an earlier one of the same cause
}

// duration is a Go duration such as 90s or 2m; a bare end means the story's end.
type duration struct {
	time.Duration
	end, set bool
}

// UnmarshalYAML reads 90s, 2m, or end.
func (d *duration) UnmarshalYAML(b []byte) error {
	text := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	if text == "end" {
		d.end, d.set = true, true
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no time: want 90s, 2m or 1h30m", text)
	}
	d.Duration, d.set = v, true
	return nil
}

// source is an inventory: the name of a file, or the inventory itself.
type source struct {
	name string
	text []byte
}

// UnmarshalYAML keeps the text with its lines.
func (s *source) UnmarshalYAML(node ast.Node) error {
	if _, ok := node.(ast.ScalarNode); ok {
		s.name = node.GetToken().Value
		return nil
	}
	line := node.GetToken().Position.Line
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		line = m.Values[0].Key.GetToken().Position.Line
	}
	s.text = []byte(strings.Repeat("\n", max(0, line-1)) + node.String())
	return nil
}

// Load reads every *.yaml of dir; inventories they name are read from
// dir/inventories. own is the operator's inventory, for scenarios that name
// none; it may be nil. The error joins every fault, each with file and line.
func Load(dir fs.FS, own *inventory.Inventory) ([]*Scenario, error) {
	files, err := yamlfile.ParseAll(dir)
	faults := []error{err}
	var out []*Scenario
	for _, f := range files {
		s := &Scenario{file: f}
		if err := f.Decode(s); err != nil {
			faults = append(faults, err)
			continue
		}
		s.file = f
		if err := s.resolve(dir, own); err != nil {
			faults = append(faults, err)
			continue
		}
		faults = append(faults, s.check()...)
		out = append(out, s)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return out, nil
}

// resolve finds the scenario's inventory and fills in defaults.
func (s *Scenario) resolve(dir fs.FS, own *inventory.Inventory) (err error) {
	switch {
	case s.Inventory.text != nil:
		s.inv, err = inventory.Parse(s.file.Name, s.Inventory.text)
	case s.Inventory.name != "":
		name := path.Join("inventories", s.Inventory.name+".yaml")
		b, readErr := fs.ReadFile(dir, name)
		if readErr != nil {
			return s.file.Faultf("inventory", "%v", readErr)
		}
		s.inv, err = inventory.Parse(name, b)
	case own != nil:
		s.inv = own
	default:
		return fmt.Errorf("%s:1: no inventory: name a file of inventories/, or write one out", s.file.Name)
	}
	if err != nil {
		return err
	}
	s.Poll.Duration = cmp.Or(s.Poll.Duration, 5*time.Second)
	s.Hold.Duration = cmp.Or(s.Hold.Duration, 10*time.Second)
	s.Spooled.Duration = cmp.Or(s.Spooled.Duration, 5*time.Second)
	if !s.Run.set {
		s.Run.Duration = s.last() + 5*time.Second
	}
	if !s.Within.set {
		s.Within.Duration = s.first() + 15*time.Second
	}
	for i := range s.Expect {
		if s.Expect[i].At.end {
			s.Expect[i].At.Duration = s.Run.Duration
		}
	}
	for i := range s.Timeline {
		if t := &s.Timeline[i]; t.For.set {
			t.Until = duration{Duration: t.At.Duration + t.For.Duration, set: true}
		}
	}
	return nil
}

// last is the latest time the scenario names.
func (s *Scenario) last() time.Duration {
	var d time.Duration
	for _, t := range s.Timeline {
		d = max(d, t.At.Duration, t.Until.Duration, t.At.Duration+t.For.Duration)
	}
	for _, e := range s.Expect {
		d = max(d, e.At.Duration)
	}
	return d
}

// first is when the first thing happens.
func (s *Scenario) first() time.Duration {
	d := time.Duration(0)
	for i, t := range s.Timeline {
		if i == 0 || t.At.Duration < d {
			d = t.At.Duration
		}
	}
	return d
}

// check returns every fault of the scenario that can be seen without playing it.
func (s *Scenario) check() []error {
	var faults []error
	bad := func(path, format string, args ...any) {
		faults = append(faults, s.file.Faultf(path, format, args...))
	}
	if s.Title == "" {
		bad("title", "missing: say in a sentence what happens")
	}
	if len(s.Expect) == 0 {
		bad("expect", "missing: a scenario that expects nothing cannot fail")
	}
	names := newNames(s.inv)
	for i := range s.Timeline {
		at := fmt.Sprintf("timeline[%d]", i)
		if s.Timeline[i].Until.set && s.Timeline[i].Until.Duration <= s.Timeline[i].At.Duration {
			bad(at, "ends before it begins")
		}
		s.Timeline[i].check(names, func(key, format string, args ...any) { bad(at+"."+key, format, args...) })
	}
	for i, e := range s.Expect {
		at := fmt.Sprintf("expect[%d]", i)
		if e.At.Duration > s.Run.Duration {
			bad(at+".at", "is after the story's end, %s", s.Run.Duration)
		}
		for n, want := range e.Incidents {
			want.check(names, func(key, format string, args ...any) {
				bad(fmt.Sprintf("%s.incidents[%d].%s", at, n, key), format, args...)
			})
		}
	}
	for i, want := range s.Never {
		want.check(names, func(key, format string, args ...any) { bad(fmt.Sprintf("never[%d].%s", i, key), format, args...) })
		if want.empty() {
			bad(fmt.Sprintf("never[%d]", i), "says nothing")
		}
	}
	return faults
}

// words that expectations may use, by key.
var words = map[string][]string{
	"class": {incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration,
		incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity},
	"process":  {"network", "database", "infrastructure", "security"},
	"vendor":   {incident.VendorCarrier, incident.VendorSupplier, incident.VendorUPS, incident.VendorDB, incident.VendorNone},
	"severity": {incident.SeverityCritical, incident.SeverityMajor, incident.SeverityMinor},
	"state":    {incident.StateOpen, incident.StateVerified, incident.StateClosed},
}

func (e Expected) check(names names, bad func(key, format string, args ...any)) {
	for key, got := range map[string]string{"class": e.Class, "was": e.Was, "process": e.Process, "vendor": e.Vendor, "severity": e.Severity, "state": e.State} {
		list := words[key]
		if key == "was" {
			list = words["class"]
		}
		if got != "" && !slices.Contains(list, got) {
			bad(key, "%q: want one of %q", got, list)
		}
	}
	if e.Device != "" && !names.known(e.Device) {
		bad("device", "%q is not in the inventory", e.Device)
	}
	if e.Site != "" && !names.sites[e.Site] {
		bad("site", "%q is no site of the inventory", e.Site)
	}
	if e.Affected != nil {
		for _, a := range *e.Affected {
			if !names.known(a) {
				bad("affected", "%q is not in the inventory", a)
			}
		}
	}
}

func (e Expected) empty() bool {
	return e.Cause == "" && e.Rule == "" && e.Class == "" && e.Device == "" && e.Component == "" && e.Site == "" && e.Process == "" && e.Vendor == "" && e.Provisional == nil
}

// names are what a scenario may speak of.
type names struct {
	sites, devices, lines, vendors, agents, ports map[string]bool
}

func newNames(inv *inventory.Inventory) names {
	n := names{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, s := range inv.Sites {
		n.sites[s.ID] = true
	}
	for _, d := range inv.Devices {
		n.devices[d.ID] = true
		for _, p := range d.Ports {
			n.ports[d.ID+":"+p.Name] = true
		}
	}
	for _, l := range inv.Lines {
		n.lines[l.ID] = true
		n.ports[l.AEnd.Device+":"+l.AEnd.Interface] = true
		n.ports[l.BEnd.Device+":"+l.BEnd.Interface] = true
	}
	for _, v := range inv.Vendors {
		n.vendors[v.ID] = true
	}
	for _, a := range inv.Agents {
		n.agents[a.ID] = true
	}
	return n
}

// known tells whether a name may be a root or affected.
func (n names) known(id string) bool {
	return n.devices[id] || n.lines[id] || n.vendors[id] || n.agents[id] || n.sites[strings.TrimPrefix(id, "site:")]
}

// english returns a text and its translation as one, to be searched.
func english(t lang.Text) string { return t.EN + "\n" + t.ZH }
