package ups

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/plugintest"
)

func target(address string, options ...string) base.Target {
	t := base.Target{ID: address + strings.Join(options, ""), Input: "ups", Address: address, Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

const device = "ups.status: OL CHRG\nbattery.charge: 97\nbattery.runtime: 1800\nups.load: 23.5\ninput.voltage: 229.1\noutput.voltage: 230\nbattery.temperature: 26\n" +
	"device.serial: S123\nups.firmware: 4\nups.vendorid: 0764\n"

// nut are the directories of the programs themselves: /usr/sbin has scripts that
// look into /etc/nut first.
var nut = []string{"/lib/nut", "/usr/lib/nut"}

// server starts Debian's upsd with two simulated UPS, rack and dead; the latter's
// driver does not run. Tests set variables of rack by say.
func server(t *testing.T, conf ...string) (address string, say func(variable, value string)) {
	t.Helper()
	upsd, driver := inputtest.Program(t, "upsd", "nut-server", nut...), inputtest.Program(t, "dummy-ups", "nut-server", nut...)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	address = inputtest.FreePort(t)
	host, port, _ := net.SplitHostPort(address)
	dir := inputtest.Write(t, map[string]string{"rack.dev": device, "upsd.conf": fmt.Sprintf("LISTEN %s %s\nMAXAGE 15\n", host, port) + strings.Join(conf, "\n"),
		"upsd.users": "[test]\n password = secret\n actions = SET\n instcmds = ALL\n", "state/x": ""})
	drivers := fmt.Sprintf("[rack]\n driver = dummy-ups\n port = %s/rack.dev\n mode = dummy-once\n[dead]\n driver = dummy-ups\n port = %[1]s/rack.dev\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "ups.conf"), []byte(drivers), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{driver, "-a", "rack", "-u", me.Username, "-D"}, {upsd, "-u", me.Username, "-D"}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "NUT_CONFPATH="+dir, "NUT_STATEPATH="+dir+"/state", "NUT_ALTPIDPATH="+dir+"/state", "NUT_PIDPATH="+dir+"/state")
		inputtest.Start(t, cmd)
	}
	say = func(variable, value string) {
		t.Helper()
		c, err := dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		for _, line := range []string{"USERNAME test", "PASSWORD secret", fmt.Sprintf("SET VAR rack %s %q", variable, value)} {
			_, _ = fmt.Fprintln(c, line)
			if got, err := c.in.ReadString('\n'); err != nil || !strings.HasPrefix(got, "OK") {
				t.Fatalf("%s: %q %v", line, got, err)
			}
		}
	}
	return address, say
}

// TestServer reads Debian's upsd through a power cut.
func TestServer(t *testing.T) {
	address, say := server(t)
	in := New(Options{})
	rack := target(address, "ups", "rack")
	inputtest.Until(t, "an answer of upsd", func() bool {
		r, err := inputtest.Gather(t, in, rack)
		return err == nil && r.Values["network_ups_tools_battery_charge{ups=rack}"] == 97
	})
	r := inputtest.Up(t, in, rack)
	for series, v := range map[string]float64{
		"network_ups_tools_battery_runtime{ups=rack}": 1800, "network_ups_tools_ups_load{ups=rack}": 23.5, "network_ups_tools_ups_status{flag=OL,ups=rack}": 1,
		"network_ups_tools_ups_status{flag=OB,ups=rack}": 0, "network_ups_tools_device_info{mfr=Dummy Manufacturer,model=Dummy UPS,serial=S123,type=ups,ups=rack}": 1,
		"upsOutputSource{ups=rack}": 3, "upsBatteryStatus{ups=rack}": 2, "upsEstimatedMinutesRemaining{ups=rack}": 30, "upsEstimatedChargeRemaining{ups=rack}": 97,
		"upsBatteryTemperature{ups=rack}": 26, "upsInputVoltage{ups=rack,upsInputLineIndex=1}": 229.1, "upsOutputPercentLoad{ups=rack,upsOutputLineIndex=1}": 23.5,
	} {
		r.Want(t, series, v)
	}
	r.Without(t, "network_ups_tools_ups_vendorid{ups=rack}")
	say("ups.status", "OB LB DISCHRG")
	say("battery.charge", "12")
	inputtest.Until(t, "on battery", func() bool {
		r, err := inputtest.Gather(t, in, rack)
		return err == nil && r.Values["upsOutputSource{ups=rack}"] == 5 && r.Values["upsBatteryStatus{ups=rack}"] == 3 &&
			r.Values["network_ups_tools_ups_status{flag=OB,ups=rack}"] == 1 && r.Values["upsEstimatedChargeRemaining{ups=rack}"] == 12
	})
	inputtest.Down(t, in, target(address, "ups", "dead"), "status")
	inputtest.Down(t, in, target(address, "ups", "nobody"), "missing")
	r, err := inputtest.Gather(t, in, target(address))
	if err == nil || !strings.Contains(err.Error(), "partial") || !strings.Contains(err.Error(), "DRIVER-NOT-CONNECTED") {
		t.Errorf("all of the server's: got %v", err)
	}
	r.Want(t, "upsOutputSource{ups=rack}", 5)
	other := target(address, "ups", "rack")
	other.ID = "other"
	plugintest.Run(t, plugintest.Input(plugintest.InputCase{Input: in, Targets: []base.Target{rack, other}, Silent: target(inputtest.Mute(t)), Closed: target(inputtest.FreePort(t)),
		Bad: []base.Target{target("a:b:c"), target("a", "ups", "x y"), target("a", "user", "x")}, Patience: 300 * time.Millisecond}))
}

// foreign answers the first query with a text and keeps quiet.
func foreign(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1000))
			_, _ = c.Write([]byte(answer))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestFailures(t *testing.T) {
	in := New(Options{})
	for name, tc := range map[string]struct{ answer, reason string }{
		"closes": {"", "closed"}, "denied": {"ERR ACCESS-DENIED\n", "denied"}, "another protocol": {"HTTP/1.1 400 Bad Request\r\n", "malformed"},
		"stale": {"ERR DATA-STALE\n", "status"}, "no UPS": {"BEGIN LIST UPS\nEND LIST UPS\n", "missing"}, "an endless line": {strings.Repeat("x", 9000), "too_large"},
		"an endless list": {"BEGIN LIST UPS\n" + strings.Repeat("UPS a \"\"\n", maxLines+1), "too_large"}, "no quote": {"UPS a \"x\n", "malformed"},
	} {
		t.Run(name, func(t *testing.T) { inputtest.Down(t, in, target(foreign(t, tc.answer)), tc.reason) })
	}
}

func TestSource(t *testing.T) {
	for status, want := range map[string]float64{"OL": 3, "OL CHRG": 3, "OB DISCHRG": 5, "OL BOOST": 6, "OL TRIM": 7, "OL BYPASS": 4, "OFF": 2, "OB LB FSD": 5, "": 1, "WAIT": 1} {
		if got := source(strings.Fields(status)); got != want {
			t.Errorf("%q: got %v, want %v", status, got, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("VAR rack ups.model \"Power \\\"9\\\" X\"\n")
	f.Add("ERR DATA-STALE\n")
	f.Add("\"")
	f.Fuzz(func(t *testing.T, line string) {
		words, err := split(line)
		if err != nil {
			return
		}
		text := ""
		for _, w := range words {
			text += ` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`
		}
		again, err := split(text)
		if !strings.ContainsAny(line, "\r\n") && (err != nil || !slices.Equal(words, again)) {
			t.Fatalf("%q: %q, then %q (%v)", line, words, again, err)
		}
	})
}
