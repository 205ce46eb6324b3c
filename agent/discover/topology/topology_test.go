package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// mac makes a hardware address of a device's and a port's number.
func mac(device, port int) MAC { return MAC{0x00, 0x1b, 0x21, 0, byte(device), byte(port)} }

// maker makes facts in few words.
type maker struct {
	f Facts
	n int
}

// dev makes a device of a class with ports p1..pN, MACs by its number.
func dev(n int, name, class string, ports int) *maker {
	m := &maker{n: n, f: Facts{SysName: name, SysObjectID: "1.3.6.1.4.1.99999." + fmt.Sprint(n), Class: class, Serial: fmt.Sprintf("SN-%04d", n),
		BridgeMAC: mac(n, 0), Chassis: ID{Kind: IDMAC, MAC: mac(n, 0), Text: mac(n, 0).String()}}}
	for p := 1; p <= ports; p++ {
		m.f.Interfaces = append(m.f.Interfaces, Interface{Index: p, Name: fmt.Sprintf("p%d", p), Type: ifEthernet, MAC: mac(n, p), Up: true})
	}
	return m
}

func (m *maker) ip(port int, prefix string) *maker {
	m.f.Addresses = append(m.f.Addresses, OwnAddress{port, netip.MustParsePrefix(prefix)})
	return m
}

func (m *maker) forwards() *maker { m.f.Forwards = true; return m }

func (m *maker) gateway(a string) *maker { m.f.Gateways = append(m.f.Gateways, addr(a)); return m }

// lldp adds a neighbour by chassis address and port name.
func (m *maker) lldp(port, device int, name, peer string) *maker {
	m.f.Neighbours = append(m.f.Neighbours, Neighbour{Protocol: "lldp", Port: port, ByLLDP: true, Name: name,
		Chassis: ID{Kind: IDMAC, MAC: mac(device, 0), Text: mac(device, 0).String()}, PortID: ID{Kind: IDName, Text: peer}})
	return m
}

func (m *maker) cdp(port int, name, peer string) *maker {
	m.f.Neighbours = append(m.f.Neighbours, Neighbour{Protocol: "cdp", Port: port, Name: name, PortID: ID{Kind: IDName, Text: peer}})
	return m
}

func (m *maker) fdb(port int, macs ...MAC) *maker {
	for _, a := range macs {
		m.f.FDB = append(m.f.FDB, FDBEntry{Interface: port, VLAN: 1, MAC: a})
	}
	return m
}

func (m *maker) arp(port int, a string, mac MAC) *maker {
	m.f.ARP = append(m.f.ARP, ARPEntry{port, addr(a), mac})
	return m
}

// at makes the host that answered at an address with these facts.
func (m *maker) at(a string) Host {
	f := m.f
	return Host{Address: addr(a), Heard: "snmp", Facts: &f}
}

func silent(a string, ports ...int) Host { return Host{Address: addr(a), Heard: "icmp", Ports: ports} }

// told is a proposal in lines, for comparing: links, parents and conflicts.
func told(p *Proposal) []string {
	var lines []string
	for _, l := range p.Links {
		lines = append(lines, fmt.Sprintf("link %s %s - %s %s %s", l.A.Device, orDash(l.A.Port), l.B.Device, orDash(l.B.Port), l.Confidence))
	}
	for _, d := range p.Devices {
		for _, parent := range d.Parents {
			lines = append(lines, fmt.Sprintf("%s by %s %s", d.ID, strings.Join(parent.AnyOf, "|"), parent.Confidence))
		}
	}
	for _, c := range p.Conflicts {
		lines = append(lines, "conflict "+c.Kind+" "+strings.Join(c.Devices, " "))
	}
	for _, s := range p.Strangers {
		lines = append(lines, fmt.Sprintf("stranger %s at %s %s", firstOf(s.Name, s.Chassis), s.At.Device, s.At.Port))
	}
	return lines
}

func orDash(s string) string { return firstOf(s, "-") }

