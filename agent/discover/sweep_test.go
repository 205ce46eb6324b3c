package discover

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/discover/topology"
)

// told is what was concluded, in lines.
func told(t *testing.T, r *Result, root string) []string {
	t.Helper()
	p := topology.Propose(&topology.Sweep{Hosts: r.Hosts, Root: root})
	var lines []string
	for _, d := range p.Devices {
		lines = append(lines, fmt.Sprintf("%s: %s %v %s, let in by %s", d.ID, d.Kind, d.Roles, d.Vendor, d.Credential))
		for _, up := range d.Parents {
			lines = append(lines, fmt.Sprintf("%s by %s %s", d.ID, strings.Join(up.AnyOf, "|"), up.Confidence))
		}
		for _, l := range d.Leads {
			lines = append(lines, fmt.Sprintf("%s %s to %s %s %s", d.ID, l.Port, l.To, l.Peer, l.Confidence))
		}
		for _, x := range d.Problems {
			lines = append(lines, d.ID+" problem: "+x)
		}
	}
	for _, c := range p.Conflicts {
		lines = append(lines, "conflict: "+c.Text)
	}
	return lines
}

var branchTold = []string{
	"rtr: router [gateway] Cisco, let in by first",
	"rtr p1 to core p1 high",
	"core: switch [] Cisco, let in by first",
	"core by rtr high",
	"core p1 to rtr p1 high",
	"core p2 to edge p12 medium",
	"core p3 to ups-1 p1 medium",
	"core p4 to other-127-31-0-8  medium",
	"edge: switch [] Huawei, let in by second",
	"edge by core medium",
	"edge p5 to srv p1 medium",
	"edge p12 to core p2 medium",
	"other-127-31-0-8: other []  let in by ",
	"other-127-31-0-8 by core medium",
	"ups-1: ups [] APC, let in by first",
	"ups-1 by core medium",
	"ups-1 p1 to core p3 medium",
	"srv: server [] Linux, let in by first",
	"srv by edge medium",
	"srv p1 to edge p5 medium",
}

func TestSweep(t *testing.T) {
	port := freePort(t)
	branch(t, "127.31.0", port)
	o := sweepOptions(t, port, "127.31.0.0/28")
	o.Exclude = []netip.Prefix{netip.MustParsePrefix("127.31.0.6/31"), netip.MustParsePrefix("127.31.0.9/32"), netip.MustParsePrefix("127.31.0.10/31"), netip.MustParsePrefix("127.31.0.12/30")}
	var last Status
	o.Report = func(s Status) { last = s }
	r := run(t, t.Context(), o)
	want := slices.Clone(branchTold)
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "[]  let", "[] , let")
	}
	if d := cmp.Diff(want, told(t, r, "")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if want := (Status{"names", 6, 6, 6, 5}); last != want {
		t.Errorf("last report %+v, want %+v", last, want)
	}
	r.Notes = slices.DeleteFunc(r.Notes, func(n string) bool { // where we are not root
		return os.Geteuid() != 0 && strings.HasPrefix(n, "ICMP may not be sent")
	})
	if r.Interrupted || r.Addresses != 6 || len(r.Notes) > 0 {
		t.Errorf("interrupted %v, %d addresses, notes %v", r.Interrupted, r.Addresses, r.Notes)
	}
	if most := uint64(5 * 45); r.Requests > most {
		t.Errorf("%d requests for 5 devices, want at most %d", r.Requests, most)
	}
}

