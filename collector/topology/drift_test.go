package topology

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/inventory"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func graph() *inventory.Graph {
	on := func(name string) []inventory.Dependency { return []inventory.Dependency{{AnyOf: []string{name}}} }
	return inventory.NewGraph(&inventory.Inventory{Sites: []inventory.Site{{ID: "s"}}, Devices: []inventory.Device{
		{ID: "core", Site: "s", Addresses: []string{"10.0.0.1"}, Ports: []inventory.Port{{Name: "p1", To: "acc1", Peer: "u"}, {Name: "p2", To: "acc2", Peer: "u"}, {Name: "w", To: "line"}}},
		{ID: "acc1", Site: "s", DependsOn: on("core"), Ports: []inventory.Port{{Name: "u", To: "core", Peer: "p1"}}},
		{ID: "acc2", Site: "s", DependsOn: on("core")}, {ID: "cam", Site: "s", DependsOn: on("acc1")},
	}, Lines: []inventory.Line{{ID: "line", Site: "s"}}})
}

func sees(device, port, neighbor string) Sighting {
	return Sighting{Device: device, Port: port, Neighbor: neighbor, At: now.Add(-time.Minute)}
}

func TestCompare(t *testing.T) {
	old := sees("core", "p1", "acc2")
	old.At = now.Add(-2 * time.Hour)
	for _, c := range []struct {
		name string
		seen []Sighting
		want []Drift
	}{
		{"as declared, by name, domain and address", []Sighting{sees("core", "p1", "ACC1.example.com"), sees("core", "p2", "acc2"), sees("acc1", "u", "10.0.0.1")}, nil},
		{"cables swapped", []Sighting{sees("core", "p1", "acc2")}, []Drift{{Kind: Moved, Device: "core", Port: "p1", Declared: "acc1", Seen: "acc2", Misleads: []string{"acc1", "acc2", "cam"}}}},
		{"daisy-chained now", []Sighting{sees("acc1", "x", "acc2")}, []Drift{{Kind: Extra, Device: "acc1", Port: "x", Seen: "acc2"}}},
		{"a stranger", []Sighting{sees("core", "p9", "printer")}, []Drift{{Kind: Unknown, Device: "core", Port: "p9", Seen: "printer"}}},
		{"both speak, neither sees the other", []Sighting{sees("core", "p2", "acc2"), sees("acc1", "x", "cam")},
			[]Drift{{Kind: Missing, Device: "acc1", Port: "u", Declared: "core", Misleads: []string{"acc1", "cam"}}, {Kind: Missing, Device: "core", Port: "p1", Declared: "acc1", Misleads: []string{"acc1", "cam"}}}},
		{"one that does not speak is not missing", []Sighting{sees("core", "p2", "acc2")}, nil},
		{"what is behind a line is not compared", []Sighting{sees("core", "w", "elsewhere")}, nil},
		{"old words are none", []Sighting{old}, nil},
		{"several at one port, the declared among them", []Sighting{sees("core", "p1", "phone"), sees("core", "p1", "acc1")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Compare(graph(), c.seen, now, time.Hour)); d != "" {
				t.Error(d)
			}
		})
	}
}
