package discover

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/faultline/faultline/agent/discover/topology"
	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/lab/need"
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
		need.Missing(t, "no recorded devices: set FAULTLINE_SHARED to where they are")
	}
	address := hostPort("127.0.0.1", freePort(t))
	replay(t, address, data, "vrp_5720")
	network := snmp.NewTransport(snmp.Options{})
	defer network.Close()
	var c count
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".snmprec")
		if strings.Contains(name, "@") { // the view of one VLAN, not a device
			continue
		}
		facts, requests := readRecording(t, network, address, name)
		c.add(t, name, facts, factsOf(t, f))
		c.requests, c.most = c.requests+requests, max(c.most, requests)
	}
	t.Logf("%d of %d models, %d of %d rows of LLDP, %d of %d addresses, %d learned addresses, %d of ARP; %d requests a device, %d at most",
		c.models, c.named, c.lldp, c.rows, c.addresses, c.known, c.fdb, c.arp, c.requests/uint64(c.devices), c.most)
	if c.lldp < c.rows*3/4 || c.addresses < c.known || c.models < c.named*9/10 {
		t.Error("models, neighbours or addresses were lost")
	}
}

// count sums up what was read of all recordings.
type count struct {
	devices, named, models, rows, lldp, known, addresses, fdb, arp int
	requests, most                                                 uint64
}

// add checks one device against what is known of it.
func (c *count) add(t *testing.T, name string, facts *topology.Facts, k known) {
	t.Helper()
	lldp := 0
	for _, n := range facts.Neighbours {
		if n.Chassis.Kind == topology.IDNone && n.Name == "" {
			t.Errorf("%s: a neighbour without name %+v", name, n)
		}
		if n.Protocol == "lldp" {
			lldp++
		}
	}
	if lldp != k.Recording.LLDP {
		t.Logf("%s: %d LLDP neighbours, the recording has %d", name, lldp, k.Recording.LLDP)
	}
	for _, prefix := range k.Expected.IPv4 {
		if slices.ContainsFunc(facts.Addresses, func(o topology.OwnAddress) bool { return strings.HasPrefix(prefix, o.Prefix.Addr().String()+"/") }) {
			c.addresses++
		} else {
			t.Errorf("%s: address %s was not read", name, prefix)
		}
	}
	if want := k.Expected.Device.Hardware; want != "" {
		if c.named++; alike(want, facts.Model) {
			c.models++
		} else {
			t.Logf("%s: model %q, want %q", name, facts.Model, want)
		}
	}
	p := topology.Propose(&topology.Sweep{Hosts: []topology.Host{{Address: facts.Asked.Addr(), Heard: "snmp", Facts: facts}}})
	if len(p.Devices) != 1 {
		t.Errorf("%s: %d devices", name, len(p.Devices))
	}
	c.devices, c.rows, c.lldp, c.known = c.devices+1, c.rows+k.Recording.LLDP, c.lldp+lldp, c.known+len(k.Expected.IPv4)
	c.fdb, c.arp = c.fdb+len(facts.FDB), c.arp+len(facts.ARP)
}

func readRecording(t *testing.T, network *snmp.Transport, address, name string) (*topology.Facts, uint64) {
	t.Helper()
	c := Credential{Community: "x", Version: "2c"}
	configs, err := c.configs("127.0.0.1", 161)
	if err != nil {
		t.Fatal(err)
	}
	config := configs[0]
	config.Address, config.Timeout, config.MaxRows = address, 2*time.Second, 10_000
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

// known is what another system found in a recording.
type known struct {
	Recording struct {
		LLDP int `json:"lldp_remote_rows"`
	} `json:"recording"`
	Expected struct {
		Device struct {
			Hardware string `json:"hardware"`
		} `json:"device"`
		IPv4 []string `json:"ipv4"`
	} `json:"expected"`
}

func factsOf(t *testing.T, recording string) (k known) {
	t.Helper()
	raw, err := os.ReadFile(strings.TrimSuffix(recording, ".snmprec") + ".facts.json")
	if err != nil {
		return k
	}
	if err := json.Unmarshal(raw, &k); err != nil {
		t.Fatal(err)
	}
	return k
}
