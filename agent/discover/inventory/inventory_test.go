package inventory

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/discover/topology"
)

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, t := range texts {
		all = append(all, netip.MustParseAddr(t))
	}
	return all
}

// found is a proposal of four devices.
func found() *topology.Proposal {
	core := &topology.Device{ID: "core", Name: "core", Kind: "switch", Serial: "SN-1", Model: "S5720", Vendor: "Huawei", Addresses: addresses("10.0.0.2", "10.0.1.2"), Answered: addresses("10.0.0.2"), Credential: "c",
		Leads: []topology.Lead{{Port: "p1", To: "rtr", Confidence: topology.High, Why: "both"}, {Port: "p2", To: "srv", Confidence: topology.Medium, Why: "learned"}}}
	rtr := &topology.Device{ID: "rtr", Name: "rtr", Kind: "router", Addresses: addresses("10.0.0.1"), Answered: addresses("10.0.0.1"), Credential: "c"}
	srv := &topology.Device{ID: "srv", Name: "srv", Kind: "server", Addresses: addresses("10.0.0.5"), Answered: addresses("10.0.0.5"),
		Parents: []topology.Parent{{AnyOf: []string{"core"}, Confidence: topology.Medium, Why: "learned"}}}
	added := &topology.Device{ID: "ups", Name: "ups", Kind: "ups", Serial: "U-700", Addresses: addresses("10.0.0.7"), Answered: addresses("10.0.0.7"), Credential: "c",
		Parents: []topology.Parent{{AnyOf: []string{"core"}, Confidence: topology.Low, Why: "gateway"}}}
	return &topology.Proposal{Root: "rtr", Devices: []*topology.Device{rtr, core, srv, added},
		Links:     []*topology.Link{{A: topology.End{Device: "core", Port: "p1"}, B: topology.End{Device: "rtr", Port: "lan0"}, Confidence: topology.High}},
		Conflicts: []topology.Conflict{{Kind: "name", Devices: []string{"core"}, Text: "two\nlines"}},
		Strangers: []topology.Stranger{{Name: "ap", At: topology.End{Device: "core", Port: "p9"}, Protocol: "lldp"}}}
}

const described = `
sites: [{id: s, name: {zh-CN: s, en: s}, kind: branch}]
lines: [{id: "carrier:1", site: s, carrier: carrier}]
devices:
  - {id: b1-router, site: s, kind: router, addresses: [10.0.0.1, 10.0.0.99], depends_on: [{any_of: ["carrier:1"]}]}
  - {id: b1-core, site: s, kind: switch, addresses: [10.0.0.2], serial: SN-0, model: S5720-56C, vendor: 华为, ports: [{name: P1, to: b1-router}, {name: p2, to: old}]}
  - {id: b1-server, site: s, kind: server, addresses: [10.0.0.5], depends_on: [{any_of: [b1-core]}]}
  - {id: old, site: s, kind: printer, addresses: [10.0.0.66]}
  - {id: elsewhere, site: other, kind: printer, addresses: [10.9.0.66]}
  - {id: spared, site: s, kind: printer, addresses: [10.0.0.200]}
  - {id: ups, site: other, kind: ups, addresses: [10.9.0.7]}
`

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

