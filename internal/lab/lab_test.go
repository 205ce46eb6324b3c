package lab

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/faultline/faultline/internal/lab/control"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func start(t *testing.T, opt Options) (*Branch, *clock) {
	t.Helper()
	c := &clock{t: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	opt.Now = c.now
	b, err := Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, c
}

// The order of Branch.agents.
const (
	theRouter = iota
	theSwitch
	theUPS
	theSensor
)

func client(t *testing.T, b *Branch, agent int) *gosnmp.GoSNMP {
	t.Helper()
	a := b.agents[agent].conn.LocalAddr().(*net.UDPAddr)
	g := &gosnmp.GoSNMP{Target: a.IP.String(), Port: uint16(a.Port), Version: gosnmp.Version2c, Community: b.opt.Community,
		Timeout: 300 * time.Millisecond, MaxOids: 60}
	if err := g.Connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Conn.Close() })
	return g
}

func number(t *testing.T, b *Branch, agent int, oid string) int64 {
	t.Helper()
	res, err := client(t, b, agent).Get([]string{oid})
	if err != nil {
		t.Fatalf("get %s: %v", oid, err)
	}
	return gosnmp.ToBigInt(res.Variables[0].Value).Int64()
}

func answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func mustBreak(t *testing.T, b *Branch, what string) {
	t.Helper()
	if err := b.Break(what); err != nil {
		t.Fatal(err)
	}
}

func mustMend(t *testing.T, b *Branch) {
	t.Helper()
	if err := b.Mend(); err != nil {
		t.Fatal(err)
	}
}

func TestLine(t *testing.T) {
	b, _ := start(t, Options{})
	if !answers(b.farEnd.address) || !answers(b.gateway.address) {
		t.Fatal("a sound branch does not answer")
	}
	mustBreak(t, b, "line")
	if answers(b.farEnd.address) {
		t.Error("the far end answers over a cut line")
	}
	if !answers(b.gateway.address) {
		t.Error("the gateway fell with the line")
	}
	for port := 1; port <= 2; port++ {
		if got := number(t, b, theRouter, ifMIB+".2.1.8."+string(rune('0'+port))); got != portUp {
			t.Errorf("router's port %d is in state %d: the cut is inside the carrier", port, got)
		}
	}
	mustMend(t, b)
	if !answers(b.farEnd.address) {
		t.Error("the far end is gone after mending")
	}
}

func TestRouter(t *testing.T) {
	b, c := start(t, Options{})
	before := number(t, b, theRouter, system+".3.0")
	mustBreak(t, b, "router")
	if answers(b.farEnd.address) || answers(b.gateway.address) {
		t.Error("a dead router passes traffic")
	}
	if _, err := client(t, b, theRouter).Get([]string{system + ".3.0"}); err == nil {
		t.Error("a dead router answers SNMP")
	}
	if got := number(t, b, theSwitch, ifMIB+".2.1.8.1"); got != portDown {
		t.Errorf("the switch's port towards it is in state %d", got)
	}
	if got := number(t, b, theSwitch, ifMIB+".2.1.8.2"); got != portUp {
		t.Errorf("another port of the switch is in state %d", got)
	}
	mustMend(t, b)
	c.forward(3 * time.Second)
	if got := number(t, b, theRouter, system+".3.0"); got != 300 || before <= got {
		t.Errorf("uptime after the repair is %d hundredths, before %d", got, before)
	}
}

