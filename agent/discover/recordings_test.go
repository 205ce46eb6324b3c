package discover

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/secret"
)

// TestRecordings reads every recorded device: none may fail or crash, each is
// told by whom it was made where that is known, and it costs few requests.
func TestRecordings(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	data, err := filepath.Abs(filepath.Join(shared(), "data", "snmp", "dev"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(data, "*.snmprec"))
	if err != nil || len(files) == 0 {
		t.Skip("no recorded devices: set FAULTLINE_SHARED to where they are")
	}
	address := hostPort("127.0.0.1", freePort(t))
	replay(t, address, data, "vrp_5720")
	network := snmp.NewTransport(snmp.Options{})
	defer network.Close()
	devices, made, named, neighbours, fdb, arp := 0, 0, 0, 0, 0, 0
	most, sum := uint64(0), uint64(0)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".snmprec")
		if strings.Contains(name, "@") { // the view of one VLAN, not a device
			continue
		}
		facts, cost := readRecording(t, network, address, name)
		for _, n := range facts.Neighbours {
			if n.Chassis.Kind == topology.IDNone && n.Name == "" {
				t.Errorf("%s: a neighbour without name %+v", name, n)
			}
			if n.PortID.Kind == topology.IDNone && n.PortDescr == "" {
				t.Logf("%s: neighbour %s has no port", name, n.Name)
			}
		}
		p := topology.Propose(&topology.Sweep{Hosts: []topology.Host{{Address: facts.Asked.Addr(), Heard: "snmp", Facts: facts}}})
		if len(p.Devices) != 1 {
			t.Errorf("%s: %d devices", name, len(p.Devices))
		}
		devices++
		sum, most = sum+cost, max(most, cost)
		neighbours, fdb, arp = neighbours+len(facts.Neighbours), fdb+len(facts.FDB), arp+len(facts.ARP)
		if want := modelOf(t, f); want != "" {
			named++
			if !alike(want, facts.Model) {
				t.Logf("%s: model %q, want %q", name, facts.Model, want)
			} else {
				made++
			}
		}
		t.Logf("%-36s %-11s %-10s %-14s %-30s %3d ports %3d neighbours %4d fdb %4d arp %3d requests %v", name, facts.Class, p.Devices[0].Kind, facts.Vendor, facts.Model,
			len(facts.Interfaces), len(facts.Neighbours), len(facts.FDB), len(facts.ARP), cost, facts.Problems)
	}
	t.Logf("%d devices, %d of %d models right, %d neighbours, %d learned addresses, %d of ARP; %d requests a device, %d at most", devices, made, named, neighbours, fdb, arp, sum/uint64(devices), most)
	if float64(made) < 0.9*float64(named) {
		t.Errorf("%d of %d models are right", made, named)
	}
}

func readRecording(t *testing.T, network *snmp.Transport, address, name string) (*topology.Facts, uint64) {
	t.Helper()
	c := Credential{Community: "x", Version: "2c"}
	configs, err := c.configs("127.0.0.1", 161)
	if err != nil {
		t.Fatal(err)
	}
	config := configs[0]
	config.Address, config.Timeout, config.MaxRows = address, 5*time.Second, 10_000
	config.Community = secret.String(name)
	s, err := network.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := &reader{net: network, session: s, config: config, profiles: profiles(t)}
	facts, err := r.read(ctx, func(*topology.Facts) *topology.Facts { return nil })
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if facts.SysDescr == "" && facts.SysObjectID == "" && facts.SysName == "" {
		t.Errorf("%s: tells nothing of itself", name)
	}
	return facts, s.Stats().Sent
}

// alike tells whether one name is part of the other, by letters and digits alone.
func alike(x, y string) bool {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return unicode.ToLower(r)
			}
			return -1
		}, s)
	}
	return x != "" && y != "" && (strings.Contains(plain(x), plain(y)) || strings.Contains(plain(y), plain(x)))
}

// modelOf returns the model that another system found in the recording.
func modelOf(t *testing.T, recording string) string {
	t.Helper()
	raw, err := os.ReadFile(strings.TrimSuffix(recording, ".snmprec") + ".facts.json")
	if err != nil {
		return ""
	}
	var f struct {
		Expected struct {
			Device struct {
				Hardware string `json:"hardware"`
			} `json:"device"`
		} `json:"expected"`
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	return f.Expected.Device.Hardware
}
