package profile_test

import (
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/rules"
)

// loadShipped loads every profile that we ship, once for all tests.
var loadShipped = sync.OnceValues(func() (*profile.Set, error) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		return nil, err
	}
	return profile.Load(dir)
})

func shipped(t *testing.T) *profile.Set {
	t.Helper()
	set, err := loadShipped()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// example tells whether the profile describes no real device, but shows how to
// write one.
func example(name string) bool { return strings.HasPrefix(name, "example-") }

// TestShippedSayWhatProvesThem: a profile that says what a device is, or reads
// sensors, says how far it is proven and where its objects come from.
func TestShippedSayWhatProvesThem(t *testing.T) {
	set := shipped(t)
	proven := 0
	for _, n := range set.Names() {
		p := set.Profile(n)
		if p.Verified == profile.VerifiedRecording || p.Verified == profile.VerifiedServer {
			proven++
		}
		if p.Class == "" && !hasSensors(p) || example(n) {
			continue
		}
		if p.Verified == "" {
			t.Errorf("%s does not say how far it is verified", p.File())
		}
		if len(p.Source) == 0 || slices.Contains(p.Source, "") {
			t.Errorf("%s names no source", p.File())
		}
	}
	if proven < 100 {
		t.Errorf("%d profiles are proven: have the others been lost?", proven)
	}
}

func hasSensors(p *profile.Profile) bool {
	if len(p.Sensors) > 0 {
		return true
	}
	for i := range p.Tables {
		if len(p.Tables[i].Sensors) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(p.Scalars, func(v profile.Value) bool { return v.Sensor != nil })
}

// TestShippedAreReachable: a profile is chosen, or extended by one that is.
func TestShippedAreReachable(t *testing.T) {
	set := shipped(t)
	reached := map[string]bool{}
	var reach func(name string)
	reach = func(name string) {
		if !reached[name] {
			reached[name] = true
			for _, n := range set.Profile(name).Extends {
				reach(n)
			}
		}
	}
	for _, n := range set.Names() {
		if p := set.Profile(n); len(p.Match) > 0 {
			reach(n)
		} else if len(p.Notifications) > 0 {
			reach(n) // notifications are known whatever device sends them
		}
	}
	for _, n := range set.Names() {
		if !reached[n] {
			t.Errorf("%s fits no device and nobody extends it", set.Profile(n).File())
		}
	}
}

// strangers are groups of layers for objects below different enterprise numbers
// that were copied from one another with their names. One agent shows one of a
// group only; of two, the tables of the second by name would not be read.
var strangers = [][]string{
	{"fastpath-broadcom", "fastpath-dell", "fastpath-lvl7", "fastpath-netgear", "fastpath-netgear-smart"}, // one operating system under its licensees' numbers
	{"cisco-sb", "radlan"},          // Cisco bought the maker
	{"adva-fsp3000", "cisco-stack"}, // both say moduleTable
}

// TestLayersOwnTheirTables: of two layers that one device can have, neither hides
// a table of the other.
func TestLayersOwnTheirTables(t *testing.T) {
	set := shipped(t)
	owners := map[string][]string{}
	for _, n := range set.Names() {
		p := set.Profile(n)
		if !p.Layer() {
			continue
		}
		for i := range p.Tables {
			owners[p.Tables[i].Name] = append(owners[p.Tables[i].Name], n)
		}
	}
	if len(owners) < 100 {
		t.Fatalf("%d tables of layers", len(owners))
	}
	for table, of := range owners {
		for i, a := range of {
			for _, b := range of[i+1:] {
				if !slices.ContainsFunc(strangers, func(group []string) bool { return slices.Contains(group, a) && slices.Contains(group, b) }) {
					t.Errorf("table %s stands in the layers %s and %s: give one another name, as %s of its MIB", table, a, b, table)
				}
			}
		}
	}
}

// TestShippedNames: a file is named after its profile, and every regular
// expression that chooses a profile says more than "anything".
func TestShippedNames(t *testing.T) {
	set := shipped(t)
	for _, n := range set.Names() {
		p := set.Profile(n)
		if p.File() != n+".yaml" {
			t.Errorf("profile %s stands in %s, want %s.yaml", n, p.File(), n)
		}
		for _, a := range p.Match {
			for _, oid := range a.SysObjectID {
				if strings.Count(oid, ".") < 6 {
					t.Errorf("%s: the prefix %s is of no maker", p.File(), oid)
				}
			}
		}
	}
	plan := set.Select(profile.Identification{SysObjectID: "1.3.6.1.4.1.424242.1", SysDescr: "Some device nobody knows"})
	if plan.Own != "" {
		t.Errorf("an unknown device is taken for %s", plan.Own)
	}
}

// TestShippedMeet: whatever own profile a device has, its plan reads no series
// twice: tables and raw metrics are there once.
func TestShippedMeet(t *testing.T) {
	set := shipped(t)
	for _, n := range set.Names() {
		p := set.Profile(n)
		for _, a := range p.Match {
			if len(a.SysObjectID) == 0 {
				continue
			}
			id := profile.Identification{SysObjectID: a.SysObjectID[0] + ".1", Has: map[string]bool{}}
			for _, oid := range set.Probes(id) {
				id.Has[oid] = true // the worst case: a device that has everything
			}
			once(t, n, set.Select(id))
		}
	}
}

func once(t *testing.T, name string, plan *profile.Plan) {
	t.Helper()
	if plan.Faults != nil {
		t.Errorf("%s: %v", name, plan.Faults)
	}
	tables, metrics := map[string]bool{}, map[string]bool{}
	for _, tab := range plan.Tables {
		if tables[tab.Name] {
			t.Errorf("device of %s: table %s is read twice", name, tab.Name)
		}
		tables[tab.Name] = true
		for _, v := range tab.Columns {
			if metrics[v.Metric] {
				t.Errorf("device of %s: metric %s is read twice", name, v.Metric)
			}
			metrics[v.Metric] = true
		}
	}
}
