package discover

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/internal/secret"
	"github.com/faultline/faultline/rules"
)

// scratch is removed when the tests are over.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "faultline-discover")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// shared is where recorded devices and the responder for them are; they are not
// part of this repository.
func shared() string {
	if root := os.Getenv("FAULTLINE_SHARED"); root != "" {
		return root
	}
	return filepath.Join("..", "..", "..", "shared")
}

// responder builds the program that replays recordings, once.
var responder = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(scratch, "snmpreplay")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join(shared(), "tools", "snmpreplay")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build snmpreplay: %w\n%s", err, out)
	}
	return bin, nil
})

// shipped are the profiles of the product.
var shipped = sync.OnceValues(func() (*profile.Set, error) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		return nil, err
	}
	return profile.Load(dir)
})

func profiles(t testing.TB) *profile.Set {
	t.Helper()
	set, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// replay starts a responder at an address for the recordings of a directory and
// returns once it answers community.
func replay(t testing.TB, address, data, community string, flags ...string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(shared(), "tools", "snmpreplay")); err != nil {
		need.Missing(t, "no responder for recordings: set FAULTLINE_SHARED to where it is")
	}
	bin, err := responder()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, append([]string{"-data", data, "-listen", address}, flags...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	tr := snmp.NewTransport(snmp.Options{})
	defer tr.Close()
	until := time.Now().Add(30 * time.Second)
	for time.Now().Before(until) {
		s, err := tr.Open(t.Context(), snmp.Config{Address: address, Version: snmp.V1, Community: secret.String(community), Timeout: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Do(t.Context(), snmp.Get, []snmp.OID{oidSysUpTime}, 0, 0)
		s.Close()
		if err == nil {
			return
		}
		select {
		case <-time.After(30 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Fatalf("the responder at %s does not answer", address)
}

// freePort returns a UDP port at which nobody listens on any loopback address.
func freePort(t testing.TB) uint16 {
	t.Helper()
	c, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return uint16(c.LocalAddr().(*net.UDPAddr).Port)
}

// made is a recording that a test makes: values by OID as a recording has them,
// "tag|value".
type made map[string]string

func (m made) text(oid, v string) made       { m[oid] = "4|" + v; return m }
func (m made) number(oid string, n int) made { m[oid] = "2|" + strconv.Itoa(n); return m }
func (m made) hex(oid, v string) made        { m[oid] = "4x|" + strings.ReplaceAll(v, ":", ""); return m }
func (m made) ip(oid, a string) made         { m[oid] = "64|" + a; return m }

// device makes the system group and numbered ports p1, p2, … of a device whose
// hardware addresses are 02:00:00:00:NN:PP.
func device(number int, name, object, descr string, ports int) made {
	m := made{}
	m.text("1.3.6.1.2.1.1.1.0", descr).text("1.3.6.1.2.1.1.5.0", name).number("1.3.6.1.2.1.1.7.0", 72)
	m["1.3.6.1.2.1.1.2.0"], m["1.3.6.1.2.1.1.3.0"] = "6|"+object, "67|1000"
	for p := 1; p <= ports; p++ {
		at := func(column int) string { return fmt.Sprintf("1.3.6.1.2.1.2.2.1.%d.%d", column, p) }
		m.text(at(2), fmt.Sprintf("port%d", p)).number(at(3), 6).hex(at(6), hw(number, p)).number(at(8), 1)
		m.text(fmt.Sprintf("1.3.6.1.2.1.31.1.1.1.1.%d", p), fmt.Sprintf("p%d", p))
	}
	return m.hex("1.3.6.1.2.1.17.1.1.0", hw(number, 0))
}

func hw(device, port int) string { return fmt.Sprintf("02:00:00:00:%02x:%02x", device, port) }

// address gives a port an address.
func (m made) address(port int, prefix string) made {
	p := netip.MustParsePrefix(prefix)
	mask := net.CIDRMask(p.Bits(), 32)
	return m.number("1.3.6.1.2.1.4.20.1.2."+p.Addr().String(), port).ip("1.3.6.1.2.1.4.20.1.3."+p.Addr().String(), net.IP(mask).String()).
		ip("1.3.6.1.2.1.4.20.1.1."+p.Addr().String(), p.Addr().String())
}

func (m made) forwards() made { return m.number("1.3.6.1.2.1.4.1.0", 1) }

func (m made) gateway(a string) made { return m.ip("1.3.6.1.2.1.4.21.1.7.0.0.0.0", a) }

func (m made) arp(port int, address, mac string) made {
	return m.hex(fmt.Sprintf("1.3.6.1.2.1.4.22.1.2.%d.%s", port, address), mac)
}

// lldp adds a neighbour, the chassis and port of which are hardware addresses.
func (m made) lldp(port, device, peer int, name string) made {
	at := func(column int) string { return fmt.Sprintf("1.0.8802.1.1.2.1.4.1.1.%d.0.%d.1", column, port) }
	m.number("1.0.8802.1.1.2.1.3.1.0", 4)
	m["1.0.8802.1.1.2.1.3.2.0"] = m["1.3.6.1.2.1.17.1.1.0"]
	return m.number(at(4), 4).hex(at(5), hw(device, 0)).number(at(6), 3).hex(at(7), hw(device, peer)).text(at(9), name).hex(at(12), "28")
}

// learned adds a hardware address to the forwarding table.
func (m made) learned(port int, mac string) made {
	m.number(fmt.Sprintf("1.3.6.1.2.1.17.1.4.1.2.%d", port+100), port) // a bridge's own numbers
	b, _ := net.ParseMAC(mac)
	index := ""
	for _, x := range b {
		index += fmt.Sprintf(".%d", x)
	}
	return m.number("1.3.6.1.2.1.17.7.1.2.2.1.2.1"+index, port+100)
}

// serve replays the recording at an address under a community.
func (m made) serve(t testing.TB, address, community string, flags ...string) {
	t.Helper()
	dir := t.TempDir()
	m.record(t, dir, community)
	replay(t, address, dir, community, flags...)
}

// record writes the recording of a community into a directory.
func (m made) record(t testing.TB, dir, community string) {
	t.Helper()
	var lines []string
	for oid, v := range m {
		lines = append(lines, oid+"|"+v)
	}
	slices.SortFunc(lines, func(x, y string) int {
		a, _, _ := strings.Cut(x, "|")
		b, _, _ := strings.Cut(y, "|")
		return snmp.MustParseOID(a).Compare(snmp.MustParseOID(b))
	})
	if err := os.WriteFile(filepath.Join(dir, community+".snmprec"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// transport makes a transport that is closed when the test is over.
func transport(t testing.TB) *snmp.Transport {
	tr := snmp.NewTransport(snmp.Options{})
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// branch serves a small branch at 127.net.0.x: a router, two switches, a UPS and
// a server, and nothing at .9.
func branch(t testing.TB, network string, port uint16, flags ...string) {
	t.Helper()
	at := func(host int) string { return fmt.Sprintf("%s.%d", network, host) }
	on := func(host int) string { return fmt.Sprintf("%s:%d", at(host), port) }
	cisco, huawei, linux, apc := "1.3.6.1.4.1.9.1.1208", "1.3.6.1.4.1.2011.2.23.291", "1.3.6.1.4.1.8072.3.2.10", "1.3.6.1.4.1.318.1.3.2.7"
	device(1, "rtr", "1.3.6.1.4.1.9.1.1045", "Cisco IOS Software, C2900 Software, Version 15.1(4)M4, RELEASE SOFTWARE", 2).forwards().
		address(1, at(1)+"/24").address(2, "10.255.0.1/30").lldp(1, 2, 1, "core.example.com").arp(1, at(8), hw(8, 1)).serve(t, on(1), "labpub", flags...)
	device(2, "core", cisco, "Cisco IOS Software, C2960X Software, Version 15.2(2)E6, RELEASE SOFTWARE", 12).address(12, at(2)+"/24").gateway(at(1)).
		lldp(1, 1, 1, "rtr").lldp(2, 3, 12, "edge").learned(1, hw(1, 1)).learned(2, hw(3, 0)).learned(2, hw(5, 1)).learned(3, hw(4, 1)).learned(4, hw(8, 1)).serve(t, on(2), "labpub", flags...)
	device(3, "edge", huawei, "S5720-56C-PWR-EI-AC Huawei Versatile Routing Platform Software VRP (R) software,Version 5.170 (S5720 V200R010C00SPC600)", 12).
		address(12, at(3)+"/24").gateway(at(1)).learned(5, hw(5, 1)).learned(12, hw(2, 0)).learned(12, hw(1, 1)).serve(t, on(3), "other", flags...)
	device(4, "ups-1", apc, "APC Web/SNMP Management Card", 1).address(1, at(4)+"/24").gateway(at(1)).serve(t, on(4), "labpub", flags...)
	device(5, "srv", linux, "Linux srv 6.1.0", 1).address(1, at(5)+"/24").gateway(at(1)).serve(t, on(5), "labpub", flags...)
}

func sweepOptions(t testing.TB, port uint16, networks ...string) Options {
	t.Helper()
	all, err := ParseNetworks(networks)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Networks: all, Credentials: []Credential{{Name: "first", Community: "labpub"}, {Name: "second", Community: "other"}}, Profiles: profiles(t),
		Port: port, Rate: 2000, Timeout: 400 * time.Millisecond, NoNames: true, NoPorts: true}
}

func run(t testing.TB, ctx context.Context, o Options) *Result {
	t.Helper()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
