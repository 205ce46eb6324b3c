package discovery

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faultline/faultline/agent/discover"
	seen "github.com/faultline/faultline/agent/discover/inventory"
	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/collector/inventory"
)

// branch is a sweep of a small branch: router, switch, server, UPS.
func branch() []topology.Host {
	mac := func(d, p int) topology.MAC { return topology.MAC{0, 0x1b, 0x21, 0, byte(d), byte(p)} }
	device := func(n int, name, class, address string) topology.Host {
		a := netip.MustParseAddr(address)
		f := &topology.Facts{Asked: netip.AddrPortFrom(a, 161), Credential: "all", Spoken: "2c", SysName: name, SysObjectID: fmt.Sprintf("1.3.6.1.4.1.99999.%d", n), Class: class, Serial: fmt.Sprintf("SN-%04d", n),
			BridgeMAC: mac(n, 0), Chassis: topology.ID{Kind: topology.IDMAC, MAC: mac(n, 0)}}
		for p := 1; p <= 4; p++ {
			f.Interfaces = append(f.Interfaces, topology.Interface{Index: p, Name: fmt.Sprintf("%d/0/%d", n, p), Type: 6, MAC: mac(n, p), Up: true})
		}
		f.Addresses = []topology.OwnAddress{{Interface: 1, Prefix: netip.PrefixFrom(a, 24)}}
		return topology.Host{Address: a, Heard: "snmp", RTT: time.Millisecond, Facts: f}
	}
	hear := func(h topology.Host, port, other, peer int) {
		h.Facts.Neighbours = append(h.Facts.Neighbours, topology.Neighbour{Protocol: "lldp", Port: port, ByLLDP: true, Chassis: topology.ID{Kind: topology.IDMAC, MAC: mac(other, 0)},
			PortID: topology.ID{Kind: topology.IDMAC, MAC: mac(other, peer)}})
	}
	rtr, sw, ups := device(1, "rtr", "network", "10.0.0.1"), device(2, "sw", "network", "10.0.0.2"), device(3, "ups-1", "ups", "10.0.0.3")
	rtr.Facts.Forwards = true
	sw.Facts.BridgePorts = 4
	hear(rtr, 1, 2, 1)
	hear(sw, 1, 1, 1)
	sw.Facts.FDB = []topology.FDBEntry{{Interface: 2, MAC: mac(3, 1)}, {Interface: 3, MAC: mac(9, 1)}}
	rtr.Facts.ARP = []topology.ARPEntry{{Interface: 1, Address: netip.MustParseAddr("10.0.0.9"), MAC: mac(9, 1)}}
	ups.Facts.Gateways = []netip.Addr{rtr.Address}
	srv := topology.Host{Address: netip.MustParseAddr("10.0.0.9"), Heard: "icmp", RTT: time.Millisecond, Name: "srv.example.com", Ports: []int{22, 5432}}
	return []topology.Host{rtr, sw, ups, srv}
}

// write makes the document of a sweep.
func write(t rapid.TB, hosts []topology.Host, existing *seen.Existing) []byte {
	t.Helper()
	r := &discover.Result{Hosts: hosts, Credentials: []discover.Credential{{Name: "all", Community: "s3cret: x"}}, Swept: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}
	p := topology.Propose(&topology.Sweep{Hosts: hosts})
	out, err := r.Write(p, discover.Paper{Site: "branch-7", Agent: "b7", Secrets: true, Existing: existing, Now: time.Unix(0, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestProposalLoads: the collector reads what the agent proposes, and its graph
// leads where the proposal says.
func TestProposalLoads(t *testing.T) {
	text := write(t, branch(), nil)
	inv, err := inventory.Parse("proposal.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	g := inventory.NewGraph(inv)
	for id, kind := range map[string]string{"rtr": "router", "sw": "switch", "ups-1": "ups", "srv": "database"} {
		if d, ok := g.Device(id); !ok || d.Kind != kind || d.Site != "branch-7" {
			t.Errorf("%s: %+v, want kind %s", id, d, kind)
		}
	}
	d, _ := g.Device("ups-1")
	if len(d.DependsOn) != 1 || !slices.Equal(d.DependsOn[0].AnyOf, []string{"sw"}) {
		t.Errorf("ups-1 depends on %+v", d.DependsOn)
	}
	sw, _ := g.Device("sw")
	want := []inventory.Port{{Name: "2/0/1", To: "rtr", Peer: "1/0/1"}, {Name: "2/0/2", To: "ups-1", Peer: "3/0/1"}, {Name: "2/0/3", To: "srv"}}
	if !slices.Equal(sw.Ports, want) {
		t.Errorf("ports of sw are %+v, want %+v", sw.Ports, want)
	}
	work, ok := inv.Work("b7")
	if !ok || len(work.Targets) != 8 {
		t.Errorf("the agent gets %d targets, want 8:\n%s", len(work.Targets), text)
	}
	for _, target := range work.Targets {
		if target.Input == "snmp" && (target.Options["community"] != "s3cret: x" || target.Options["version"] != "2c") {
			t.Errorf("options %v", target.Options)
		}
	}
}

// TestBesideExisting: what is new loads beside what was there.
func TestBesideExisting(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hosts := branch()
	put("first.yaml", write(t, hosts[:3], nil))
	existing, err := seen.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again := write(t, hosts[:3], existing); len(again) == 0 || len(mustParse(t, again).Devices) != 0 {
		t.Errorf("nothing is new, yet:\n%s", again)
	}
	put("second.yaml", write(t, hosts, existing))
	inv, err := inventory.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Devices) != 4 || len(inv.Sites) != 1 || len(inv.Agents) != 1 {
		t.Errorf("%d devices, %d sites, %d agents", len(inv.Devices), len(inv.Sites), len(inv.Agents))
	}
}

func mustParse(t *testing.T, text []byte) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Parse("p.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return inv
}

// TestAnyTextLoads: whatever devices call themselves and each other, the
// collector reads the proposal.
func TestAnyTextLoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "true", "null", "1", "10.0.0.1", "a: b", "- x", "#", "\"", "'", "\n- id: x", "路由器", "{a}", "[", "*x", "&y", "!z", "%", "@", "`", "sw", "SW", "sw.example.com"}))
		hosts := branch()
		for i := range hosts {
			hosts[i].Name = word.Draw(t, "dns")
			f := hosts[i].Facts
			if f == nil {
				continue
			}
			f.SysName, f.SysDescr, f.Vendor, f.Model, f.Serial = word.Draw(t, "name"), word.Draw(t, "descr"), word.Draw(t, "vendor"), word.Draw(t, "model"), word.Draw(t, "serial")
			f.Class = rapid.SampledFrom([]string{"network", "ups", "pdu", "host", "bmc", "firewall", "storage", "printer", "environment", "cooling", "other"}).Draw(t, "class")
			f.Problems = []string{word.Draw(t, "problem")}
			for k := range f.Interfaces {
				f.Interfaces[k].Name = word.Draw(t, "port")
			}
			f.Neighbours = append(f.Neighbours, topology.Neighbour{Protocol: "cdp", Port: rapid.IntRange(0, 5).Draw(t, "at"), Name: word.Draw(t, "neighbour"), Descr: word.Draw(t, "platform"),
				PortID: topology.ID{Kind: topology.IDName, Text: word.Draw(t, "peer")}})
		}
		text := write(t, hosts, nil)
		if _, err := inventory.Parse("proposal.yaml", text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
