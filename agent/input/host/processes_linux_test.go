package host

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// processStat is /proc/PID/stat with what matters of it.
func processStat(pid int, name string, ticks, started, pages int) string {
	return fmt.Sprintf("%d (%s) R 1 1 1 0 -1 4194304 1 0 0 0 %d 0 0 0 20 0 1 0 %d 1000 %d 184467 1 1 0", pid, name, ticks, started, pages)
}

func wordOf(b []byte) string { return string(b) }

func TestByName(t *testing.T) {
	look := func(lines ...string) map[int]spent {
		out := map[int]spent{}
		for _, l := range lines {
			var pid int
			fmt.Sscan(l, &pid)
			s, ok := parseStat([]byte(l), wordOf)
			if !ok {
				t.Fatalf("%q is not read", l)
			}
			out[pid] = s
		}
		return out
	}
	was := look(processStat(1, "db", 1000, 5, 100), processStat(2, "db", 50, 6, 100), processStat(3, "a) b (", 10, 7, 1), processStat(4, "gone", 5, 8, 1), processStat(5, "old", 900, 9, 1))
	is := look(processStat(1, "db", 1300, 5, 100), processStat(2, "db", 150, 6, 300), processStat(3, "a) b (", 10, 7, 1), processStat(5, "new", 100, 99, 1))
	cores, resident := byName(was, is, 2)
	if d := cmp.Diff(map[string]float64{"db": 2, "a) b (": 0, "new": 0.5}, cores); d != "" {
		t.Errorf("cores: -want +got\n%s", d)
	}
	if resident["db"] != 400*resident["new"] {
		t.Errorf("memory: %v", resident)
	}
	if d := cmp.Diff([]string{"db", "new"}, leading(cores, leastCores)); d != "" {
		t.Errorf("leading: -want +got\n%s", d)
	}
	for _, broken := range []string{"", "1 (x", "1 (x) R 1", "1 )x( R"} {
		if _, ok := parseStat([]byte(broken), wordOf); ok {
			t.Errorf("%q is read", broken)
		}
	}
}

// TestProcessesOnlyWhenScarce reads a machine at rest, then a busy one.
func TestProcessesOnlyWhenScarce(t *testing.T) {
	const memory = "MemTotal: 1000 kB\nMemAvailable: %d kB\n"
	at := func(busy, idle, available int) map[string]string {
		return map[string]string{"stat": fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 0 0 0\n", busy, idle), "meminfo": fmt.Sprintf(memory, available), "7/stat": processStat(7, "miner", busy, 5, 10)}
	}
	p := &processes{linux: &linux{}}
	poll := func(files map[string]string) recorder {
		p.opts = Options{Proc: fixture(t, files), Now: time.Now}
		rec := recorder{}
		buf := make([]byte, 1<<12)
		e := &emitter{sink: rec, cache: newLabelCache(), buf: &buf, now: time.Now}
		_ = p.read(context.Background(), e)
		return rec
	}
	const cores, resident = "faultline_process_cpu_cores{process=miner}", "faultline_process_resident_bytes{process=miner}"
	for _, c := range []struct {
		name  string
		files map[string]string
		told  []string
	}{
		{"since it was started", at(9000, 1000, 900), nil},
		{"at rest", at(9010, 2000, 900), nil},
		{"memory is short", at(9011, 3000, 100), []string{resident}},
		{"busy", at(12000, 3010, 900), []string{cores, resident}},
		{"at rest again", at(12001, 9000, 900), nil},
	} {
		got := poll(c.files)
		if len(got) != len(c.told) {
			t.Errorf("%s: %v, want %v", c.name, got, c.told)
		}
		for _, name := range c.told {
			if got[name] <= 0 {
				t.Errorf("%s: %s is %v", c.name, name, got[name])
			}
		}
	}
}
