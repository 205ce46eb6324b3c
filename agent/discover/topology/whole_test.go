package topology

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOrderDoesNotCount: the same facts in another order make the same proposal,
// and nothing of the sweep is changed.
func TestOrderDoesNotCount(t *testing.T) {
	make := func() []Host {
		return []Host{
			dev(1, "rtr", "network", 4).forwards().ip(1, "10.0.0.1/24").lldp(1, 2, "c1", "p1").arp(1, "10.0.0.77", mac(7, 7)).at("10.0.0.1"),
			dev(2, "c1", "network", 8).lldp(1, 1, "rtr", "p1").fdb(2, mac(3, 0), mac(7, 7)).fdb(3, mac(5, 1)).at("10.0.0.2"),
			dev(3, "c2", "network", 8).fdb(1, mac(2, 0)).fdb(4, mac(7, 7)).fdb(5, mac(5, 2), mac(5, 1)).at("10.0.0.3"),
			dev(5, "srv", "host", 2).at("10.0.0.5"), dev(6, "srv", "host", 1).gateway("10.0.0.1").at("10.0.0.6"), silent("10.0.0.77", 22), silent("10.0.0.78"),
		}
	}
	want, err := json.Marshal(Propose(&Sweep{Hosts: make()}))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		hosts := make()
		rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		before, _ := json.Marshal(hosts)
		got, err := json.Marshal(Propose(&Sweep{Hosts: hosts}))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Fatalf("-want +got\n%s", d)
		}
		if after, _ := json.Marshal(hosts); string(before) != string(after) {
			t.Fatal("the sweep was changed")
		}
	}
}

// TestLarge: a sweep as large as is allowed by default is concluded in seconds.
func TestLarge(t *testing.T) {
	const switches, each = 48, 80
	all := []MAC{}
	at := map[MAC]int{}
	var hosts []Host
	for s := range switches {
		for h := range each {
			m := MAC{0, 0x1b, 0x22, byte(s), byte(h), 1}
			all = append(all, m)
			at[m] = s
			hosts = append(hosts, silent(fmt.Sprintf("10.1.%d.%d", s, h+1), 22))
		}
	}
	core := dev(1, "core", "network", switches+1).forwards().ip(switches+1, "10.1.0.254/16")
	for i, m := range all {
		core.arp(switches+1, hosts[i].Address.String(), m).fdb(at[m]+1, m)
	}
	for s := range switches {
		edge := dev(s+2, fmt.Sprintf("edge%d", s), "network", each+1).lldp(each+1, 1, "core", fmt.Sprintf("p%d", s+1))
		core.lldp(s+1, s+2, fmt.Sprintf("edge%d", s), fmt.Sprintf("p%d", each+1))
		for i, m := range all {
			if at[m] == s {
				edge.fdb(1+i%each, m)
			} else {
				edge.fdb(each+1, m)
			}
		}
		hosts = append(hosts, edge.at(fmt.Sprintf("10.2.0.%d", s+1)))
	}
	hosts = append(hosts, core.at("10.1.0.254"))
	begin := time.Now()
	p := Propose(&Sweep{Hosts: hosts, Root: "core"})
	took := time.Since(begin)
	depths := map[int]int{}
	for _, d := range p.Devices {
		depths[d.depth]++
	}
	if len(p.Devices) != switches*(each+1)+1 || len(p.Links) != switches*(each+1) || depths[0] != 1 || depths[1] != switches || depths[2] != switches*each || len(p.Conflicts) > 0 {
		t.Errorf("%d devices, %d links, depths %v, %d conflicts", len(p.Devices), len(p.Links), depths, len(p.Conflicts))
	}
	t.Logf("%d devices, %d addresses learned, in %v", len(p.Devices), (switches+1)*len(all), took)
	if took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}
