package inventory

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAffected(t *testing.T) {
	g := NewGraph(company(t))
	for _, c := range []struct {
		name string
		down []string
		want []string
	}{
		{"one of two lines", []string{"carrier-a:line-1"}, nil},
		{"both lines", []string{"carrier-a:line-1", "carrier-b:line-1"}, []string{"db", "rtr", "srv", "sw", "ups"}},
		{"one carrier", []string{"carrier-a"}, []string{"carrier-a:line-1"}},
		{"both carriers", []string{"carrier-a", "carrier-b"}, []string{"carrier-a:line-1", "carrier-b:line-1", "db", "rtr", "srv", "sw", "ups"}},
		{"head office's router, lines are sound", []string{"hqrtr"}, []string{"db", "rtr", "srv", "sw", "ups"}},
		{"switch", []string{"sw"}, []string{"db", "srv", "ups"}},
		{"host of a database", []string{"srv"}, []string{"db"}},
		{"silent UPS card", []string{"ups"}, nil},
		{"site", []string{"site:branch-1"}, []string{"db", "rtr", "srv", "sw", "ups"}},
		{"unknown name", []string{"ghost"}, nil},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, g.Affected(c.down)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if diff := cmp.Diff([]string{"db", "rtr", "srv", "sw"}, g.PowerLost([]string{"ups"})); diff != "" {
		t.Errorf("power lost: %s", diff)
	}
}

func TestLookups(t *testing.T) {
	g := NewGraph(company(t))
	if d, ok := g.DeviceByAddress("10.1.0.1"); !ok || d.ID != "rtr" {
		t.Errorf("second address of the router: %v %v", d.ID, ok)
	}
	if _, ok := g.DeviceByAddress("10.9.9.9"); ok {
		t.Error("an unknown address has a device")
	}
	if sw, port := g.PortTowards("rtr"); sw != "sw" || port != "p1" {
		t.Errorf("port towards the router: %s %s", sw, port)
	}
	if dev, port := g.PortTowards("carrier-a:line-1"); dev != "rtr" || port != "wana" {
		t.Errorf("port towards the line: %s %s", dev, port)
	}
	if to, ok := g.PortTo("sw", "p3"); !ok || to != "ups" {
		t.Errorf("port p3 leads to %q", to)
	}
	if diff := cmp.Diff([]string{"carrier-a:line-1", "carrier-b:line-1"}, g.Parents("rtr")); diff != "" {
		t.Error(diff)
	}
	if ls := g.LinesOf("branch-1"); len(ls) != 2 || ls[0].Role != "main" {
		t.Errorf("lines of the branch: %+v", ls)
	}
	for id, want := range map[string]string{"sw": "branch-1", "carrier-a:line-1": "branch-1", "hq": "hq", "site:hq": "hq", "ghost": ""} {
		if got := g.SiteOf(id); got != want {
			t.Errorf("site of %s: %q, want %q", id, got, want)
		}
	}
}

func TestSameAddressAtTwoSites(t *testing.T) {
	g := NewGraph(&Inventory{Devices: []Device{
		{ID: "one", Site: "a", Addresses: []string{"192.168.1.1"}},
		{ID: "two", Site: "b", Addresses: []string{"192.168.1.1"}},
	}})
	if _, ok := g.DeviceByAddress("192.168.1.1"); ok {
		t.Error("an address of two devices is not one device's")
	}
	if d, ok := g.DeviceAt("b", "192.168.1.1"); !ok || d.ID != "two" {
		t.Errorf("at site b: %v %v", d.ID, ok)
	}
}

func TestContracts(t *testing.T) {
	g := NewGraph(company(t))
	warranty := time.Date(2026, 6, 30, 15, 0, 0, 0, time.UTC) // still the 30th in Shanghai
	after := warranty.Add(time.Hour)                          // the 1st of July there
	for _, c := range []struct {
		device, want string
		at           time.Time
	}{
		{"sw", "switches", warranty},
		{"sw", "general", after},
		{"ups", "power", after},
		{"rtr", "general", after},
		{"rtr", "", time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"ghost", "", after},
	} {
		got, ok := g.ContractFor(c.device, c.at)
		if got.ID != c.want || ok != (c.want != "") {
			t.Errorf("contract of %s at %s: %q, want %q", c.device, c.at, got.ID, c.want)
		}
	}
	for _, c := range [][3]string{
		{"carrier-a:line-1", "carrier", "carrier-a"}, {"carrier-b", "carrier", "carrier-b"}, {"sw", "carrier", ""},
		{"ups", "UPS maintainer", "maintainer"}, {"ups", "equipment supplier", "supplier"}, {"sw", "UPS maintainer", ""},
	} {
		if v, ok := g.VendorFor(c[0], c[1], after); ok != (c[2] != "") || ok && v.ID != c[2] {
			t.Errorf("%s for %s: %q, want %q", c[1], c[0], v.ID, c[2])
		}
	}
}

// world draws an acyclic inventory: each device depends on earlier ones only.
func world(t *rapid.T) *Inventory {
	n := rapid.IntRange(1, 12).Draw(t, "devices")
	inv := &Inventory{}
	for i := range n {
		d := Device{ID: fmt.Sprint("d", i)}
		for range rapid.IntRange(0, min(i, 2)).Draw(t, "groups") {
			d.DependsOn = append(d.DependsOn, Dependency{AnyOf: rapid.SliceOfNDistinct(
				rapid.Map(rapid.IntRange(0, i-1), func(j int) string { return fmt.Sprint("d", j) }), 1, min(i, 3), rapid.ID[string]).Draw(t, "any of")})
		}
		inv.Devices = append(inv.Devices, d)
	}
	return inv
}

// reachable is the plain meaning, against which the spreading is tested: a
// device is reached when it is not down and each group has a reached member.
func reachable(inv *Inventory, down []string) map[string]bool {
	ok := map[string]bool{}
	for _, d := range inv.Devices { // parents come first
		ok[d.ID] = !slices.Contains(down, d.ID) && !slices.ContainsFunc(d.DependsOn, func(dep Dependency) bool {
			return !slices.ContainsFunc(dep.AnyOf, func(p string) bool { return ok[p] })
		})
	}
	return ok
}

func TestAffectedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := world(t)
		g := NewGraph(inv)
		names := rapid.Map(rapid.IntRange(0, len(inv.Devices)-1), func(i int) string { return fmt.Sprint("d", i) })
		down := rapid.SliceOfNDistinct(names, 1, len(inv.Devices), rapid.ID[string]).Draw(t, "down")
		got := g.Affected(down)

		want, ok := []string{}, reachable(inv, down)
		for _, d := range inv.Devices {
			if !ok[d.ID] && !slices.Contains(down, d.ID) {
				want = append(want, d.ID)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("affected %v, want %v", got, want)
		}
		// Transitive: what follows from the consequences is already among them.
		for _, again := range g.Affected(append(slices.Clone(down), got...)) {
			t.Fatalf("%s follows only from the consequences of %v", again, down)
		}
		// Monotonous: more down never makes anything reachable.
		one := g.Affected(down[:1])
		for _, id := range one {
			if !slices.Contains(got, id) && !slices.Contains(down, id) {
				t.Fatalf("%s is affected by %s but not by %v", id, down[0], down)
			}
		}
	})
}
