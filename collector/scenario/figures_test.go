package scenario

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/yamlfile"
)

// company is a generated company: head office with core and branches, each with
// a line of its own, router, switch and server with an agent.
type company struct{ inv inventory.Inventory }

func newCompany(carriers ...string) *company {
	c := &company{}
	c.inv.Sites = []inventory.Site{{ID: "hq", Kind: "hq"}}
	c.inv.Agents = []inventory.Agent{{ID: "hq-agent", Site: "hq", Device: "core-srv", Host: true}}
	c.inv.Devices = []inventory.Device{
		{ID: "core-srv", Site: "hq", Kind: "server", Addresses: []string{"10.0.0.10"}},
		{ID: "core-sw", Site: "hq", Kind: "switch", Addresses: []string{"10.0.0.2"}, Ports: []inventory.Port{{Name: "p1", To: "wan-rtr", Peer: "lan0"}, {Name: "p2", To: "core-srv", Peer: "e0"}},
			Targets: []inventory.Target{probe("hq-agent", ""), snmp("hq-agent")}},
		{ID: "wan-rtr", Site: "hq", Kind: "router", Roles: []string{"gateway", "core"}, Addresses: []string{"10.255.0.1"}, DependsOn: on("core-sw"),
			Ports: []inventory.Port{{Name: "lan0", To: "core-sw", Peer: "p1"}}, Targets: []inventory.Target{probe("hq-agent", ""), snmp("hq-agent")}},
	}
	for _, v := range carriers {
		c.inv.Vendors = append(c.inv.Vendors, inventory.Vendor{ID: v, Kind: "carrier", Emails: []string{"noc@" + v + ".example"}, Desk: "email"})
	}
	return c
}

func on(names ...string) []inventory.Dependency { return []inventory.Dependency{{AnyOf: names}} }

func probe(agent, role string) inventory.Target {
	return inventory.Target{Agent: agent, Input: "probe", Role: role, Options: map[string]string{"module": "icmp"}}
}

func snmp(agent string) inventory.Target {
	return inventory.Target{Agent: agent, Input: "snmp", Options: map[string]string{"version": "2c", "community": "c"}}
}

// branch adds a branch with so many hosts besides its router, switch and server.
func (c *company) branch(id, carrier string, hosts int) {
	n := len(c.inv.Sites)
	agent, rtr, sw, srv, line := id+"-agent", id+"-rtr", id+"-sw", id+"-srv", carrier+":"+id
	c.inv.Sites = append(c.inv.Sites, inventory.Site{ID: id, Kind: "branch"})
	c.inv.Agents = append(c.inv.Agents, inventory.Agent{ID: agent, Site: id, Device: srv, Host: true})
	wan := fmt.Sprintf("w%d", n)
	core := slices.IndexFunc(c.inv.Devices, func(d inventory.Device) bool { return d.ID == "wan-rtr" })
	c.inv.Devices[core].Ports = append(c.inv.Devices[core].Ports, inventory.Port{Name: wan, To: line})
	c.inv.Lines = append(c.inv.Lines, inventory.Line{ID: line, Site: id, Carrier: carrier, Circuit: "C-" + id, Role: "main",
		AEnd: inventory.End{Device: "wan-rtr", Interface: wan, Address: "172.16.0.1"}, BEnd: inventory.End{Device: rtr, Interface: "wan0", Address: "172.16.0.2"},
		Targets: []inventory.Target{{Agent: "hq-agent", Input: "probe", Role: "line", Options: map[string]string{"module": "icmp"}}}})
	ports := []inventory.Port{{Name: "p1", To: rtr, Peer: "lan0"}, {Name: "p2", To: srv, Peer: "e0"}}
	for h := range hosts {
		host := fmt.Sprintf("%s-h%d", id, h)
		ports = append(ports, inventory.Port{Name: fmt.Sprintf("p%d", h+3), To: host, Peer: "e0"})
		c.inv.Devices = append(c.inv.Devices, inventory.Device{ID: host, Site: id, Kind: "server", Addresses: []string{"10.9.0.9"}, DependsOn: on(sw),
			Targets: []inventory.Target{probe(agent, ""), probe("hq-agent", "")}})
	}
	c.inv.Devices = append(c.inv.Devices,
		inventory.Device{ID: rtr, Site: id, Kind: "router", Roles: []string{"gateway"}, Addresses: []string{"10.255.0.2"}, DependsOn: on(line),
			Ports:   []inventory.Port{{Name: "lan0", To: sw, Peer: "p1"}, {Name: "wan0", To: line}},
			Targets: []inventory.Target{probe("hq-agent", "wan_router"), probe(agent, "gateway"), snmp("hq-agent"), snmp(agent)}},
		inventory.Device{ID: sw, Site: id, Kind: "switch", Addresses: []string{"10.1.0.2"}, DependsOn: on(rtr), Ports: ports,
			Targets: []inventory.Target{probe(agent, ""), probe("hq-agent", "")}},
		inventory.Device{ID: srv, Site: id, Kind: "server", Addresses: []string{"10.1.0.10"}, DependsOn: on(sw), Targets: []inventory.Target{probe("hq-agent", "agent_host")}})
}

