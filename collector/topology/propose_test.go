package topology

import (
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/inventory"
)

// bare is a site of which the inventory knows little: what there is, and one link.
func bare() *inventory.Graph {
	return inventory.NewGraph(&inventory.Inventory{Sites: []inventory.Site{{ID: "s"}}, Devices: []inventory.Device{
		{ID: "gw", Site: "s", Roles: []string{"gateway"}, Addresses: []string{"10.0.0.1"}, Ports: []inventory.Port{{Name: "wan", To: "line"}}},
		{ID: "core", Site: "s", Ports: []inventory.Port{{Name: "p9", To: "acc"}}}, {ID: "acc", Site: "s"}, {ID: "cam", Site: "s"},
	}, Lines: []inventory.Line{{ID: "line", Site: "s"}}})
}

func by(how string, s Sighting) Sighting { s.By = how; return s }

func far(port string, s Sighting) Sighting { s.FarPort = port; return s }

func TestPropose(t *testing.T) {
	for _, c := range []struct {
		name string
		seen []Sighting
		want []Proposal
	}{
		{"both ends say so", []Sighting{by(ByLLDP, sees("gw", "lan", "core")), by(ByLLDP, sees("core", "p1", "gw"))}, []Proposal{
			{Device: "acc", To: "core", Confidence: High},
			{Device: "core", To: "gw", Confidence: High, By: []string{ByLLDP}},
			{Device: "core", Port: "p1", To: "gw", Peer: "lan", Confidence: High, By: []string{ByLLDP}},
			{Device: "gw", Port: "lan", To: "core", Peer: "p1", Confidence: High, By: []string{ByLLDP}},
		}},
		{"one end says so, the other does not speak", []Sighting{by(ByCDP, far("p1", sees("gw", "lan", "core.example.com")))}, []Proposal{
			{Device: "acc", To: "core", Confidence: High},
			{Device: "core", To: "gw", Confidence: Medium, By: []string{ByCDP}},
			{Device: "gw", Port: "lan", To: "core", Peer: "p1", Confidence: Medium, By: []string{ByCDP}},
		}},
		{"one end says so, the other sees somebody else", []Sighting{by(ByLLDP, sees("core", "p9", "cam")), by(ByLLDP, sees("cam", "eth0", "acc"))}, []Proposal{
			{Device: "cam", Port: "eth0", To: "acc", Confidence: Medium, By: []string{ByLLDP}},
			{Device: "core", Port: "p9", To: "cam", Replaces: "acc", Confidence: Low, By: []string{ByLLDP}},
		}},
		{"one known address alone behind a port", []Sighting{by(ByFDB, sees("acc", "p3", "cam"))}, []Proposal{
			{Device: "acc", Port: "p3", To: "cam", Confidence: Medium, By: []string{ByFDB}},
		}},
		{"two addresses behind a port: somebody stands between", []Sighting{by(ByFDB, sees("acc", "p3", "cam")), by(ByFDB, sees("acc", "p3", "02:00:00:00:00:07"))}, nil},
		{"who speaks at a port is its neighbour, not who is behind", []Sighting{by(ByLLDP, sees("gw", "lan", "core")), by(ByFDB, sees("gw", "lan", "cam"))}, []Proposal{
			{Device: "acc", To: "core", Confidence: High},
			{Device: "core", To: "gw", Confidence: Medium, By: []string{ByLLDP}},
			{Device: "gw", Port: "lan", To: "core", Confidence: Medium, By: []string{ByLLDP}},
		}},
		{"an address resolved says nothing of a port", []Sighting{by(ByARP, sees("gw", "lan", "core"))}, nil},
		{"what is behind a line is not here", []Sighting{by(ByLLDP, sees("gw", "wan", "core"))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Propose(bare(), c.seen, now, time.Hour)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	n := NewNames()
	n.Add("SW-Floor2", "core")
	n.Add("02:00:00:00:00:01", "cam")
	n.Add("twice", "core")
	n.Add("twice", "acc")
	seen := []Sighting{sees("gw", "1", "sw-floor2.example.com"), by(ByFDB, sees("acc", "2", "02:00:00:00:00:01")), sees("gw", "3", "twice"),
		by(ByARP, far("02:00:00:00:00:01", sees("gw", "4", "10.0.0.9"))), sees("core", "5", "sw-floor2"), sees("core", "6", "10.0.0.1")}
	var got []string
	for _, s := range Resolve(bare(), n, seen) {
		got = append(got, s.Port+" "+s.Neighbor)
	}
	if d := cmp.Diff([]string{"1 core", "2 cam", "3 twice", "4 cam", "6 10.0.0.1"}, got); d != "" {
		t.Error(d)
	}
}

func TestLatest(t *testing.T) {
	before := sees("core", "p1", "old")
	before.At = before.At.Add(-20 * time.Minute)
	others := by(ByFDB, before)
	got := Latest([]Sighting{before, sees("core", "p1", "new"), others}, 10*time.Minute)
	if len(got) != 2 || got[0].Neighbor != "new" || got[1].By != ByFDB {
		t.Errorf("%+v", got)
	}
}

// TestSnippet holds what is pasted to what the inventory reads, whatever a
// neighbour calls itself.
func TestSnippet(t *testing.T) {
	for _, p := range []Proposal{
		{Device: "core", Port: "Gi0/1", To: "acc", Peer: "p1"}, {Device: "core", Port: "1", To: "yes", Peer: "x}, {name: y"}, {Device: "core", Port: "a", To: "carrier:x\n"},
		{Device: "core", To: "gw gw2"},
	} {
		text := "devices:\n  - id: core\n" + p.Snippet()
		var inv struct{ Devices []inventory.Device }
		if err := yaml.Unmarshal([]byte(text), &inv); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		d := inv.Devices[0]
		if p.Port == "" {
			if diff := cmp.Diff([]inventory.Dependency{{AnyOf: []string{"gw", "gw2"}}}, d.DependsOn); diff != "" {
				t.Error(diff)
			}
			continue
		}
		if diff := cmp.Diff([]inventory.Port{{Name: p.Port, To: p.To, Peer: p.Peer}}, d.Ports); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
}
