package inventory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lab"
)

// The practice branch is an inventory like any other, whatever its devices are
// called.
func TestPracticeInventory(t *testing.T) {
	renamed := lab.Names{
		HQ: "z0", Branch: "z1", HQRouter: "x0", Router: "x1", Switch: "x2", UPS: "x3", Sensor: "x4", Server: "x5",
		Line: "q:7", Carrier: "v1", Supplier: "v2", Maintainer: "v3", LANPort: "ge-0/0/1", WANPort: "ge-0/0/2",
		Room: "Rack 1", Humidity: "Rack 1 RH", RouterPort: "e1", ServerPort: "e2", UPSPort: "e3", SensorPort: "e4",
	}
	for _, names := range []lab.Names{lab.DefaultNames(), renamed} {
		t.Run(names.Branch, func(t *testing.T) {
			b, err := lab.Start(t.Context(), lab.Options{Names: names, Agent: "a1", AgentHash: inventory.HashToken("t"), LimitCelsius: 27.5})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			text, err := b.Inventory()
			if err != nil {
				t.Fatal(err)
			}
			inv, err := inventory.Parse("practice.yaml", text)
			if err != nil {
				t.Fatal(err)
			}
			checkPractice(t, inv, names)
		})
	}
}

func checkPractice(t *testing.T, inv *inventory.Inventory, n lab.Names) {
	t.Helper()
	g := inventory.NewGraph(inv)
	if got, want := g.Affected([]string{n.Line}), []string{n.Router, n.Switch, n.Server, n.UPS, n.Sensor}; len(got) != len(want) {
		t.Errorf("the line carries %v, want %v", got, want)
	}
	if sw, port := g.PortTowards(n.Router); sw != n.Switch || port != n.RouterPort {
		t.Errorf("port towards the router: %s %s", sw, port)
	}
	for _, c := range [][3]string{{n.Line, "carrier", n.Carrier}, {n.Router, "equipment supplier", n.Supplier}, {n.UPS, "UPS maintainer", n.Maintainer}} {
		if v, ok := g.VendorFor(c[0], c[1], time.Now()); !ok || v.ID != c[2] || len(v.Emails) == 0 {
			t.Errorf("%s for %s: %+v", c[1], c[0], v)
		}
	}
	if d, _ := g.Device(n.Sensor); d.Limits["temperature_celsius"] != 27.5 {
		t.Errorf("limits of the sensor: %v", d.Limits)
	}
	agent, ok := inv.AgentByToken(inventory.HashToken("t"))
	if !ok {
		t.Fatal("the agent's token is unknown")
	}
	w, _ := inv.Work(agent.ID)
	got := map[string]int{}
	for _, target := range w.Targets {
		got[fmt.Sprint(target.Input, " ", target.Labels["role"])]++
	}
	want := map[string]int{"host agent_host": 1, "snmp device": 4, "probe gateway": 1, "probe line": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s, _ := g.Site(n.Branch); !s.Practice || w.Interval != 5*time.Second {
		t.Errorf("site %+v, interval %s", s, w.Interval)
	}
}