func TestPropose(t *testing.T) {
	tests := []struct {
		name  string
		sweep Sweep
		want  []string
	}{
		{"LLDP on both sides", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "edge", "p4").at("10.0.0.1"),
			dev(2, "edge", "network", 4).lldp(4, 1, "core", "p1").at("10.0.0.2"),
		}}, []string{"link core p1 - edge p4 high", "edge by core high"}},
		{"LLDP on one side", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "edge", "p4").at("10.0.0.1"),
			dev(2, "edge", "network", 4).at("10.0.0.2"),
		}}, []string{"link core p1 - edge p4 medium", "edge by core medium"}},
		{"CDP on both sides, names with domain and serial number", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).cdp(1, "edge.example.com", "p4").at("10.0.0.1"),
			dev(2, "edge", "network", 4).cdp(4, "core(SN-0001)", "p1").at("10.0.0.2"),
		}}, []string{"link core p1 - edge p4 high", "edge by core high"}},
		{"LLDP and CDP tell the same", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "edge", "p4").cdp(1, "edge", "p4").at("10.0.0.1"),
			dev(2, "edge", "network", 4).at("10.0.0.2"),
		}}, []string{"link core p1 - edge p4 medium", "edge by core medium"}},
		{"two cables", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "edge", "p3").lldp(2, 2, "edge", "p4").at("10.0.0.1"),
			dev(2, "edge", "network", 4).lldp(3, 1, "core", "p1").lldp(4, 1, "core", "p2").at("10.0.0.2"),
		}}, []string{"link core p1 - edge p3 high", "link core p2 - edge p4 high", "edge by core high"}},
		{"the other end hears somebody else", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "edge", "p4").at("10.0.0.1"),
			dev(2, "edge", "network", 4).lldp(4, 3, "third", "p1").at("10.0.0.2"),
			dev(3, "third", "network", 4).lldp(1, 2, "edge", "p4").at("10.0.0.3"),
		}}, []string{"link core p1 - edge p4 low", "link edge p4 - third p1 high", "edge by core low", "third by edge high", "conflict port core edge"}},
		{"CDP passed on by a switch that speaks LLDP", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "mid", "p1").cdp(1, "far", "p1").at("10.0.0.1"),
			dev(2, "mid", "network", 4).lldp(1, 1, "core", "p1").lldp(2, 3, "far", "p1").at("10.0.0.2"),
			dev(3, "far", "network", 4).lldp(1, 2, "mid", "p2").cdp(1, "core", "p1").at("10.0.0.3"),
		}}, []string{"link core p1 - far p1 low", "link core p1 - mid p1 high", "link mid p2 - far p1 high", "mid by core high", "far by mid high"}},
		{"several heard on one port", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "a", "p1").lldp(1, 3, "b", "p1").at("10.0.0.1"),
			dev(2, "a", "network", 2).at("10.0.0.2"), dev(3, "b", "network", 2).at("10.0.0.3"),
		}}, []string{"link core p1 - a p1 low", "link core p1 - b p1 low", "a by core low", "b by core low"}},
		{"a stranger", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(3, 9, "ap-3", "eth0").cdp(3, "ap-3", "eth0").at("10.0.0.1"),
		}}, []string{"stranger ap-3 at core p3"}},
		{"one address behind a port", Sweep{Root: "sw", Hosts: []Host{
			dev(1, "sw", "network", 8).fdb(3, mac(2, 1)).fdb(4, mac(3, 1), mac(8, 1), mac(8, 2)).fdb(5, mac(9, 9)).arp(1, "10.0.0.30", mac(9, 9)).at("10.0.0.1"),
			dev(2, "srv", "host", 1).at("10.0.0.2"), dev(3, "vm", "host", 1).at("10.0.0.3"), silent("10.0.0.30", 22),
		}}, []string{"link sw p3 - srv p1 medium", "link sw p4 - vm p1 low", "link sw p5 - server-10-0-0-30 - medium", "server-10-0-0-30 by sw medium", "srv by sw medium", "vm by sw low"}},
		{"three bridges in a row", Sweep{Root: "s1", Hosts: []Host{
			dev(1, "s1", "network", 8).fdb(1, mac(2, 0), mac(3, 0), mac(7, 1)).at("10.0.0.1"),
			dev(2, "s2", "network", 8).fdb(1, mac(1, 0)).fdb(2, mac(3, 0), mac(7, 1)).at("10.0.0.2"),
			dev(3, "s3", "network", 8).fdb(1, mac(2, 0), mac(1, 0)).fdb(5, mac(7, 1)).at("10.0.0.3"),
			dev(7, "srv", "host", 1).at("10.0.0.7"),
		}}, []string{"link s1 p1 - s2 p1 medium", "link s2 p2 - s3 p1 medium", "link s3 p5 - srv p1 medium", "s2 by s1 medium", "s3 by s2 medium", "srv by s3 medium"}},
		{"a server behind an uplink that only LLDP knows", Sweep{Root: "core", Hosts: []Host{
			dev(1, "core", "network", 4).lldp(1, 2, "edge", "p4").fdb(1, mac(7, 1)).at("10.0.0.1"),
			dev(2, "edge", "network", 4).lldp(4, 1, "core", "p1").fdb(2, mac(7, 1)).at("10.0.0.2"),
			dev(7, "srv", "host", 1).at("10.0.0.7"),
		}}, []string{"link core p1 - edge p4 high", "link edge p2 - srv p1 medium", "edge by core high", "srv by edge medium"}},
		{"a device learned in two places", Sweep{Root: "s1", Hosts: []Host{
			dev(1, "s1", "network", 8).fdb(3, mac(7, 1)).at("10.0.0.1"), dev(2, "s2", "network", 8).fdb(4, mac(7, 1)).at("10.0.0.2"),
			dev(7, "srv", "host", 1).at("10.0.0.7"),
		}}, []string{"conflict place srv"}},
		{"forwarding tables against LLDP", Sweep{Root: "s1", Hosts: []Host{
			dev(1, "s1", "network", 4).lldp(1, 3, "s3", "p1").fdb(1, mac(2, 0)).at("10.0.0.1"),
			dev(2, "s2", "network", 4).fdb(1, mac(1, 0)).at("10.0.0.2"),
			dev(3, "s3", "network", 4).lldp(1, 1, "s1", "p1").at("10.0.0.3"),
		}}, []string{"link s1 p1 - s3 p1 high", "s3 by s1 high", "conflict port s1 s2"}},
		{"gateway and ARP alone", Sweep{Self: Self{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/24")}, Gateway: addr("10.0.0.1")}, Hosts: []Host{
			dev(1, "rtr", "network", 3).forwards().ip(1, "10.0.0.1/24").ip(2, "10.0.1.1/24").arp(2, "10.0.1.7", mac(8, 8)).at("10.0.0.1"),
			dev(2, "ups-1", "ups", 1).gateway("10.0.0.1").at("10.0.0.2"), silent("10.0.1.7"), silent("10.0.1.8"), silent("10.9.9.9"),
		}}, []string{"link rtr p2 - other-10-0-1-7 - low", "link rtr p2 - other-10-0-1-8 - low", "link rtr p1 - ups-1 - low",
			"other-10-0-1-7 by rtr low", "other-10-0-1-8 by rtr low", "ups-1 by rtr low"}},
		{"two routers with a network for two", Sweep{Root: "hq", Hosts: []Host{
			dev(1, "hq", "network", 2).forwards().ip(1, "172.16.1.1/30").ip(2, "10.0.0.1/24").at("10.0.0.1"),
			dev(2, "branch", "network", 2).forwards().ip(1, "172.16.1.2/30").ip(2, "10.1.0.1/24").at("10.1.0.1"),
		}}, []string{"link hq p1 - branch p1 low", "branch by hq low"}},
		{"an island hangs on its gateway", Sweep{Self: Self{Gateway: addr("10.0.0.1")}, Hosts: []Host{
			dev(1, "rtr", "network", 2).forwards().ip(1, "10.0.0.1/24").ip(2, "10.1.0.1/24").at("10.0.0.1"),
			dev(2, "sw", "network", 8).gateway("10.0.0.1").fdb(3, mac(7, 1)).fdb(1, mac(8, 1), mac(8, 2)).at("10.0.0.2"),
			dev(7, "srv", "host", 1).at("10.0.0.7"),
		}}, []string{"link rtr p1 - sw - low", "link sw p3 - srv p1 medium", "sw by rtr low", "srv by sw medium"}},
		{"two ways up", Sweep{Root: "rtr", Hosts: []Host{
			dev(1, "rtr", "network", 4).forwards().lldp(1, 2, "c1", "p1").lldp(2, 3, "c2", "p1").at("10.0.0.1"),
			dev(2, "c1", "network", 4).lldp(1, 1, "rtr", "p1").lldp(2, 4, "edge", "p1").at("10.0.0.2"),
			dev(3, "c2", "network", 4).lldp(1, 1, "rtr", "p2").lldp(2, 4, "edge", "p2").at("10.0.0.3"),
			dev(4, "edge", "network", 4).lldp(1, 2, "c1", "p2").lldp(2, 3, "c2", "p2").at("10.0.0.4"),
		}}, []string{"link c1 p2 - edge p1 high", "link c2 p2 - edge p2 high", "link rtr p1 - c1 p1 high", "link rtr p2 - c2 p1 high",
			"c1 by rtr high", "c2 by rtr high", "edge by c1|c2 high"}},
		{"the root is where the sweep was made", Sweep{Root: RootSelf, Self: Self{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/24")}, MACs: []MAC{mac(9, 1)}, Gateway: addr("10.0.0.1"), Name: "col"}, Hosts: []Host{
			dev(1, "rtr", "network", 2).forwards().lldp(1, 2, "sw", "p1").at("10.0.0.1"),
			dev(2, "sw", "network", 8).lldp(1, 1, "rtr", "p1").fdb(2, mac(9, 1)).at("10.0.0.2"), silent("10.0.0.9"),
		}}, []string{"link rtr p1 - sw p1 high", "link sw p2 - col - medium", "sw by col medium", "rtr by sw high"}},
		{"an aggregate", Sweep{Root: "core", Hosts: []Host{
			bundled(dev(1, "core", "network", 4), 4, 1, 2).lldp(1, 2, "edge", "p1").lldp(2, 2, "edge", "p2").fdb(4, mac(2, 0), mac(7, 1)).at("10.0.0.1"),
			bundled(dev(2, "edge", "network", 4), 4, 1, 2).lldp(1, 1, "core", "p1").lldp(2, 1, "core", "p2").fdb(4, mac(1, 0)).fdb(3, mac(7, 1)).at("10.0.0.2"),
			dev(7, "srv", "host", 1).at("10.0.0.7"),
		}}, []string{"link core p1 - edge p1 high", "link core p2 - edge p2 high", "link edge p3 - srv p1 medium", "edge by core high", "srv by edge medium"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := told(Propose(&tt.sweep)), slices.Clone(tt.want)
			slices.Sort(got)
			slices.Sort(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func bundled(m *maker, aggregate int, ports ...int) *maker {
	for _, p := range ports {
		m.f.Interfaces[p-1].Bundle = aggregate
	}
	return m
}

// TestMerge: which addresses are one device.
func TestMerge(t *testing.T) {
	engine := func(m *maker, id string) *maker { m.f.EngineID = id; return m }
	noSerial := func(m *maker) *maker { m.f.Serial = "N/A"; return m }
	virtual := MAC{0, 0, 0x5e, 0, 1, 7}
	tests := []struct {
		name  string
		hosts []Host
		want  []string // addresses of each device, then conflicts
	}{
		{"name and serial number", []Host{dev(1, "a", "network", 0).at("10.0.0.1"), dev(1, "a", "network", 0).at("10.1.0.1"), dev(2, "b", "network", 0).at("10.0.0.2")},
			[]string{"10.0.0.1 10.1.0.1", "10.0.0.2"}},
		{"a stack's second serial number does not hide the same hardware", []Host{noSerial(dev(1, "a", "network", 2)).at("10.0.0.1"), noSerial(dev(1, "a", "network", 2)).at("10.1.0.1")},
			[]string{"10.0.0.1 10.1.0.1"}},
		{"same engine and name", []Host{engine(noSerial(dev(1, "a", "ups", 0)), "8000000001020304").at("10.0.0.1"), engine(noSerial(dev(1, "a", "ups", 0)), "8000000001020304").at("10.0.0.7")},
			[]string{"10.0.0.1 10.0.0.7"}},
		{"a copied engine ID", []Host{engine(dev(1, "a", "host", 1), "8000000001020304").at("10.0.0.1"), engine(dev(2, "b", "host", 1), "8000000001020304").at("10.0.0.2")},
			[]string{"10.0.0.1", "10.0.0.2", "engine_id"}},
		{"in the address table", []Host{dev(1, "a", "network", 2).ip(1, "10.0.0.1/24").ip(2, "10.1.0.1/24").at("10.0.0.1"), silent("10.1.0.1")},
			[]string{"10.0.0.1 10.1.0.1"}},
		{"another answers at an address of the table", []Host{dev(1, "a", "network", 2).ip(2, "10.1.0.1/24").at("10.0.0.1"), dev(2, "b", "network", 2).at("10.1.0.1")},
			[]string{"10.0.0.1", "10.1.0.1", "address"}},
		{"in two address tables", []Host{dev(1, "a", "network", 2).ip(2, "10.1.0.1/24").at("10.0.0.1"), dev(2, "b", "network", 2).ip(2, "10.1.0.1/24").at("10.0.0.2"), silent("10.1.0.1")},
			[]string{"10.0.0.1", "10.0.0.2", "10.1.0.1", "address"}},
		{"same hardware address by ARP", []Host{dev(1, "a", "network", 2).at("10.0.0.1"), dev(2, "b", "network", 2).arp(1, "10.2.0.1", mac(1, 2)).at("10.0.0.2"), silent("10.2.0.1")},
			[]string{"10.0.0.1 10.2.0.1", "10.0.0.2"}},
		{"a virtual router's address is nobody's", []Host{dev(1, "a", "network", 2).at("10.0.0.2"), dev(2, "b", "network", 2).arp(1, "10.0.0.1", virtual).at("10.0.0.3"), silent("10.0.0.1")},
			[]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}},
		{"same serial number, different make", []Host{dev(1, "a", "network", 0).at("10.0.0.1"), func() Host {
			h := dev(1, "a", "network", 0).at("10.0.0.2")
			h.Facts.SysObjectID = "1.3.6.1.4.1.1"
			return h
		}()}, []string{"10.0.0.1", "10.0.0.2", "hardware_address", "identity", "name"}},
		{"containers' networks repeat", []Host{containers(dev(1, "a", "host", 1)).at("10.0.0.1"), containers(dev(2, "b", "host", 1)).at("10.0.0.2")}, []string{"10.0.0.1", "10.0.0.2"}},
		{"two hardware addresses for one address", []Host{dev(1, "a", "network", 1).arp(1, "10.0.0.9", mac(8, 1)).at("10.0.0.1"), dev(2, "b", "network", 1).arp(1, "10.0.0.9", mac(8, 2)).at("10.0.0.2"), silent("10.0.0.9")},
			[]string{"10.0.0.1", "10.0.0.2", "10.0.0.9", "address"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Propose(&Sweep{Hosts: tt.hosts})
			var got []string
			for _, d := range p.Devices {
				var as []string
				for _, a := range d.Answered {
					as = append(as, a.String())
				}
				got = append(got, strings.Join(as, " "))
			}
			slices.Sort(got)
			for _, c := range p.Conflicts {
				got = append(got, c.Kind)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func containers(m *maker) *maker {
	m.f.Interfaces = append(m.f.Interfaces, Interface{Index: 90, Name: "docker0", MAC: MAC{2, 0x42, 1, 2, 3, 4}, Up: true})
	return m.ip(90, "172.17.0.1/16")
}

// TestProxyARP: a router that answers for a whole network does not swallow it.
func TestProxyARP(t *testing.T) {
	r := dev(1, "rtr", "network", 2).forwards().ip(1, "10.0.0.1/24")
	sw := dev(2, "sw", "network", 2).ip(1, "10.0.0.2/24")
	hosts := []Host{}
	for i := range 12 {
		a := fmt.Sprintf("10.5.0.%d", i+1)
		sw.arp(1, a, mac(1, 1))
		hosts = append(hosts, silent(a))
	}
	p := Propose(&Sweep{Hosts: append(hosts, r.at("10.0.0.1"), sw.at("10.0.0.2"))})
	if len(p.Devices) != 14 {
		t.Errorf("%d devices, want 14", len(p.Devices))
	}
}

func TestKinds(t *testing.T) {
	with := func(m *maker, change func(*Facts)) Host { change(&m.f); return m.at("10.0.0.1") }
	tests := []struct {
		name string
		host Host
		want string
	}{
		{"UPS", dev(1, "u", "ups", 1).at("10.0.0.1"), "ups"},
		{"BMC", dev(1, "u", "bmc", 1).at("10.0.0.1"), "bmc"},
		{"bridge", with(dev(1, "s", "network", 4), func(f *Facts) { f.BridgePorts = 24; f.Forwards = true }), "switch"},
		{"router", with(dev(1, "r", "network", 2).ip(1, "10.0.0.1/24").ip(2, "10.1.0.1/24"), func(f *Facts) { f.Forwards = true }), "router"},
		{"described switch", with(dev(1, "s", "host", 4), func(f *Facts) { f.SysDescr = "Acme Ethernet Switch" }), "switch"},
		{"routing host", with(dev(1, "r", "host", 2), func(f *Facts) { f.Forwards, f.Routes = true, true }), "router"},
		{"host with containers", with(containers(dev(1, "h", "host", 1)), func(f *Facts) { f.Forwards = true }), "server"},
		{"access point", with(dev(1, "ap", "network", 1), func(f *Facts) { f.SysDescr = "Acme Access Point 7" }), "other"},
		{"database server", func() Host { h := dev(1, "db", "host", 1).at("10.0.0.1"); h.Ports = []int{22, 5432}; return h }(), "database"},
		{"silent printer", silent("10.0.0.1", 80, 9100), "printer"},
		{"silent server", silent("10.0.0.1", 22), "server"},
		{"silent name server", silent("10.0.0.1", 53), "dns"},
		{"silent", silent("10.0.0.1"), "other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Propose(&Sweep{Hosts: []Host{tt.host}})
			if got := p.Devices[0].Kind; got != tt.want {
				t.Errorf("%s (%v), want %s", got, p.Devices[0].Because, tt.want)
			}
		})
	}
}

func TestPortNames(t *testing.T) {
	f := &Facts{Interfaces: []Interface{
		{Index: 1, Name: "Gi1/0/1", Descr: "GigabitEthernet1/0/1", Alias: "to core"}, {Index: 2, Name: "Te1/0/1", Descr: "TenGigabitEthernet1/0/1"},
		{Index: 3, Name: "XGE0/0/1", Descr: "XGigabitEthernet0/0/1", MAC: mac(1, 3)}, {Index: 4, Name: "eth0.10", MAC: mac(1, 4)}, {Index: 5, Name: "eth0", Type: ifEthernet, MAC: mac(1, 4)},
		{Index: 49, Name: "A1"},
	}}
	tests := []struct {
		id    ID
		descr string
		want  int
	}{
		{ID{Kind: IDName, Text: "GigabitEthernet1/0/1"}, "", 1},
		{ID{Kind: IDName, Text: "gi1/0/1"}, "", 1},
		{ID{Kind: IDName, Text: "Te1/0/1"}, "", 2},
		{ID{Kind: IDName, Text: "ten-gigabitethernet1/0/1"}, "", 2},
		{ID{Kind: IDAlias, Text: "to core"}, "", 1},
		{ID{Kind: IDName, Text: "XGigabitEthernet0/0/1"}, "", 3},
		{ID{Kind: IDMAC, MAC: mac(1, 3)}, "", 3},
		{ID{Kind: IDMAC, MAC: mac(1, 4)}, "", 5},
		{ID{Kind: IDMAC, MAC: mac(1, 4)}, "eth0.10", 4},
		{ID{Kind: IDMAC, MAC: mac(9, 9)}, "Gi1/0/1", 1},
		{ID{Kind: IDName, Text: "49"}, "", 49},
		{ID{Kind: IDName, Text: "50"}, "", 0},
		{ID{Kind: IDName, Text: "1/0/1"}, "", 0},
		{ID{}, "", 0},
	}
	for _, tt := range tests {
		if got := f.find(tt.id, tt.descr); got != tt.want {
			t.Errorf("%+v %q: %d, want %d", tt.id, tt.descr, got, tt.want)
		}
	}
}
