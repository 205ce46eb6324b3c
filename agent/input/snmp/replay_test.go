package snmp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/internal/lab/need"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// recordings returns the directory of recorded devices and the built responder
// for them; they are not part of this repository.
func recordings(t testing.TB) (data, bin string) {
	t.Helper()
	root := os.Getenv("FAULTLINE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared")
	}
	data = filepath.Join(root, "data", "snmp", "dev")
	if _, err := os.Stat(data); err != nil {
		need.Missing(t, "no recorded devices: set FAULTLINE_SHARED to where they are")
	}
	bin = filepath.Join(t.TempDir(), "snmpreplay")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join(root, "tools", "snmpreplay")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build snmpreplay: %v\n%s", err, out)
	}
	data, err := filepath.Abs(data)
	if err != nil {
		t.Fatal(err)
	}
	return data, bin
}

func replay(t testing.TB, data, bin string, flags ...string) string {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	run(t, nil, bin, append([]string{"-data", data, "-listen", addr}, flags...)...)
	return addr
}

func device(addr, name string) base.Target {
	return base.Target{ID: name, Address: addr, Options: map[string]string{"version": "2c", "community": name, "request_timeout": "300ms"}}
}

// TestBrokenAgents reads one switch through agents with the faults that are met
// in the field: either all rows come, or it is said what is missing; and it ends
// in time.
func TestBrokenAgents(t *testing.T) {
	data, bin := recordings(t)
	const name, rows = "vrp_5720", 65
	tests := []struct {
		name    string
		flags   []string
		partial string
	}{
		{"normal", nil, ""},
		{"GETBULK ignored", []string{"-no-bulk"}, ""},
		{"GETBULK answered genErr", []string{"-bulk-generr"}, ""},
		{"replies of 300 bytes", []string{"-max-msg", "300"}, ""},
		{"replies of 200 bytes", []string{"-max-msg", "200"}, "tooBig"},
		{"one value too big", []string{"-max-msg", "1472"}, ""},
		{"one repetition at most", []string{"-max-reps", "1"}, ""},
		{"replies doubled", []string{"-dup", "0.5"}, ""},
		{"slow and serial", []string{"-serial", "-per-varbind", "500us"}, ""},
		{"far away", []string{"-latency", "20ms", "-jitter", "20ms"}, ""},
		{"counters that move", []string{"-live"}, ""},
		{"OID loop", []string{"-loop-at", "1.3.6.1.2.1.2.2.1.8"}, "ifOperStatus: OID not increasing"},
	}
	good := replay(t, data, bin)
	awaitAnswer(t, good, name)
	want, err := newInput(t).Describe(t.Context(), device(good, name))
	if err != nil || len(want.Interfaces) != rows || len(want.Sensors) == 0 || len(want.Problems) > 0 {
		t.Fatalf("the good agent: %v, %+v", err, want)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := replay(t, data, bin, tt.flags...)
			awaitAnswer(t, addr, name)
			in := newInput(t)
			for range 2 {
				begin := time.Now()
				s, err := gather(t, in, device(addr, name))
				if tt.partial == "" && err != nil || tt.partial != "" && (!errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), tt.partial)) {
					t.Fatalf("error %v, want %q", err, tt.partial)
				}
				if took := time.Since(begin); took > 9*time.Second {
					t.Errorf("took %v: it did not end by itself", took)
				}
				s.noTwins(t)
				wholePorts(t, s, rows)
				if got := s.value(t, "faultline_snmp_table_success", "table", "ifTable"); (got == 0) != strings.HasPrefix(tt.partial, "ifOper") {
					t.Errorf("table success %v", got)
				}
			}
			sameDescription(t, in, device(addr, name), want, tt.partial)
		})
	}
}

// wholePorts fails unless there are so many ports, all with their names.
func wholePorts(t *testing.T, s *sink, rows int) {
	t.Helper()
	found := s.find("ifOperStatus")
	if len(found) != rows {
		t.Errorf("%d rows, want %d", len(found), rows)
	}
	for _, sm := range found {
		if sm.Labels.Get("ifName") == "" {
			t.Fatalf("row without its name: %v", sm.Labels)
		}
	}
}

// sameDescription fails unless describe finds the same in a broken agent as in a
// good one, and says what is wrong.
func sameDescription(t *testing.T, in *snmp.Input, tg base.Target, want *snmp.Description, partial string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	d, err := in.Describe(ctx, tg)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Interfaces) != len(want.Interfaces) || d.Device.Model != want.Device.Model || len(d.Sensors) != len(want.Sensors) || len(d.Processors) != len(want.Processors) {
		t.Errorf("described as %q with %d interfaces, %d sensors, %d processors; want as %q with %d, %d, %d", d.Device.Model, len(d.Interfaces), len(d.Sensors),
			len(d.Processors), want.Device.Model, len(want.Interfaces), len(want.Sensors), len(want.Processors))
	}
	if partial == "" && len(d.Problems) > 0 || partial != "" && (len(d.Problems) == 0 || !strings.Contains(partial, d.Problems[0].Error) && !strings.Contains(d.Problems[0].Error, partial)) {
		t.Errorf("problems %+v, want %q", d.Problems, partial)
	}
}

