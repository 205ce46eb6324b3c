// Package route says who deals with a diagnosis: which process, which vendor,
// which of our roles, how bad, and with what it is grouped. The table is data
// (rules/routes/*.yaml); vendors come from the inventory's lines and contracts.
// It is pure and sends nothing.
package route

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/yamlfile"
)

// Decision is who deals with a diagnosis.
type Decision struct {
	Process    string
	VendorID   string // "" when nobody outside is called, or no contract names one
	VendorName string
	VendorKind string
	OwnerRole  string // role id of processes.md
	Severity   string
	GroupKey   string // equal for diagnoses that belong on one list
}

// Route is one line of the table: what it takes, and what it says. Empty fields
// of When take everything; an empty answer leaves the diagnosis as it is.
type Route struct {
	ID         string   `yaml:"id"`
	When       Match    `yaml:"when"`
	Process    string   `yaml:"process"`
	VendorKind string   `yaml:"vendor_kind"`
	Owner      string   `yaml:"owner"`
	Severity   string   `yaml:"severity"`
	Group      []string `yaml:"group"` // process, class, site, device, circuit

	file string
	line int
}

// Match is what a route takes: every field that is given must hold.
type Match struct {
	Class      []string `yaml:"class"`
	Process    []string `yaml:"process"`
	VendorKind []string `yaml:"vendor_kind"`
	Severity   []string `yaml:"severity"`
	Site       []string `yaml:"site"`
	Kind       []string `yaml:"kind"` // of the root device
}

// UnmarshalYAML keeps the line the route stands in.
func (r *Route) UnmarshalYAML(node ast.Node) error {
	type plain Route
	if err := yaml.NodeToValue(node, (*plain)(r), yaml.Strict()); err != nil {
		return err
	}
	r.line = node.GetToken().Position.Line
	return nil
}

// Table is a loaded, checked list of routes; the first that fits decides.
type Table struct {
	routes []*Route
}

// Words that routes may use, by field.
var (
	classes = []string{incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassConfiguration,
		incident.ClassServer, incident.ClassDatabase, incident.ClassEnvironment, incident.ClassSecurity}
	processes   = []string{"network", "database", "infrastructure", "security", "service", "resource", "change", "database_maintenance"}
	vendorKinds = []string{incident.VendorCarrier, incident.VendorSupplier, incident.VendorUPS, incident.VendorDB, incident.VendorNone}
	severities  = []string{incident.SeverityCritical, incident.SeverityMajor, incident.SeverityMinor}
	owners      = []string{"branch_it", "hq_network", "hq_facility", "hq_dba", "hq_dev", "hq_it_manager", "hq_security"}
	groups      = []string{"process", "class", "site", "device", "circuit"}
)

// Processes returns the processes that a route may lead to: every one of them
// must be loaded.
func Processes() []string { return slices.Clone(processes) }

// Load reads every .yaml of dir and checks all of it. The last route must take
// everything. The error joins every fault, each with file and line.
func Load(dir fs.FS) (*Table, error) {
	files, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	t := &Table{}
	var faults []error
	for _, f := range files {
		b, err := fs.ReadFile(dir, f)
		if err != nil {
			return nil, fmt.Errorf("read routes %s: %w", f, err)
		}
		var doc struct {
			Routes []*Route `yaml:"routes"`
		}
		file, err := yamlfile.Parse(f, b)
		if err == nil {
			err = file.Decode(&doc)
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, r := range doc.Routes {
			if r == nil {
				continue
			}
			r.file = f
			t.routes = append(t.routes, r)
			faults = append(faults, r.check()...)
		}
	}
	switch n := len(t.routes); {
	case len(faults) > 0:
	case n == 0:
		faults = append(faults, errors.New("routes: there is none"))
	case !t.routes[n-1].When.everything() || t.routes[n-1].Owner == "":
		faults = append(faults, fmt.Errorf("%s:%d: the last route must take everything and name an owner", t.routes[n-1].file, t.routes[n-1].line))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

func (r *Route) check() []error {
	var faults []error
	all := func(field string, known []string, got ...string) {
		for _, g := range got {
			if g != "" && !slices.Contains(known, g) {
				faults = append(faults, fmt.Errorf("%s:%d: route %s: %s %q: want one of %q", r.file, r.line, r.ID, field, g, known))
			}
		}
	}
	if r.ID == "" {
		faults = append(faults, fmt.Errorf("%s:%d: route without id", r.file, r.line))
	}
	all("class", classes, r.When.Class...)
	all("process", processes, append(r.When.Process, r.Process)...)
	all("vendor_kind", vendorKinds, append(r.When.VendorKind, r.VendorKind)...)
	all("severity", severities, append(r.When.Severity, r.Severity)...)
	all("owner", owners, r.Owner)
	all("group", groups, r.Group...)
	return faults
}

func (m Match) everything() bool {
	return len(m.Class)+len(m.Process)+len(m.VendorKind)+len(m.Severity)+len(m.Site)+len(m.Kind) == 0
}

func (m Match) fits(d incident.Diagnosis, kind string) bool {
	in := func(want []string, have string) bool { return len(want) == 0 || slices.Contains(want, have) }
	return in(m.Class, d.Class) && in(m.Process, d.Process) && in(m.VendorKind, d.VendorKind) &&
		in(m.Severity, d.Severity) && in(m.Site, d.Site) && in(m.Kind, kind)
}

// Decide returns who deals with the diagnosis as of now. The inventory may be
// one that does not know the root: then no vendor is named.
func (t *Table) Decide(d incident.Diagnosis, g *inventory.Graph, now time.Time) Decision {
	device, _ := g.Device(d.Device)
	var r Route
	for _, have := range t.routes {
		if have.When.fits(d, device.Kind) {
			r = *have
			break
		}
	}
	out := Decision{Process: cmp.Or(r.Process, d.Process), VendorKind: cmp.Or(r.VendorKind, d.VendorKind, incident.VendorNone),
		OwnerRole: r.Owner, Severity: cmp.Or(r.Severity, d.Severity)}
	if out.VendorKind != incident.VendorNone {
		if v, ok := vendorOf(g, d, out.VendorKind, now); ok {
			out.VendorID, out.VendorName = v.ID, cmp.Or(v.Name.In(v.Language), v.ID)
		}
	}
	out.GroupKey = groupKey(r.Group, d, out.Process)
	return out
}

// vendorOf asks the inventory about the root, and when the root is a site about
// each of its devices in turn.
func vendorOf(g *inventory.Graph, d incident.Diagnosis, kind string, now time.Time) (inventory.Vendor, bool) {
	if v, ok := g.VendorFor(d.Device, kind, now); ok {
		return v, true
	}
	if !strings.HasPrefix(d.Device, "site:") {
		return inventory.Vendor{}, false
	}
	for _, dev := range g.DevicesOf(strings.TrimPrefix(d.Device, "site:")) {
		if v, ok := g.VendorFor(dev.ID, kind, now); ok {
			return v, true
		}
	}
	return inventory.Vendor{}, false
}

func groupKey(by []string, d incident.Diagnosis, process string) string {
	parts := make([]string, len(by))
	for i, name := range by {
		switch name {
		case "process":
			parts[i] = process
		case "class":
			parts[i] = d.Class
		case "site":
			parts[i] = d.Site
		case "circuit":
			parts[i] = cmp.Or(d.Circuit, d.Device)
		default:
			parts[i] = d.Device
		}
	}
	return strings.Join(parts, "/")
}
