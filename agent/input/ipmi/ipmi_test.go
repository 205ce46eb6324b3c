package ipmi

import (
	"bufio"
	"fmt"
	"math"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/plugintest"
)

const password = "s3cret-bmc-word"

func target(address string, options ...string) base.Target {
	t := base.Target{ID: address + strings.Join(options, ""), Input: "ipmi", Address: address, Options: map[string]string{"username": "faultline", "password": password}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

// full is a full sensor record: ten to the rexp times m is the step of a reading.
func full(id, kind, event, unit, m int, rexp int, name string) []byte {
	b := []byte{byte(id), 0, 0x51, 1, 0, 0x20, 0, byte(id), 7, 1, 0x7f, 0x68, byte(kind), byte(event), 0, 0, 0, 0, 0x3f, 0x3f, 0, byte(unit), 0, 0, byte(m), byte(m>>2) & 0xc0, 0, 0, 0, byte(rexp) << 4,
		0, 0, 0, 0, 255, 0, 60, 45, 40, 0, 0, 0, 2, 2, 0, 0, 0, 0xc0 | byte(len(name))}
	b = append(b, name...)
	b[4] = byte(len(b) - 5)
	return b
}

// compact is a compact record of several sensors with consecutive numbers.
func compact(id, kind, event, share int, name string) []byte {
	b := []byte{byte(id), 0, 0x51, 2, 0, 0x20, 0, byte(id), 10, 1, 0x7f, 0x68, byte(kind), byte(event), 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, byte(share), 1, 0, 0, 0, 0, 0, 0, 0xc0 | byte(len(name))}
	b = append(b, name...)
	b[4] = byte(len(b) - 5)
	return b
}

// bmc is a running ipmi_sim of OpenIPMI.
type bmc struct {
	address string
	console net.Conn
	in      *bufio.Reader
}

const enable = "sensor_set_event_support 0x20 0 %d enable scanning per-state 000111111111111 000111111111111 000111111111111 000111111111111\n"

// simulate starts Debian's BMC simulator with five sensors.
func simulate(t *testing.T) *bmc {
	t.Helper()
	program := inputtest.Program(t, "ipmi_sim", "openipmi")
	address, console := freeUDP(t), inputtest.FreePort(t)
	host, port, _ := net.SplitHostPort(address)
	consoleHost, consolePort, _ := net.SplitHostPort(console)
	lan := fmt.Sprintf("name \"bmc\"\nconsole %s %s\nset_working_mc 0x20\nstartlan 1\n addr %s %s\n priv_limit admin\n allowed_auths_user none md2 md5 straight\n allowed_auths_admin none md2 md5 straight\n"+
		" guid a123456789abcdefa123456789abcdef\nendlan\nuser 2 true \"faultline\" %q user 10\nuser 3 true \"nobody\" \"\" user 10\n", consoleHost, consolePort, host, port, password)
	var cmd strings.Builder
	cmd.WriteString("mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nsel_enable 0x20 1000 0x0a\nsel_add 0x20 2 1 2 3 4 5 6 7 8 9 10 11 12 13\nmc_enable 0x20\n")
	for id, s := range map[int][3]int{1: {1, 1, 26}, 2: {4, 1, 27}, 3: {0x0b, 1, 28}, 4: {8, 0x6f, -1}, 5: {8, 0x6f, -1}, 6: {2, 1, 120}} {
		fmt.Fprintf(&cmd, "sensor_add 0x20 0 %d %d %d\n"+enable, id, s[0], s[1], id)
		if s[2] >= 0 {
			fmt.Fprintf(&cmd, "sensor_set_value 0x20 0 %d %d 0\n", id, s[2])
		} else {
			fmt.Fprintf(&cmd, "sensor_set_bit 0x20 0 %d 0 1 0\n", id)
		}
	}
	cmd.WriteString("sensor_set_threshold 0x20 0 1 settable 111000 60 45 40 0 0 0\nsensor_set_threshold 0x20 0 2 settable 000111 0 0 0 10 8 5\n")
	for _, r := range [][]byte{full(1, 1, 1, 1, 1, 0, "Inlet Temp"), full(2, 4, 1, 18, 60, 0, "FAN 1"), full(3, 0x0b, 1, 6, 4, 0, "PSU1 Input Pwr"), compact(4, 8, 0x6f, 2, "PS"), full(6, 2, 1, 4, 10, -2, "12V")} {
		cmd.WriteString("main_sdr_add 0x20")
		for _, v := range r {
			fmt.Fprintf(&cmd, " %#x", v)
		}
		cmd.WriteString("\n")
	}
	dir := inputtest.Write(t, map[string]string{"lan.conf": lan, "commands": cmd.String(), "state/x": ""})
	inputtest.Start(t, exec.Command(program, "-c", filepath.Join(dir, "lan.conf"), "-f", filepath.Join(dir, "commands"), "-s", filepath.Join(dir, "state"), "-n"))
	b := &bmc{address: address}
	inputtest.Until(t, "a console", func() (ok bool) {
		var err error
		b.console, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", console)
		return err == nil
	})
	t.Cleanup(func() { _ = b.console.Close() })
	b.in = bufio.NewReader(b.console)
	return b
}

func freeUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().String()
}

func (b *bmc) do(t *testing.T, command string) {
	t.Helper()
	if _, err := fmt.Fprintf(b.console, "%s\n", command); err != nil {
		t.Fatal(err)
	}
}

// TestServer reads OpenIPMI's simulator through a hot room, a dead fan and a dead
// power supply, and compares with ipmitool.
func TestServer(t *testing.T) {
	b := simulate(t)
	in := New(Options{})
	tg := target(b.address)
	inputtest.Until(t, "a reading", func() bool { _, err := inputtest.Gather(t, in, tg); return err == nil })
	r := inputtest.Up(t, in, tg)
	for series, v := range map[string]float64{
		"ipmi_up{collector=bmc}": 1, "ipmi_up{collector=chassis}": 1, "ipmi_up{collector=sel}": 1, "ipmi_up{collector=ipmi}": 1,
		"ipmi_bmc_info{firmware_revision=9.08,manufacturer_id=4753,product_id=3842}": 1, "ipmi_chassis_power_state": 0, "ipmi_chassis_cooling_fault_state": 1,
		"ipmi_sel_logs_count": 1, "ipmi_sel_free_space_bytes": 15984, "faultline_ipmi_sensors": 6,
		"ipmi_temperature_celsius{id=1,name=Inlet Temp}": 26, "ipmi_temperature_state{id=1,name=Inlet Temp}": 0,
		"ipmi_fan_speed_rpm{id=2,name=FAN 1}": 1620, "ipmi_fan_speed_state{id=2,name=FAN 1}": 0, "ipmi_power_watts{id=3,name=PSU1 Input Pwr}": 112,
		"ipmi_voltage_volts{id=5,name=12V}": 12, "ipmi_sensor_state{id=4,name=PS 1,type=Power Supply}": 0, "ipmi_sensor_state{id=4,name=PS 2,type=Power Supply}": 0,
	} {
		r.Want(t, series, v)
	}
	compare(t, b.address, r)
	b.do(t, "sensor_set_value 0x20 0 1 50 0\nsensor_set_value 0x20 0 2 0 0\nsensor_set_bit 0x20 0 5 1 1 0")
	inputtest.Until(t, "hot, a fan that stands and a supply that failed", func() bool {
		r, err := inputtest.Gather(t, in, tg)
		return err == nil && r.Values["ipmi_temperature_state{id=1,name=Inlet Temp}"] == 2 && r.Values["ipmi_fan_speed_state{id=2,name=FAN 1}"] == 2 &&
			r.Values["ipmi_fan_speed_rpm{id=2,name=FAN 1}"] == 0 && r.Values["ipmi_sensor_state{id=4,name=PS 2,type=Power Supply}"] == 2 && r.Values["ipmi_sensor_state{id=4,name=PS 1,type=Power Supply}"] == 0
	})
	t.Run("refusals", func(t *testing.T) { refusals(t, in, b.address) })
	other := target(b.address)
	other.ID = "other"
	plugintest.Run(t, plugintest.Input(plugintest.InputCase{Input: in, Targets: []base.Target{tg, other}, Silent: target(mute(t)), Closed: target(freeUDP(t)),
		Bad: []base.Target{target("a:b:c"), target("a", "cipher", "4"), target("a", "privilege", "root"), target("a", "x", "y")}, Patience: 300 * time.Millisecond}))
}

var row = regexp.MustCompile(`(?m)^(.+?) +\| (-?[0-9.]+) +\|`)

// compare holds every number that ipmitool shows against ours.
func compare(t *testing.T, address string, r *inputtest.Recorder) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.CommandContext(t.Context(), inputtest.Program(t, "ipmitool", "ipmitool"), "-I", "lanplus", "-H", host, "-p", port, "-U", "faultline", "-E", "-C", "3", "-L", "USER", "sensor")
	cmd.Env = append(cmd.Environ(), "IPMI_PASSWORD="+password)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ipmitool: %v", err)
	}
	rows := row.FindAllStringSubmatch(string(out), -1)
	if len(rows) != 4 {
		t.Errorf("ipmitool shows %d numbers:\n%s", len(rows), out)
	}
	for _, m := range rows {
		found := false
		for series, v := range r.Values {
			found = found || strings.Contains(series, "name="+m[1]+"}") && !strings.Contains(series, "_state") && fmt.Sprintf("%.3f", v) == m[2]
		}
		if !found {
			t.Errorf("ipmitool reads %s of %s; ours: %v", m[2], m[1], r.Values)
		}
	}
}