// TestWeakAgents: the same is concluded where agents have the faults that are met
// in the field.
func TestWeakAgents(t *testing.T) {
	for i, flags := range [][]string{{"-no-bulk"}, {"-bulk-generr"}, {"-max-msg", "300"}, {"-loss", "0.1"}, {"-serial", "-per-varbind", "1ms"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			port := freePort(t)
			network := fmt.Sprintf("127.%d.0", 32+i)
			branch(t, network, port, flags...)
			o := sweepOptions(t, port, network+".1/32", network+".2/32", network+".3/32", network+".4/32", network+".5/32", network+".8/32")
			if flags[0] == "-loss" {
				o.Retries = 4
			}
			r := run(t, t.Context(), o)
			var want []string
			for _, l := range branchTold {
				want = append(want, strings.ReplaceAll(strings.ReplaceAll(l, "127-31", fmt.Sprintf("127-%d", 32+i)), "[]  let", "[] , let"))
			}
			if d := cmp.Diff(want, told(t, r, "")); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestInterrupted: what was found before the end is kept.
func TestInterrupted(t *testing.T) {
	port := freePort(t)
	branch(t, "127.41.0", port, "-latency", "30ms")
	o := sweepOptions(t, port, "127.41.0.0/24")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Report = func(s Status) {
		if s.SNMP == 2 {
			cancel()
		}
	}
	start := time.Now()
	r := run(t, ctx, o)
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("took %v", took)
	}
	agents := 0
	for _, h := range r.Hosts {
		if h.Facts != nil && h.Facts.SysName != "" {
			agents++
		}
	}
	if !r.Interrupted || agents < 2 || len(r.Hosts) < 200 {
		t.Errorf("interrupted %v, %d hosts, %d of them by SNMP", r.Interrupted, len(r.Hosts), agents)
	}
	out, err := r.Write(r.Propose(""), Paper{Site: "s", Agent: "a", Now: time.Unix(0, 0).UTC()})
	if err != nil || !strings.Contains(string(out), "the sweep was interrupted") {
		t.Errorf("document: %v\n%s", err, out)
	}
}

// TestWithoutICMP finds machines by what refuses UDP and TCP.
func TestWithoutICMP(t *testing.T) {
	p := newPace(1000)
	a := netip.MustParseAddr("127.42.0.1")
	if !refuses(t.Context(), a, p, time.Second) {
		t.Error("nobody refused a UDP packet on this machine")
	}
	if _, alive := knock(t.Context(), a, []int{1}, p, time.Second); !alive {
		t.Error("nobody refused a TCP connection on this machine")
	}
}

// TestRate: no more packets a second than allowed are sent.
func TestRate(t *testing.T) {
	o := Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.43.0.0/27")}, Profiles: profiles(t), Rate: 20, Timeout: 50 * time.Millisecond, NoNames: true, NoPorts: true}
	start := time.Now()
	r := run(t, t.Context(), o)
	if took := time.Since(start); took < 1400*time.Millisecond || len(r.Hosts) != 30 {
		t.Errorf("30 addresses at 20 a second took %v, %d answered", took, len(r.Hosts))
	}
}

// TestDocuments: secrets stand in a file only, JSON never has any, and what is
// known already is not proposed again.
func TestDocuments(t *testing.T) {
	port := freePort(t)
	branch(t, "127.44.0", port)
	o := sweepOptions(t, port, "127.44.0.1", "127.44.0.2", "127.44.0.4")
	r := run(t, t.Context(), o)
	paper := Paper{Site: "branch-2", Agent: "b2", Now: time.Unix(0, 0).UTC()}
	open, err := r.Write(r.Propose(""), paper)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(open); strings.Contains(s, "labpub") || !strings.Contains(s, unsaid) {
		t.Errorf("secrets on standard output:\n%s", s)
	}
	paper.Secrets = true
	file, err := r.Write(r.Propose(""), paper)
	if err != nil || !strings.Contains(string(file), `options: {version: "2c", community: labpub}`) {
		t.Errorf("%v\n%s", err, file)
	}
	paper.JSON = true
	raw, err := r.Write(r.Propose(""), paper)
	if err != nil {
		t.Fatal(err)
	}
	var j struct {
		Sweep   struct{ Answered, SNMP int }
		Devices []struct{ ID, Kind string }
		Links   []struct{ Confidence string }
	}
	if err := json.Unmarshal(raw, &j); err != nil || j.Sweep.Answered != 3 || j.Sweep.SNMP != 3 || len(j.Devices) != 3 || len(j.Links) != 2 {
		t.Errorf("%v %+v", err, j)
	}
	if strings.Contains(string(raw), "labpub") {
		t.Error("JSON holds a community")
	}
}

// TestReadOnce: a device is read at one of its addresses only.
func TestReadOnce(t *testing.T) {
	port := freePort(t)
	d := device(1, "rtr", "1.3.6.1.4.1.9.1.1045", "Cisco IOS Software", 40).forwards()
	for i := 1; i <= 4; i++ {
		d.address(i, fmt.Sprintf("127.45.%d.1/24", i))
	}
	for i := 1; i <= 4; i++ {
		d.serve(t, fmt.Sprintf("127.45.%d.1:%d", i, port), "labpub")
	}
	o := sweepOptions(t, port, "127.45.1.1")
	once := run(t, t.Context(), o).Requests
	o = sweepOptions(t, port, "127.45.1.1", "127.45.2.1", "127.45.3.1", "127.45.4.1")
	o.Parallel = 1
	r := run(t, t.Context(), o)
	if most := once + 3*2; r.Requests > most { // logging in, and what it says of itself
		t.Errorf("%d requests at four addresses, want at most %d", r.Requests, most)
	}
	p := topology.Propose(&topology.Sweep{Hosts: r.Hosts})
	if len(p.Devices) != 1 || len(p.Devices[0].Answered) != 4 || p.Devices[0].Asked.Addr() != p.Devices[0].Addresses[0] {
		t.Errorf("%+v", p.Devices[0])
	}
}

// TestVLANs: of a Cisco device the forwarding table of each VLAN is read, by the
// community with its number; a VLAN that is not shown ends that and nothing else.
func TestVLANs(t *testing.T) {
	address := hostPort("127.0.0.1", freePort(t))
	dir := t.TempDir()
	sw := device(1, "sw", "1.3.6.1.4.1.9.1.1208", "Cisco IOS Software", 4)
	for _, vlan := range []int{1, 10, 20, 1002} {
		sw.number(fmt.Sprintf("%s.1.%d", vlanTable, vlan), 1)
	}
	sw.record(t, dir, "labpub")
	made{}.number(bridgePortIndex+".3", 3).number(fdbTable+".2.2.0.0.0.7.1", 3).record(t, dir, "labpub@10")
	replay(t, address, dir, "labpub")
	facts, _ := readRecording(t, transport(t), address, "labpub")
	want := []topology.FDBEntry{{Interface: 3, VLAN: 10, MAC: topology.MAC{2, 0, 0, 0, 7, 1}}}
	if d := cmp.Diff(want, facts.FDB); d != "" || len(facts.Problems) > 0 {
		t.Errorf("problems %v, -want +got\n%s", facts.Problems, d)
	}
}
