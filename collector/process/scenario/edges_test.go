package scenario

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// openings are how the stories of each process begin: late on a Friday, before
// a weekend, so that working time and elapsed time are told apart.
var openings = map[string]Opening{
	"network":              {Class: "carrier_line", VendorKind: "carrier", Vendor: "carrier-a"},
	"database":             {Class: "database", VendorKind: "db vendor", Vendor: "db-d"},
	"infrastructure":       {Class: "power", VendorKind: "UPS maintainer", Vendor: "ups-c"},
	"security":             {Class: "security", VendorKind: "none"},
	"service":              {Class: "device", VendorKind: "none"},
	"resource":             {Class: "device", VendorKind: "none"},
	"change":               {Class: "configuration", VendorKind: "none"},
	"database_maintenance": {Class: "database", VendorKind: "none"},
}

var vendors = map[string]string{"carrier": "carrier-a", "equipment supplier": "supplier-b", "UPS maintainer": "ups-c", "db vendor": "db-d"}

// head is the lines of the last facts of a run, which the story is there for.
func head(run *Run, s Story) []string {
	if s.Whole {
		return run.Log
	}
	facts := s.Facts
	from := run.Last
	n := len(facts)
	for n > 0 && facts[n-1].At == "timer" { // all that was waited for
		n--
	}
	if n < len(facts) {
		seen := 0
		for k, line := range run.Log {
			if !strings.HasPrefix(line, " ") {
				if seen == n+1 {
					from = k
					break
				}
				seen++
			}
		}
	}
	return run.Log[from:]
}

// TestEdges plays every edge, rung and clock of every shipped process from the
// stored stories and compares what follows. With -update the stories are made
// anew.
func TestEdges(t *testing.T) {
	w := shipped(t)
	for _, id := range w.Set.IDs() {
		t.Run(id, func(t *testing.T) {
			o, ok := openings[id]
			if !ok {
				t.Fatal("no opening for the process: say in openings how its stories begin")
			}
			o.At = "2026-11-20 16:52:00"
			path := filepath.Join("testdata", "edges", id+".yaml")
			if *update {
				list, missing, err := Generate(w, Story{Process: id, Opened: o, Vendors: vendors}, written(t, w, id))
				if err != nil || len(missing) > 0 {
					t.Errorf("not shown: %v %v", missing, err)
				}
				store(t, w, path, id, o, list)
			}
			d, _ := w.Set.Latest(id)
			shown := written(t, w, id)
			list := stories(t, path)
			for _, s := range list {
				run, err := Play(w, s)
				if err != nil {
					t.Fatalf("%s: %v", s.Name, err)
				}
				if diff := cmp.Diff(s.Leads, head(run, s)); diff != "" {
					t.Fatalf("%s leads elsewhere (-want +got); if it should, run with -update:\n%s", s.Name, diff)
				}
				for item := range Shown(d, run.Events) {
					shown[item] = true
				}
			}
			items := Items(d)
			for _, item := range items {
				if !shown[item] {
					t.Errorf("no story shows %s", item)
				}
			}
			t.Logf("%d stories show %d edges, rungs and clocks", len(list), len(items))
		})
	}
}

// written is what the stories that people wrote show of clocks and ladders.
func written(t *testing.T, w World, id string) map[string]bool {
	t.Helper()
	shown := map[string]bool{}
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		s := stories(t, file)[0]
		run, err := Play(w, s)
		if err != nil {
			t.Fatal(err)
		}
		if run.Incident.Process != id {
			continue
		}
		for item := range Shown(run.Def, run.Events) {
			if word, _, _ := strings.Cut(item, " "); slices.Contains([]string{"warn", "breach", "late", "pause"}, word) {
				shown[item] = true
			}
		}
	}
	return shown
}

// store writes the stories, one fact a line.
func store(t *testing.T, w World, path, id string, o Opening, list []Story) {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by go test ./collector/process/scenario -run TestEdges -update; read before it is committed.\nprocess: %s\n", id)
	fmt.Fprintf(&b, "opened: {at: %q, class: %s, vendor_kind: %s, vendor: %q}\nvendors: {", o.At, o.Class, o.VendorKind, o.Vendor)
	for n, kind := range []string{"carrier", "db vendor", "equipment supplier", "UPS maintainer"} {
		fmt.Fprintf(&b, "%s%s: %s", strings.Repeat(", ", min(n, 1)), kind, vendors[kind])
	}
	b.WriteString("}\nstories:\n")
	for _, s := range list {
		run, err := Play(w, s)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "  - name: %q\n    covers: [%s]\n", s.Name, strings.Join(quoted(s.Covers), ", "))
		if s.Opened.At != o.At {
			fmt.Fprintf(&b, "    opened: {at: %q, class: %s, vendor_kind: %s, vendor: %q}\n", s.Opened.At, o.Class, o.VendorKind, o.Vendor)
		}
		if s.Whole {
			b.WriteString("    whole: true\n")
		}
		if len(s.Facts) > 0 {
			b.WriteString("    facts:\n")
		}
		for _, f := range s.Facts {
			if f.At == "timer" {
				b.WriteString("      - {at: timer}\n")
				continue
			}
			fmt.Fprintf(&b, "      - {at: %s, fact: %s, choice: %q, by: %q, comment: x}\n", f.At, f.Fact, f.Choice, f.By)
		}
		b.WriteString("    leads:\n")
		for _, line := range head(run, s) {
			fmt.Fprintf(&b, "      - %q\n", line)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func quoted(list []string) []string {
	out := slices.Clone(list)
	for n := range out {
		out[n] = fmt.Sprintf("%q", out[n])
	}
	return out
}