// refusals: what a BMC does not take is said with its cause and no secret.
func refusals(t *testing.T, in *Input, address string) {
	for name, c := range map[string]struct {
		options []string
		want    string
	}{
		"password": {[]string{"password", "wrong-word"}, "the password is wrong"},
		"user":     {[]string{"username", "somebody"}, "no such user"},
	} {
		tg := target(address, c.options...)
		inputtest.Down(t, in, tg, "denied")
		_, err := inputtest.Gather(t, in, tg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "wrong-word") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	inputtest.Down(t, in, target(address, "cipher", "17"), "status") // ipmi_sim knows no SHA-256
	inputtest.Down(t, in, target(address, "password", strings.Repeat("x", 21)), "denied")
	inputtest.Up(t, in, target(address, "username", "nobody", "password", ""))
	inputtest.Up(t, in, target(address, "privilege", "operator"))
}

// mute takes packets and never answers.
func mute(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}

func TestLine(t *testing.T) {
	for name, c := range map[string]struct {
		l    line
		raw  byte
		want float64
	}{
		"plain": {line{m: 1}, 200, 200}, "tenths": {line{m: 1, r: -1}, 123, 12.3}, "offset": {line{m: 2, b: -40}, 30, 20}, "two's complement": {line{m: 1, format: 2}, 0xff, -1},
		"one's complement": {line{m: 1, format: 1}, 0xfe, -1}, "square root": {line{m: 1, function: 10}, 81, 9}, "1/x": {line{m: 1, function: 7}, 4, 0.25}, "square": {line{m: 1, function: 8}, 4, 16},
		"exp2": {line{m: 1, function: 6}, 8, 256}, "exp10": {line{m: 1, function: 5}, 2, 100}, "log2": {line{m: 1, function: 3}, 8, 3},
	} {
		if got, ok := c.l.value(c.raw); !ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if v, ok := (&line{m: 1, function: 7}).value(0); ok {
		t.Errorf("1/0 is %v", v)
	}
	l := parseLine(full(1, 1, 1, 1, 1, 0, "x"))
	if l == nil || l.m != 1 || l.b != 0 || l.r != 0 {
		t.Errorf("line %+v", l)
	}
	b := full(1, 1, 1, 1, 1, -3, "x")
	b[24], b[25], b[26], b[27], b[29] = 0xff, 0xc0, 0x00, 0x80, 0xd2 // m -1, b -512 · 10^2, 10^-3
	if l := parseLine(b); l.m != -1 || l.b != -51200 || l.r != -3 {
		t.Errorf("line %+v", l)
	}
}

func TestIDText(t *testing.T) {
	for want, b := range map[string][]byte{"FAN 1": {0xc5, 'F', 'A', 'N', ' ', '1'}, "IPMI": {0x83, 0x29, 0xdc, 0xa6}, "12-3": {0x42, 0x12, 0xb3}, "": {0xc0}, "x": {0xc9, 'x'}} {
		if got := idText(b[0], b[1:]); got != want {
			t.Errorf("%x: got %q, want %q", b, got, want)
		}
	}
}

func TestState(t *testing.T) {
	for name, c := range map[string]struct {
		s    sensor
		bits uint16
		want int
	}{
		"within limits": {sensor{event: 1}, 0, nominal}, "upper non-critical": {sensor{event: 1}, 8, warning}, "upper critical": {sensor{event: 1}, 0x18, critical}, "lower non-recoverable": {sensor{event: 1}, 7, critical},
		"supply there": {sensor{event: 0x6f, kind: 8}, 1, nominal}, "no mains": {sensor{event: 0x6f, kind: 8}, 9, critical}, "supply will fail": {sensor{event: 0x6f, kind: 8}, 5, warning},
		"drive will fail": {sensor{event: 0x6f, kind: 0x0d}, 5, warning}, "drive failed": {sensor{event: 0x6f, kind: 0x0d}, 3, critical}, "memory, corrected": {sensor{event: 0x6f, kind: 0x0c}, 1, warning},
		"redundant": {sensor{event: 0x0b, kind: 8}, 1, nominal}, "redundancy lost": {sensor{event: 0x0b, kind: 8}, 2, warning}, "severity": {sensor{event: 7, kind: 4}, 4, critical},
	} {
		if got, ok := c.s.state(c.bits); !ok || got != c.want {
			t.Errorf("%s: got %v %v, want %v", name, got, ok, c.want)
		}
	}
	if _, ok := (&sensor{event: 0x6f, kind: 0x23}).state(1); ok {
		t.Error("a watchdog's bits are judged")
	}
}