func TestUPS(t *testing.T) {
	b, c := start(t, Options{BatteryMinutes: 10, BatterySpeed: 2})
	read := func() [5]int64 {
		var out [5]int64
		for i, oid := range []string{".2.2.0", ".2.3.0", ".2.4.0", ".3.3.1.3.1", ".4.1.0"} {
			out[i] = number(t, b, theUPS, upsMIB+oid)
		}
		return out
	}
	if got, want := read(), [5]int64{0, 10, 100, 228, 3}; got != want {
		t.Errorf("on mains: %v, want %v", got, want)
	}
	mustBreak(t, b, "ups")
	c.forward(150 * time.Second)
	if got, want := read(), [5]int64{150, 5, 50, 0, 5}; got != want {
		t.Errorf("on battery: seconds, minutes, charge, volts, source %v, want %v", got, want)
	}
	if got := number(t, b, theUPS, upsMIB+".6.1.0"); got != 1 {
		t.Errorf("%d alarms", got)
	}
	c.forward(time.Hour)
	if got, want := read(), [5]int64{3750, 0, 0, 0, 5}; got != want {
		t.Errorf("battery empty: %v, want %v", got, want)
	}
	mustMend(t, b)
	c.forward(150 * time.Second)
	if got, want := read(), [5]int64{0, 5, 50, 228, 3}; got != want {
		t.Errorf("charging: %v, want %v", got, want)
	}
}

func TestHeat(t *testing.T) {
	b, c := start(t, Options{RoomCelsius: 20, HeatCelsius: 40, HeatRamp: 10 * time.Second})
	room := func() int64 { return number(t, b, theSensor, sensor+".4.1") }
	near := func(name string, got, want int64) {
		t.Helper()
		if got < want-3 || got > want+3 {
			t.Errorf("%s: %d tenths, want %d", name, got, want)
		}
	}
	near("before", room(), 200)
	humid := number(t, b, theSensor, sensor+".4.2")
	mustBreak(t, b, "heat")
	c.forward(5 * time.Second)
	near("half way", room(), 300)
	mustBreak(t, b, "heat")
	c.forward(20 * time.Second)
	near("hot", room(), 400)
	if got := number(t, b, theSensor, sensor+".4.2"); got >= humid {
		t.Errorf("hot air is as humid as before: %d, %d", got, humid)
	}
	mustMend(t, b)
	c.forward(5 * time.Second)
	near("cooling", room(), 300)
	c.forward(20 * time.Second)
	near("after", room(), 200)
}