func TestCompare(t *testing.T) {
	e, err := parse([]byte(described))
	if err != nil {
		t.Fatal(err)
	}
	p := found()
	got := Compare(p, e, "s", prefixes("10.0.0.0/24"), prefixes("10.0.0.200/32"))
	want := &Changes{
		New: []string{"ups-2"}, // another device is called ups
		Changed: []Change{
			{"b1-router", "address", "10.0.0.99", "", "it does not answer there"},
			{"b1-core", "serial", "SN-0", "SN-1", ""},
			{"b1-core", "port p2", "old", "b1-server", "medium: learned"},
		},
		Gone: []Gone{{"old", []string{"10.0.0.66"}}},
		Same: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if p.Root != "b1-router" || p.Links[0].A.Device != "b1-core" || p.Devices[3].Parents[0].AnyOf[0] != "b1-core" || p.Conflicts[0].Devices[0] != "b1-core" || p.Strangers[0].At.Device != "b1-core" {
		t.Errorf("ids of the existing inventory are not used everywhere: %+v", p)
	}
}

// TestMoved: a device is known by its serial number at another address.
func TestMoved(t *testing.T) {
	e, err := parse([]byte("devices:\n  - {id: a, site: s, addresses: [10.0.0.7], serial: X-1}\n  - {id: b, site: s, addresses: [10.0.0.8], serial: U-700}\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := &topology.Proposal{Devices: found().Devices[3:]}
	got := Compare(p, e, "s", prefixes("10.0.0.0/24"), nil)
	want := &Changes{New: []string{}, Changed: []Change{{"b", "address", "10.0.0.8", "", "it does not answer there"}, {"b", "address", "", "10.0.0.7", "it answers there"}},
		Gone: []Gone{{"a", []string{"10.0.0.7"}}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestDocument(t *testing.T) {
	p := found()
	p.Devices[1].Asked = netip.MustParseAddrPort("10.0.0.2:161")
	p.Devices[1].Spoken = "2c"
	p.Devices[1].Because = []string{"switch:\nit says so"}
	p.Devices[2].Ports = []int{22, 5432}
	p.Devices[2].Pinged = netip.MustParseAddr("10.0.0.5")
	p.Devices[0].Pinged, p.Devices[0].GatewayFor = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.1")
	d := Document{Proposal: p, Title: "title", Site: "s", Agent: "yes", Options: map[string]map[string]string{"c": {"community": "p: #x"}}}
	text := string(d.Bytes())
	for _, want := range []string{
		"# title\n", "  - {id: s, name: {zh-CN: s, en: s}, kind: branch} #", "  - {id: \"yes\", site: s} #",
		"    kind: switch # switch: it says so\n",
		"    addresses: [10.0.0.2, 10.0.1.2]\n",
		"      - any_of: [core] # medium: learned\n",
		"      - {name: p1, to: rtr} # high: both\n",
		"      - {agent: \"yes\", input: snmp, options: {version: \"2c\", community: \"p: #x\"}}\n",
		"      - {agent: \"yes\", input: probe, role: gateway, options: {module: icmp}}\n",
		"      - {agent: \"yes\", input: probe, address: \"10.0.0.5:5432\", role: database, component: \"postgresql:5432\", options: {module: tcp}}\n",
		"# - ap on port p9 of core\n", "# - two lines\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	d.Existing, d.Changes = &Existing{Sites: []Named{{"s"}}, Agents: []Named{{"yes"}}}, &Changes{New: []string{"ups"}, Gone: []Gone{{"old", []string{"10.0.0.66"}}}, Changed: []Change{{"core", "serial", "", "SN-1", ""}}}
	text = string(d.Bytes())
	for _, want := range []string{"# gone: old does not answer at 10.0.0.66\n", "# changed: core serial: none, now SN-1\n", "devices:\n  - id: ups\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "sites:") || strings.Contains(text, "agents:") || strings.Contains(text, "id: core") {
		t.Errorf("what is described is proposed again:\n%s", text)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.yaml": described, "sub/b.yml": "devices: [{id: z, addresses: [10.0.0.9]}]", "c.txt": "["} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := Load(dir)
	if err != nil || len(e.Devices) != 8 || !has(e.Lines, "carrier:1") || !slices.ContainsFunc(e.Devices, func(d Device) bool { return d.ID == "z" }) {
		t.Errorf("%v %+v", err, e)
	}
	for _, path := range []string{t.TempDir(), filepath.Join(dir, "c.txt"), filepath.Join(dir, "none")} {
		if _, err := Load(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"core": "core", "Gi1/0/1": `Gi1/0/1`, "1/0/1": `"1/0/1"`, "10.0.0.1": "10.0.0.1", "::1": `"::1"`, "true": `"true"`, "NO": `"NO"`, "a: b": `"a: b"`,
		"": `""`, "<private>": `"<private>"`, "路由器": `"路由器"`, "x\ny": `"x\ny"`, "a#b": `"a#b"`, "1e5": `"1e5"`, "-": `"-"`} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
