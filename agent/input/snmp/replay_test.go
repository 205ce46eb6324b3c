package snmp_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		t.Skip("no recorded devices: set FAULTLINE_SHARED to where they are")
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
// in the field: either all rows come, or it is said what is missing.
func TestBrokenAgents(t *testing.T) {
	data, bin := recordings(t)
	const name, rows = "vrp_5720", 65
	tests := []struct {
		name    string
		flags   []string
		partial string
		atLeast int
	}{
		{"normal", nil, "", rows},
		{"GETBULK ignored", []string{"-no-bulk"}, "", rows},
		{"GETBULK answered genErr", []string{"-bulk-generr"}, "", rows},
		{"replies of 300 bytes", []string{"-max-msg", "300"}, "", rows},
		{"one repetition at most", []string{"-max-reps", "1"}, "", rows},
		{"replies doubled", []string{"-dup", "0.5"}, "", rows},
		{"slow and serial", []string{"-serial", "-per-varbind", "500us"}, "", rows},
		{"OID loop", []string{"-loop-at", "1.3.6.1.2.1.2.2.1.8"}, "ifOperStatus: OID not increasing", rows},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := replay(t, data, bin, tt.flags...)
			awaitAnswer(t, addr, name)
			in := newInput(t)
			for range 2 {
				s, err := gather(t, in, device(addr, name))
				if tt.partial == "" && err != nil || tt.partial != "" && (!errors.As(err, new(input.Partial)) || !strings.Contains(err.Error(), tt.partial)) {
					t.Fatalf("error %v, want %q", err, tt.partial)
				}
				s.noTwins(t)
				if n := len(s.find("ifOperStatus")); n < tt.atLeast {
					t.Errorf("%d rows, want %d", n, tt.atLeast)
				}
				for _, sm := range s.find("ifOperStatus") {
					if sm.Labels.Get("ifName") == "" {
						t.Fatalf("row without its name: %v", sm.Labels)
					}
				}
			}
		})
	}
}

// TestLossIsBounded: with a fifth of all requests lost what comes is right, and
// the deadline holds.
func TestLossIsBounded(t *testing.T) {
	data, bin := recordings(t)
	addr := replay(t, data, bin, "-loss", "0.2")
	awaitAnswer(t, addr, "vrp_5720")
	in := newInput(t)
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
	}
}

// TestEveryRecording reads every recorded device once: none may fail, crash or
// give a series twice, and those with ports must give them.
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
	in := newInput(t)
	sensors, ports := 0, 0
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".snmprec")
		if strings.Contains(name, "@") { // the view of one VLAN, not a device
			continue
		}
		s, err := gather(t, in, device(addr, name))
		if err != nil {
			if !errors.As(err, new(input.Partial)) {
				t.Errorf("%s: %v", name, err)
			}
			t.Logf("%s: %v", name, err)
		}
		s.noTwins(t)
		sensors += len(s.find("faultline_sensor_value"))
		ports += len(s.find("ifOperStatus"))
	}
	t.Logf("%d devices, %d ports, %d sensors", len(files), ports, sensors)
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