func TestFaults(t *testing.T) {
	b, c := start(t, Options{})
	if err := b.Break("teapot"); !errors.Is(err, control.ErrUnknownFault) {
		t.Errorf("unknown fault: %v", err)
	}
	mustBreak(t, b, "ups")
	c.forward(time.Minute)
	mustBreak(t, b, "heat")
	broken := map[string]time.Time{}
	for _, f := range b.Faults() {
		if f.Broken {
			broken[f.Name] = f.Since
		}
	}
	if len(broken) != 2 || broken["heat"].Sub(broken["ups"]) != time.Minute {
		t.Errorf("broken: %v", broken)
	}
	mustMend(t, b)
	for _, f := range b.Faults() {
		if f.Broken {
			t.Errorf("%s is broken after mending", f.Name)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if b.Mend() == nil {
		t.Error("a closed branch was mended")
	}
}

func TestCountersMove(t *testing.T) {
	b, c := start(t, Options{})
	for agent := range []int{theRouter, theSwitch} {
		before := number(t, b, agent, ifX+".6.1")
		c.forward(10 * time.Second)
		if after := number(t, b, agent, ifX+".6.1"); after-before < 500_000 || after-before > 2_000_000 {
			t.Errorf("agent %d: %d bytes in 10 s", agent, after-before)
		}
	}
}

// Every table is walked with GETNEXT and with GETBULK of several widths; all
// must see the same, in order.
func TestWalks(t *testing.T) {
	b, _ := start(t, Options{})
	mustBreak(t, b, "ups")
	for agent := range b.agents {
		g := client(t, b, agent)
		walk := func(name string, do func(string, gosnmp.WalkFunc) error) string {
			var out []string
			if err := do(".1.3.6", func(p gosnmp.SnmpPDU) error { out = append(out, p.Name); return nil }); err != nil {
				t.Errorf("agent %d, %s: %v", agent, name, err)
			}
			return strings.Join(out, "\n")
		}
		want := walk("getnext", g.Walk)
		for _, width := range []uint32{1, 7, 50, 1000} {
			g.MaxRepetitions = width
			if got := walk("getbulk", g.BulkWalk); got != want {
				t.Errorf("agent %d, %d repetitions: sees another table", agent, width)
			}
		}
		if n := strings.Count(want, "\n") + 1; n < 20 {
			t.Errorf("agent %d has %d instances", agent, n)
		}
	}
}

func TestSilence(t *testing.T) {
	b, _ := start(t, Options{})
	for name, change := range map[string]func(*gosnmp.GoSNMP){
		"wrong community": func(g *gosnmp.GoSNMP) { g.Community = "public" },
		"version 1":       func(g *gosnmp.GoSNMP) { g.Version = gosnmp.Version1 },
	} {
		g := client(t, b, theSwitch)
		change(g)
		if _, err := g.Get([]string{system + ".1.0"}); err == nil {
			t.Errorf("%s: was answered", name)
		}
	}
	res, err := client(t, b, theSwitch).Get([]string{".1.3.6.1.9.9.0", system + ".5.0"})
	if err != nil || res.Variables[0].Type != gosnmp.NoSuchInstance || string(res.Variables[1].Value.([]byte)) != "practice-sw" {
		t.Errorf("get of an absent instance beside a present one: %+v %v", res, err)
	}
}

// debian returns a program's path; where it is absent the test is skipped, in
// CI it fails.
func debian(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed (Debian package snmp)", program)
	}
	if err != nil {
		t.Skipf("%s is not installed (Debian package snmp)", program)
	}
	return path
}

func TestNetSNMP(t *testing.T) {
	get, walk := debian(t, "snmpget"), debian(t, "snmpbulkwalk")
	b, _ := start(t, Options{})
	run := func(program string, agent int, oids ...string) string {
		t.Helper()
		args := append([]string{"-v2c", "-c", "practice", "-m", "", "-On", "-t", "2", "-r", "1", b.agents[agent].conn.LocalAddr().String()}, oids...)
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", program, oids, err, out)
		}
		return string(out)
	}
	for agent, want := range map[int]string{
		theRouter: `\.1\.3\.6\.1\.2\.1\.1\.5\.0 = STRING: "practice-rtr"`,
		theUPS:    `\.1\.3\.6\.1\.2\.1\.1\.3\.0 = Timeticks: \(\d+\) \d+ days`,
	} {
		if got := run(get, agent, system+".5.0", system+".3.0"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("snmpget of agent %d: %s", agent, got)
		}
	}
	for agent, want := range []string{
		`\.31\.1\.1\.1\.6\.2 = Counter64: \d+`,
		`\.2\.2\.1\.6\.4 = Hex-STRING: 02 00 5E 10 02 04`,
		`\.33\.1\.4\.1\.0 = INTEGER: 3`,
		`\.99\.1\.1\.1\.4\.1 = INTEGER: 23\d`,
	} {
		if got := run(walk, agent, ".1.3.6.1.2.1"); !regexp.MustCompile(want).MatchString(got) || strings.Contains(got, "Error") {
			t.Errorf("snmpbulkwalk of agent %d:\n%s", agent, got)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	a := &snmpAgent{community: "practice", table: func() []instance {
		return []instance{{oid(system + ".1.0"), gosnmp.OctetString, "x"}, {oid(system + ".3.0"), gosnmp.TimeTicks, uint32(1)}}
	}}
	g := gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "practice"}
	for _, kind := range []gosnmp.PDUType{gosnmp.GetRequest, gosnmp.GetNextRequest, gosnmp.GetBulkRequest, gosnmp.SetRequest} {
		p, err := g.SnmpEncodePacket(kind, []gosnmp.SnmpPDU{{Name: system, Type: gosnmp.Null}}, 0, 10)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if reply := a.answer(request); len(reply) > 65507 {
			t.Errorf("reply of %d bytes", len(reply))
		}
	})
}