// TestLoss: with a tenth, or a fifth, of all requests lost what comes is right,
// what is missing is told, and the deadline holds.
func TestLoss(t *testing.T) {
	t.Parallel()
	data, bin := recordings(t)
	for _, loss := range []string{"0.1", "0.2"} {
		t.Run(loss, func(t *testing.T) {
			t.Parallel()
			addr := replay(t, data, bin, "-loss", loss)
			awaitAnswer(t, addr, "vrp_5720")
			in := newInput(t)
			whole := 0
			for range 3 {
				begin := time.Now()
				s, err := gather(t, in, device(addr, "vrp_5720"))
				if err != nil && !errors.As(err, new(input.Partial)) && len(s.find("ifOperStatus")) > 0 {
					t.Errorf("rows came, yet the device counts as down: %v", err)
				}
				if took := time.Since(begin); took > 10500*time.Millisecond {
					t.Errorf("took %v, beyond the deadline", took)
				}
				s.noTwins(t)
				if err == nil {
					wholePorts(t, s, 65)
					whole++
				}
			}
			if whole == 0 && loss == "0.1" {
				t.Error("none of three polls was whole")
			}
		})
	}
}

// TestSerialAgent: an agent that takes 20 ms for each varbind, one request after
// the other, and has far more of them than there is time for, gives what there is
// time for at every poll, named, the most wanted first, and the rest is told.
func TestSerialAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	data, bin := recordings(t)
	addr := replay(t, data, bin, "-serial", "-per-varbind", "20ms")
	awaitAnswer(t, addr, "vrp_5720")
	in := newInput(t)
	tg := device(addr, "vrp_5720")
	tg.Options["request_timeout"] = "1s"
	ports, others := 0, map[string]bool{}
	for range 4 {
		begin := time.Now()
		s, err := gather(t, in, tg)
		if !errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), "deadline") {
			t.Fatalf("error %v, want one that is partial and tells the deadline", err)
		}
		if took := time.Since(begin); took > 10500*time.Millisecond {
			t.Errorf("took %v, beyond the deadline", took)
		}
		s.noTwins(t)
		for _, sm := range s.find("ifAdminStatus") {
			if sm.Labels.Get("ifName") == "" {
				t.Fatalf("row without its name: %v", sm.Labels)
			}
		}
		ports = max(ports, len(s.find("ifAdminStatus")))
		for _, sm := range s.find("faultline_snmp_table_success") {
			if sm.Value == 1 {
				others[sm.Labels.Get("table")] = true
			}
		}
	}
	t.Logf("%d of 65 ports, tables read whole: %v", ports, others)
	if ports < 20 || len(others) < 1 {
		t.Errorf("%d ports, tables read whole: %v", ports, others)
	}
}

// TestEveryRecording reads every recorded device: none may fail, crash, leave out
// what it has or give a series twice, and what the first poll shows the next ones
// show as well, whether names are due or not.
func TestEveryRecording(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	data, bin := recordings(t)
	addr := replay(t, data, bin)
	awaitAnswer(t, addr, "vrp_5720")
	files, err := filepath.Glob(filepath.Join(data, "*.snmprec"))
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{}
	in, err := snmp.New(snmp.Options{Profiles: profiles(t), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	sensors, ports := 0, 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".snmprec")
		if strings.Contains(name, "@") { // the view of one VLAN, not a device
			continue
		}
		var first map[string]bool
		for i, after := range []time.Duration{0, time.Minute, 6 * time.Minute} {
			c.pass(after)
			s, err := gather(t, in, device(addr, name))
			if err != nil && !strings.HasSuffix(err.Error(), "partial: sysUpTime is not there") { // some recordings lack it
				t.Errorf("%s, poll %d: %v", name, i, err)
			}
			s.noTwins(t)
			if i == 0 {
				first = s.series()
				sensors += len(s.find("faultline_sensor_value"))
				ports += len(s.find("ifOperStatus"))
			} else if d := cmp.Diff(first, s.series()); d != "" {
				t.Errorf("%s: series of poll %d (-first +this):\n%s", name, i, d)
			}
		}
	}
	t.Logf("%d devices, %d ports, %d sensors", len(files), ports, sensors)
}

// series are the series that the sink was given.
func (s *sink) series() map[string]bool {
	all := map[string]bool{}
	for _, sm := range s.samples {
		all[fmt.Sprint(sm.Labels)] = true
	}
	return all
}

func BenchmarkSwitch(b *testing.B) {
	data, bin := recordings(b)
	addr := replay(b, data, bin)
	awaitAnswer(b, addr, "vrp_5720")
	in := newInput(b)
	tg := device(addr, "vrp_5720")
	b.ReportAllocs()
	samples := 0
	for b.Loop() {
		s, err := gather(b, in, tg)
		if err != nil {
			b.Fatal(err)
		}
		samples = len(s.samples)
	}
	b.ReportMetric(float64(samples), "samples/op")
}
