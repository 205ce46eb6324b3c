package main

import (
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/rules"
)

func TestParseBench(t *testing.T) {
	got := parseBench("goos: linux\ncpu: X\n" +
		"BenchmarkWriteV2-2   \t      15\t 385385393 ns/op\t    471965 samples/cpu-s\n" +
		"BenchmarkCommit/sqlite-16 \t 100 \t 1726000 ns/op\n" +
		"BenchmarkNoSuffix 5 2.5 ns/op\nBenchmarkBroken-2 \nPASS\nok  \tpkg\t1.2s\n")
	want := map[string]result{
		"WriteV2":       {"ns/op": 385385393, "samples/cpu-s": 471965},
		"Commit/sqlite": {"ns/op": 1726000},
		"NoSuffix":      {"ns/op": 2.5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.1333: "0.133", 1: "1.00", 18.46: "18.5", 144.4: "144", 1726: "1,726", 1978681: "1,978,681", -1500: "-1,500", math.NaN(): "NaN"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v): got %q, want %q", v, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	tab := table{Name: "agent"}
	tab.add("PSS", "≤ 20 MiB", 18.5, mib, "")
	tab.note("One of %d.", 2)
	want := "## agent\n\n" +
		"| what | asked    | measured | mark |\n" +
		"| ---- | -------- | -------- | ---- |\n" +
		"| PSS  | ≤ 20 MiB | 18.5 MiB |      |\n\nOne of 2.\n"
	if diff := cmp.Diff(want, tab.String()); diff != "" {
		t.Error(diff)
	}
}

// The rule that is timed still has the hold that is taken off its time.
func TestShippedHold(t *testing.T) {
	shipped, err := fs.ReadFile(rules.FS(), "alerts/"+ruleFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(shipped), "alert: ServiceNotServing\n")
	if rest, _, _ = strings.Cut(rest, "alert: "); !strings.Contains(rest, "for: "+ruleFor.String()+"\n") {
		t.Errorf("ServiceNotServing does not hold for %s", ruleFor)
	}
	dir, err := withoutHolds(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bare, err := fs.ReadFile(os.DirFS(dir), "alerts/"+ruleFile)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(bare); strings.Contains(s, " for: ") || strings.Count(s, "keep_firing_for") != strings.Count(string(shipped), "keep_firing_for") {
		t.Error("not exactly the holds were taken out")
	}
}

func TestInventory(t *testing.T) {
	inv, err := inventory.Parse("inventory.yaml", estate{branches: 3, writers: 2}.inventory())
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Sites) != 4 || len(inv.Agents) != 3 {
		t.Errorf("%d sites and %d agents", len(inv.Sites), len(inv.Agents))
	}
}

func TestOwnUsage(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("no /proc/PID/smaps_rollup here")
	}
	p, err := start(t.Context(), options{work: t.TempDir()}, "/bin/sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	u, err := p.use()
	if err != nil || u.RSS <= 0 || u.PSS <= 0 || u.PSS > u.RSS {
		t.Errorf("%+v %v", u, err)
	}
}
