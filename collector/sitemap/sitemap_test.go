package sitemap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/internal/lang"
)

// branch is a branch with two lines, a router, a switch, a UPS and so many
// servers, one of which carries a database.
func branch(servers int) *inventory.Graph {
	name := func(zh, en string) lang.Text { return lang.Text{ZH: zh, EN: en} }
	on := func(any ...string) inventory.Dependency { return inventory.Dependency{AnyOf: any} }
	power := inventory.Dependency{AnyOf: []string{"ups"}, For: inventory.ForPower}
	inv := &inventory.Inventory{
		Sites: []inventory.Site{{ID: "hq", Name: name("总公司", "Head office"), Kind: "hq"}, {ID: "b1", Name: name("一分公司 <1>", "Branch <1>"), Kind: "branch"}},
		Devices: []inventory.Device{
			{ID: "hqrtr", Name: name("总部路由器", "HQ router"), Site: "hq", Kind: "router"},
			{ID: "ups", Name: name("UPS", "UPS"), Site: "b1", Kind: "ups", DependsOn: []inventory.Dependency{on("sw")}},
			{ID: "sw", Name: name("交换机", "Switch"), Site: "b1", Kind: "switch", DependsOn: []inventory.Dependency{on("rtr"), power}},
			{ID: "rtr", Name: name("路由器", "Router"), Site: "b1", Kind: "router", DependsOn: []inventory.Dependency{on("a:1", "b:1"), power}},
			{ID: "db", Name: name("订单数据库", "Orders"), Site: "b1", Kind: "database", Host: "srv0"},
		},
		Lines: []inventory.Line{
			{ID: "a:1", Name: name("电信专线", "Line of carrier A"), Site: "b1", Carrier: "a", Circuit: "SH-0231", AEnd: inventory.End{Device: "hqrtr"}, BEnd: inventory.End{Device: "rtr"}},
			{ID: "b:1", Name: name("联通专线", "Line of carrier B"), Site: "b1", Carrier: "b", Circuit: "SH-0555", AEnd: inventory.End{Device: "hqrtr"}, BEnd: inventory.End{Device: "rtr"}},
		},
	}
	for i := range servers {
		inv.Devices = append(inv.Devices, inventory.Device{ID: fmt.Sprintf("srv%d", i), Name: name(fmt.Sprintf("应用服务器 %d", i), fmt.Sprintf("Application server %d", i)), Site: "b1", Kind: "server",
			DependsOn: []inventory.Dependency{on("sw"), power}})
	}
	return inventory.NewGraph(inv)
}

func (m Map) node(t *testing.T, id string) Node {
	t.Helper()
	i := slices.IndexFunc(m.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		t.Fatalf("no %s in the picture", id)
	}
	return m.Nodes[i]
}

// TestOf: the way from head office leads downwards, and each thing has its state.
func TestOf(t *testing.T) {
	known := func(id string) truth.Truth {
		switch id {
		case "srv1", "hqrtr", "b:1", "a:1":
			return truth.OK
		case "ups":
			return truth.Bad
		}
		return truth.Unknown
	}
	m := Of(branch(3), "b1", known, &Fault{Device: "rtr", Component: "mainboard", Affected: []string{"sw", "srv0"}})
	for _, want := range []struct {
		id    string
		row   int
		state State
	}{{"hqrtr", 0, Up}, {"a:1", 1, Up}, {"b:1", 1, Up}, {"rtr", 2, Cause}, {"sw", 3, Unreachable}, {"ups", 4, Down}, {"srv0", 4, Unreachable}, {"srv1", 4, Up}, {"srv2", 4, Unknown}, {"db", 5, Unknown}} {
		if n := m.node(t, want.id); n.Row != want.row || n.State != want.state {
			t.Errorf("%s: row %d, state %d; want %d, %d", want.id, n.Row, n.State, want.row, want.state)
		}
	}
	if n := m.node(t, "rtr"); n.Note != "mainboard" || m.Rows != 6 || !m.node(t, "hqrtr").Beyond {
		t.Errorf("%+v, %d rows", n, m.Rows)
	}
}

// TestLineIsTheCause: a line is known by its name or its circuit, and its router
// is not the root then.
func TestLineIsTheCause(t *testing.T) {
	for name, f := range map[string]*Fault{
		"by name":               {Device: "a:1", Component: "line-1", Circuit: "SH-0231"},
		"by circuit":            {Device: "rtr", Component: "line-1", Circuit: "SH-0231"},
		"by the part's name":    {Device: "rtr", Component: "a:1", Circuit: "SH-0231"},
		"nothing known at all":  nil,
		"of some other site":    {Device: "elsewhere"},
		"with a circuit unheld": {Device: "rtr", Circuit: "BJ-1"},
	} {
		var causes []string
		for _, n := range Of(branch(1), "b1", nil, f).Nodes {
			if n.State == Cause {
				causes = append(causes, n.ID)
			}
		}
		want := []string{"a:1"}
		if f == nil || f.Circuit != "SH-0231" {
			want = nil
		}
		if !slices.Equal(causes, want) {
			t.Errorf("%s: causes %v, want %v", name, causes, want)
		}
	}
}

// TestPicture: boxes do not touch each other whatever there is, the SVG is well
// formed, and names cannot break out of it.
func TestPicture(t *testing.T) {
	for _, servers := range []int{1, 7, 8, 40} {
		m := Of(branch(servers), "b1", nil, &Fault{Device: "sw"})
		at, width, height := m.place()
		if len(at) != len(m.Nodes) {
			t.Fatalf("%d of %d things have a place", len(at), len(m.Nodes))
		}
		for a, p := range at {
			if p.x < 0 || p.y < 0 || p.x+boxWidth > width || p.y+boxHeight > height-legendHeight {
				t.Errorf("%s at %v lies outside of %v × %v", a, p, width, height)
			}
			for b, q := range at {
				if a < b && p.x < q.x+boxWidth && q.x < p.x+boxWidth && p.y < q.y+boxHeight && q.y < p.y+boxHeight {
					t.Errorf("%s and %s overlap", a, b)
				}
			}
		}
		svg := m.SVG("en")
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(string(svg), "Branch &lt;1&gt;") || strings.Contains(string(svg), "Branch <1>") || !strings.Contains(string(svg), "root cause") {
			t.Error("the title is missing or not escaped, or no cause is marked")
		}
		if zh := string(m.SVG("zh-CN")); !strings.Contains(zh, "根因") || !strings.Contains(zh, "交换机") || strings.Contains(zh, "root cause") {
			t.Error("the Chinese picture is not Chinese")
		}
		if dir := os.Getenv("SITEMAP_DIR"); dir != "" { // to look at it
			if err := os.WriteFile(fmt.Sprintf("%s/%d.svg", dir, servers), svg, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLoop: things that hang on each other are drawn all the same.
func TestLoop(t *testing.T) {
	inv := &inventory.Inventory{Sites: []inventory.Site{{ID: "s"}}, Devices: []inventory.Device{
		{ID: "a", Site: "s", DependsOn: []inventory.Dependency{{AnyOf: []string{"b"}}}}, {ID: "b", Site: "s", DependsOn: []inventory.Dependency{{AnyOf: []string{"a"}}}}}}
	if m := Of(inventory.NewGraph(inv), "s", nil, nil); len(m.Nodes) != 2 || m.Rows > 4 {
		t.Errorf("%+v", m)
	}
}
