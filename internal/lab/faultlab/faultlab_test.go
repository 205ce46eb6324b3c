package faultlab

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/input/probe"
	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/bundled/database"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/rules"
)

func labInventory(t *testing.T) *inventory.Inventory {
	t.Helper()
	dir := t.TempDir()
	if err := WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(filepath.Join(dir, "inventory"))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// The lab's own rules load beside the product's, and writing them twice is no
// fault.
func TestRules(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := WriteFiles(dir); err != nil {
			t.Fatal(err)
		}
	}
	own, err := ruler.Load(os.DirFS(filepath.Join(dir, "rules", "alerts")))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(own.List); n != 1 {
		t.Errorf("%d alert rules, want one", n)
	}
}

func TestInventory(t *testing.T) {
	inv := labInventory(t)
	for id := range agents {
		if a, ok := inv.AgentByToken(inventory.HashToken(agentToken(id))); !ok || a.ID != id {
			t.Errorf("token of agent %s belongs to %q", id, a.ID)
		}
		if w, ok := inv.Work(id); !ok || len(w.Targets) < 10 {
			t.Errorf("agent %s has %d targets", id, len(w.Targets))
		}
	}
	if len(agents) != len(inv.Agents) {
		t.Errorf("%d agents have nodes, the inventory has %d", len(agents), len(inv.Agents))
	}
}

// The agent's own inputs accept every target as the inventory hands it out.
func TestTargets(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	profiles, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := snmp.New(snmp.Options{Profiles: profiles})
	if err != nil {
		t.Fatal(err)
	}
	checkers := map[string]input.Checker{"snmp": devices, "probe": probe.New(probe.Options{}), "database": database.New(database.Options{})}
	inv := labInventory(t)
	for id := range agents {
		w, _ := inv.Work(id)
		for _, target := range w.Targets {
			c := checkers[target.Input]
			if c == nil && target.Input != "host" {
				t.Errorf("%s: the agent has no input %q", target.ID, target.Input)
			} else if c != nil {
				if err := c.CheckTarget(target); err != nil {
					t.Errorf("%s: %v", target.ID, err)
				}
			}
		}
	}
}

// What hangs on what in the lab, as its wiring is.
func TestReach(t *testing.T) {
	g := inventory.NewGraph(labInventory(t))
	lan := []string{"b2env", "b2srv", "b2ups"}
	for _, c := range []struct {
		down, want []string
	}{
		{[]string{"carrier-a:line-2"}, nil},
		{[]string{"carrier-a:line-2", "carrier-b:line-2"}, []string{"b2env", "b2rtr", "b2srv", "b2sw", "b2ups"}},
		{[]string{"b2rtr"}, append([]string{"b2sw"}, lan...)},
		{[]string{"b2sw"}, lan},
		{[]string{"b2ups"}, nil},
		{[]string{"b1sw"}, []string{"b1db", "b1env", "b1srv", "b1ups"}},
		{[]string{"carrier-a"}, []string{"carrier-a:line-1", "carrier-a:line-2", "carrier-a:line-3"}},
	} {
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, g.Affected(c.down)); diff != "" {
			t.Errorf("%v down: %s", c.down, diff)
		}
	}
	if n := len(g.Affected([]string{"hqrtr"})); n != 16 {
		t.Errorf("head office's router takes %d devices with it, want all 16 of the branches", n)
	}
	for _, id := range []string{"b3env", "b1rtr", "hqrtr", "carrier-b:line-3"} {
		if device, port := g.PortTowards(id); device == "" || port == "" {
			t.Errorf("no port leads to %s", id)
		}
	}
}

func TestWorkspace(t *testing.T) {
	w := workspace{dir: t.TempDir(), bin: "/opt/bin"}
	if err := w.write(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(w.agentCommand(), "/opt/bin/faultline-agent run --config ") {
		t.Errorf("the agent's command begins otherwise than with the agent: %s", w.agentCommand())
	}
	script, err := os.ReadFile(w.path("collector.sh"))
	if err != nil || strings.Contains(string(script), "{") {
		t.Errorf("collector.sh: %s %v", script, err)
	}
	bad := workspace{dir: t.TempDir(), bin: "/opt/my bin"}
	if bad.write() == nil {
		t.Error("a path that a shell would split was accepted")
	}
	if _, err := w.adminToken(); err == nil {
		t.Error("an absent token was read")
	}
}

func TestPackages(t *testing.T) {
	got := packages("text\n\n    apt-get install iproute2 frr \\\n                    tini python3\n    ./lab up\n")
	if diff := cmp.Diff([]string{"iproute2", "frr", "tini", "python3"}, got); diff != "" {
		t.Error(diff)
	}
	if packages("nothing to install") != nil {
		t.Error("packages out of nothing")
	}
}
