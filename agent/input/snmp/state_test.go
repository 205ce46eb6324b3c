package snmp_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/snmp"
)

// manyPorts shows so many interfaces that reading them takes many packets.
func (f *fake) manyPorts(n int) {
	for i := range n {
		index := fmt.Sprint(i + 1)
		f.port(index, "GigabitEthernet0/0/"+index, map[int]any{
			5: gauge32(1e9), 9: ticks(0), 10: counter32(i), 11: counter32(i), 13: counter32(0), 14: counter32(0), 16: counter32(i), 19: counter32(0), 20: counter32(0),
			106: counter64(i), 107: counter64(i), 110: counter64(i), 115: gauge32(1000), 118: "port " + index, 119: ticks(0)})
	}
}

// TestLearnedSurvivesRestart: the first poll after the agent's restart takes fewer
// packets than the very first one did, as what was learned is known again.
func TestLearnedSurvivesRestart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "snmp.json")
	r := newReader(t, state)
	r.manyPorts(200)
	packets := func() int {
		t.Helper()
		if got := len(r.poll(t, time.Minute).find("ifOperStatus")); got != 200 {
			t.Fatalf("%d interfaces", got)
		}
		asked := r.sinceLast()
		return below(asked, "1.3.6.1.2.1.2.2.1") + below(asked, "1.3.6.1.2.1.31.1.1.1")
	}
	r.sinceLast()
	first := packets()
	packets() // may take more or fewer than the one after: profiles are chosen once more
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(t, state)
	warm := packets()
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	r.open(t, "")
	cold := packets()
	t.Logf("packets of the first poll: %d, after a restart with what was learned %d, without %d", first, warm, cold)
	if warm >= first || warm >= cold {
		t.Errorf("first poll %d packets, after a restart %d, without what was learned %d", first, warm, cold)
	}
}

// TestBulkRefusalSurvivesRestart: an agent that leaves GETBULK unanswered is not
// asked so again after a restart, which would cost its time-outs.
func TestBulkRefusalSurvivesRestart(t *testing.T) {
	state := filepath.Join(t.TempDir(), "snmp.json")
	r := newReader(t, state)
	r.target = r.hasty()
	r.manyPorts(5)
	bulks := 0
	r.breaking(ignoringBulk(&bulks))
	r.poll(t, 0)
	if bulks == 0 {
		t.Fatal("GETBULK was not tried")
	}
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	bulks = 0
	r.open(t, state)
	begin := time.Now()
	if s := r.poll(t, time.Minute); len(s.find("ifOperStatus")) != 5 {
		t.Errorf("interfaces %v", s.find("ifOperStatus"))
	}
	if bulks > 0 {
		t.Errorf("GETBULK was sent %d times after the restart; the poll took %v", bulks, time.Since(begin))
	}
}

// TestStateFile: it is written at the end, over the one before, and holds no
// secret.
func TestStateFile(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "snmp.json")
	r := newReader(t, state)
	r.target.Options["community"] = "a-secret"
	r.manyPorts(3)
	r.poll(t, 0)
	if err := r.in.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("ifTable")) || bytes.Contains(b, []byte("a-secret")) {
		t.Errorf("state %s", b)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("files %v", left)
	}
	info, err := os.Stat(state)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v: want it to be the agent's alone", info.Mode(), err)
	}
}

// TestStateIsWrittenWhileRunning: a crash loses minutes, not all.
func TestStateIsWrittenWhileRunning(t *testing.T) {
	state := filepath.Join(t.TempDir(), "snmp.json")
	r := newReader(t, state)
	r.manyPorts(3)
	for range 25 {
		r.poll(t, time.Minute)
	}
	if b, err := os.ReadFile(state); err != nil || !bytes.Contains(b, []byte("GigabitEthernet0/0/2")) {
		t.Errorf("after 25 minutes the state is %q, %v", b, err)
	}
}

// TestCorruptState: a state file that cannot be used costs what was learned, and
// is told; nothing else.
func TestCorruptState(t *testing.T) {
	good := `{"fake":{"ifTable":{"fast":{"varbinds":60,"rows":[3]},"interfaces":{"eth0":{"shown":"1","now":"1"}}}}}`
	tests := []struct {
		name, text string
		told       bool
	}{
		{"no JSON", "\x00\x01\x02", true},
		{"empty", "", true},
		{"cut off", good[:len(good)/2], true},
		{"of another shape", `["fake"]`, true},
		{"a device of another shape", `{"fake":[1,2]}`, false},
		{"a table of nothing", `{"fake":{"ifTable":null,"":null}}`, false},
		{"numbers that cannot be", `{"fake":{"ifTable":{"fast":{"varbinds":-7,"refused":-1,"columns":999999,"repetitions":-5,"bytes":1000000000,"rows":[-9,9223372036854775807,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]},` +
			`"slow":{"varbinds":2000000000,"refused":9223372036854775807,"refused_at":"9999-01-01T00:00:00Z","repetitions":9223372036854775807,"next_since":"9999-01-01T00:00:00Z"}}}}`, false},
		{"numbers that are no interface's", `{"fake":{"ifTable":{"interfaces":{"eth0":{"shown":"","now":""},"eth1":{"shown":"x y","now":"z"},"":{"shown":"1","now":"1"}}}}}`, false},
		{"two interfaces of one number", `{"fake":{"ifTable":{"interfaces":{"eth0":{"shown":"5","now":"1"},"eth1":{"shown":"5","now":"2"}}}}}`, false},
		{"of another device", strings.ReplaceAll(good, "fake", "other"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "snmp.json")
			if err := os.WriteFile(state, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			r := newReader(t, "")
			in, err := snmp.New(snmp.Options{Profiles: profiles(t), State: state, Now: r.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			r.in = in
			r.ports(map[string]string{"1": "eth0", "2": "eth1"})
			for range 3 {
				s := r.poll(t, time.Minute)
				if got := shown(t, s); len(got) != 2 || got["eth0"] == "" || got["eth1"] == "" {
					t.Errorf("interfaces %v", got)
				}
			}
			if told := strings.Contains(log.String(), state); told != tt.told {
				t.Errorf("log %q", log.String())
			}
			if err := in.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if b, err := os.ReadFile(state); err != nil || !bytes.Contains(b, []byte("eth1")) {
				t.Errorf("the state afterwards is %q, %v", b, err)
			}
		})
	}
}

// TestStateCannotBeWritten: the input goes on, and says at its end that it lost
// what was learned.
func TestStateCannotBeWritten(t *testing.T) {
	state := filepath.Join(t.TempDir(), "gone", "snmp.json")
	r := newReader(t, state)
	r.manyPorts(1)
	for range 25 {
		r.poll(t, time.Minute)
	}
	if err := r.in.Close(); err == nil || !strings.Contains(err.Error(), "learned") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("close: %v", err)
	}
}
