package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/topology"
)

// sampleFound is a site where two cables were swapped.
func sampleFound() topology.Found {
	seen := func(device, port, neighbour, far, by string) topology.Sighting {
		return topology.Sighting{Device: device, Port: port, Neighbor: neighbour, FarPort: far, By: by, At: testNow.Add(-2 * time.Minute)}
	}
	return topology.Found{At: testNow.Add(-20 * time.Second),
		Sightings: []topology.Sighting{seen("sh-sw", "p1", "sh-rtr", "lan0", topology.ByLLDP), seen("sh-sw", "p2", "sh-db", "eth0", topology.ByCDP),
			seen("sh-sw", "p9", "<b>stranger</b>", "", topology.ByLLDP), seen("bj-sw", "p1", "bj-rtr", "", topology.ByFDB)},
		Drift: []topology.Drift{{Kind: topology.Moved, Device: "sh-sw", Port: "p2", Declared: "sh-ups", Seen: "sh-db", Misleads: []string{"sh-db", "sh-ups"}},
			{Kind: topology.Unknown, Device: "sh-sw", Port: "p9", Seen: "<b>stranger</b>"}},
		Proposals: []topology.Proposal{{Device: "sh-sw", Port: "p2", To: "sh-db", Peer: "eth0", Replaces: "sh-ups", Confidence: topology.Medium, By: []string{topology.ByCDP}}}}
}

func topologyConsole(t *testing.T, found topology.Found) *console {
	t.Helper()
	inv := &inventory.Inventory{Sites: []inventory.Site{{ID: "shanghai"}, {ID: "beijing"}}, Devices: []inventory.Device{{ID: "sh-sw", Site: "shanghai"}, {ID: "bj-sw", Site: "beijing"}}}
	c := &console{Options: Options{Topology: func() topology.Found { return found }, Inventory: func() *inventory.Inventory { return inv }, Now: func() time.Time { return testNow }}}
	var err error
	if c.words, err = loadCatalogues(); err != nil {
		t.Fatal(err)
	}
	if c.assets, err = loadAssets(); err != nil {
		t.Fatal(err)
	}
	if c.templates, err = parseTemplates(); err != nil {
		t.Fatal(err)
	}
	return c
}

func show(t *testing.T, c *console, path string, u account.User) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	w := httptest.NewRecorder()
	if err := c.topologyPage(w, r, c.newPage(r, u)); err != nil {
		t.Fatal(err)
	}
	return w.Body.String()
}

func TestTopologyPage(t *testing.T) {
	chen := account.User{Name: "chen", Language: "en", Roles: []string{account.RoleHQNetwork}}
	c := topologyConsole(t, sampleFound())
	body := show(t, c, "/topology", chen)
	for _, want := range []string{"leads elsewhere", "sh-db, sh-ups", "{name: p2, to: sh-db, peer: eth0}", "replaces sh-ups", "MAC table", "&lt;b&gt;stranger"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<b>stranger") {
		t.Error("a stranger's name is markup")
	}
	li := account.User{Name: "li", Language: "zh-CN", Roles: []string{account.RoleBranchIT}, Sites: []string{"beijing"}}
	if body := show(t, c, "/topology?site=shanghai", li); strings.Contains(body, "sh-sw") || strings.Contains(body, "bj-sw") {
		t.Error("a branch sees another's devices, or its own when it asked for another's")
	}
	if body := show(t, c, "/topology", li); !strings.Contains(body, "bj-sw") || strings.Contains(body, "sh-sw") {
		t.Error("a branch does not see its own devices, or sees another's")
	}
	if body := show(t, topologyConsole(t, topology.Found{}), "/topology", chen); !strings.Contains(body, "not compared yet") || strings.Contains(body, "✓") {
		t.Error("nothing was compared, and the page says that all agrees")
	}
}
