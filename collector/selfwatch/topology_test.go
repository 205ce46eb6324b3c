package selfwatch

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/plugins/base"
)

// told is a store in which devices told of their neighbours.
func told(t *testing.T, now time.Time, rows ...[5]string) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(embedded.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for i, r := range rows { // age, device, port, neighbour, by
		age, err := time.ParseDuration(r[0])
		if err != nil {
			t.Fatal(err)
		}
		labels := map[string]string{"device": r[1], "port": r[2], "neighbour": r[3], "by": r[4]}
		name := "faultline_neighbour_info"
		if r[4] == "sysName" {
			labels, name = map[string]string{"device": r[1], "sysName": r[3]}, "sysName"
		}
		if _, err := s.Append(t.Context(), []metricstore.Series{{Labels: base.LabelsFrom(name, labels), Points: []metricstore.Point{{T: now.Add(-age).UnixMilli(), V: 1}}}}); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	return s
}

func wired() *inventory.Graph {
	return inventory.NewGraph(&inventory.Inventory{Sites: []inventory.Site{{ID: "s"}}, Devices: []inventory.Device{
		{ID: "core", Site: "s", Roles: []string{"gateway"}, Ports: []inventory.Port{{Name: "p1", To: "acc1", Peer: "u"}, {Name: "p2", To: "acc2", Peer: "u"}}},
		{ID: "acc1", Site: "s", DependsOn: []inventory.Dependency{{AnyOf: []string{"core"}}}},
		{ID: "acc2", Site: "s", DependsOn: []inventory.Dependency{{AnyOf: []string{"core"}}}},
	}})
}

// TestTopology swaps two cables: what devices said before is no word any more, what
// they call each other is understood, and the differences are told.
func TestTopology(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := told(t, now, [5]string{"40m", "core", "p1", "acc1", "lldp"}, [5]string{"40m", "core", "p2", "acc2", "lldp"},
		[5]string{"2m", "core", "p1", "Floor-2.example.com", "lldp"}, [5]string{"2m", "core", "p9", "printer", "lldp"}, [5]string{"2m", "core", "p8", "10.0.0.7", "arp"},
		[5]string{"3m", "acc1", "u", "core", "lldp"}, [5]string{"1m", "acc2", "", "floor-2", "sysName"})
	w := NewTopology(s, wired, func() time.Time { return now }, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if got := testutil.CollectAndCount(w); got != 0 {
		t.Errorf("%d series before anything was compared", got)
	}
	if err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP faultline_topology_drift 1 for each port where something other was seen than the inventory says.
# TYPE faultline_topology_drift gauge
faultline_topology_drift{declared="acc1",device="core",kind="moved",port="p1",seen="acc2",site="s"} 1
faultline_topology_drift{declared="",device="core",kind="unknown",port="p9",seen="printer",site="s"} 1
# HELP faultline_topology_moved_ports Ports of a device that tells of its neighbours which lead elsewhere than the inventory says.
# TYPE faultline_topology_moved_ports gauge
faultline_topology_moved_ports{device="acc1",site="s"} 0
faultline_topology_moved_ports{device="core",site="s"} 1
# HELP faultline_topology_sightings Neighbours seen within an hour, by how.
# TYPE faultline_topology_sightings gauge
faultline_topology_sightings{by="arp"} 1
faultline_topology_sightings{by="lldp"} 3
`
	if err := testutil.CollectAndCompare(w, strings.NewReader(want), "faultline_topology_drift", "faultline_topology_moved_ports", "faultline_topology_sightings"); err != nil {
		t.Error(err)
	}
	var got []string
	for _, p := range w.Found().Proposals {
		got = append(got, strings.Join([]string{p.Device, p.Port, p.To, p.Replaces, p.Confidence}, " "))
	}
	if d := cmp.Diff([]string{"acc1 u core  low", "core p1 acc2 acc1 medium"}, got); d != "" {
		t.Errorf("proposals: -want +got\n%s", d)
	}
	w.now = func() time.Time { return now.Add(2 * time.Hour) }
	if err := w.Look(t.Context()); err != nil || len(w.Found().Sightings) > 0 || len(w.Found().Drift) > 0 {
		t.Errorf("two hours later: %+v, %v", w.Found(), err)
	}
}