// story is a scenario made in Go.
func (c *company) story(t *testing.T, poll, run time.Duration, steps ...Step) *Scenario {
	t.Helper()
	f, err := yamlfile.Parse(t.Name(), []byte("title: generated"))
	if err != nil {
		t.Fatal(err)
	}
	return &Scenario{file: f, inv: &c.inv, Poll: duration{Duration: poll}, Hold: duration{Duration: 10 * time.Second}, Spooled: duration{Duration: 5 * time.Second},
		Run: duration{Duration: run}, Within: duration{Duration: time.Minute}, Timeline: steps}
}

func during(from, to time.Duration, s Step) Step {
	s.At, s.Until = duration{Duration: from, set: true}, duration{Duration: to, set: true}
	return s
}

// TestBigSiteCut is nightingale #2829: the line of a site of 600 hosts is cut. One
// incident, and none when it is back.
func TestBigSiteCut(t *testing.T) {
	t.Parallel()
	c := newCompany("telecom", "unicom")
	c.branch("big", "telecom", 600)
	c.branch("small", "unicom", 0)
	s := c.story(t, 15*time.Second, 170*time.Second, during(0, 60*time.Second, Step{Cut: []string{"telecom:big"}}))
	rep := Play(t.Context(), s, shipped(t), t.TempDir())
	one(t, rep, "telecom:big", incident.ClassCarrierLine)
	if n := len(rep.Incidents[0].Diagnosis.Affected); n != 603 {
		t.Errorf("%d are affected, want 603", n)
	}
}

// TestCarrierOutage cuts 30 branches that hang on one carrier.
func TestCarrierOutage(t *testing.T) {
	t.Parallel()
	c := newCompany("telecom", "unicom")
	var cut []string
	for n := range 30 {
		id := fmt.Sprintf("b%02d", n)
		c.branch(id, "telecom", 2)
		cut = append(cut, "telecom:"+id)
	}
	c.branch("other", "unicom", 2)
	s := c.story(t, 5*time.Second, 140*time.Second, during(0, 50*time.Second, Step{Cut: cut}))
	one(t, Play(t.Context(), s, shipped(t), t.TempDir()), "telecom", incident.ClassCarrierLine)
}

// TestWholeCompanyCut loses head office's router: 20 branches are gone at once.
func TestWholeCompanyCut(t *testing.T) {
	t.Parallel()
	c := newCompany("telecom", "unicom")
	for n := range 20 {
		c.branch(fmt.Sprintf("b%02d", n), []string{"telecom", "unicom"}[n%2], 2)
	}
	s := c.story(t, 5*time.Second, 140*time.Second, during(0, 50*time.Second, Step{Off: []string{"wan-rtr"}}))
	rep := Play(t.Context(), s, shipped(t), t.TempDir())
	one(t, rep, "wan-rtr", incident.ClassDevice)
	if site := rep.Incidents[0].Diagnosis.Site; site != "hq" {
		t.Errorf("the incident is at %s", site)
	}
}

// one asserts that a story made one incident, of that device and class, whose
// recovery was proven.
func one(t *testing.T, rep Report, device, class string) {
	t.Helper()
	if rep.Err != nil {
		t.Fatal(rep.Err)
	}
	if len(rep.Incidents) != 1 {
		t.Fatalf("%d incidents, want 1%s\n%v", len(rep.Incidents), list(rep.Incidents), rep.Story)
	}
	i := rep.Incidents[0]
	if i.Diagnosis.Device != device || i.Diagnosis.Class != class || i.State != incident.StateVerified {
		t.Errorf("got %s", show(i))
	}
	t.Logf("opened after %s: %s", rep.First, i.Diagnosis.Title.EN)
}
