package diagnose_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/faultline/faultline/collector/diagnose"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/metricstore"
)

// scenario is one story: what fails, and what must be said of it when.
type scenario struct {
	Title     string        `yaml:"title"`
	Inventory string        `yaml:"inventory"`
	Run       time.Duration `yaml:"run"` // after the first fault
	Faults    []fault       `yaml:"faults"`
	Expect    []expectation `yaml:"expect"`
	Never     []string      `yaml:"never"`  // classes or causes nobody may ever have been told of
	Within    time.Duration `yaml:"within"` // the first cause is stated by then; zero: 15 s
}

// expectation is everything that is said at a moment.
type expectation struct {
	At     time.Duration `yaml:"at"`
	Causes []said        `yaml:"causes"`
}

// said is one cause; fields that are left out are not compared, except that
// affected must always be what is written.
type said struct {
	Rule        string   `yaml:"rule"`
	Cause       string   `yaml:"cause"`
	Class       string   `yaml:"class"`
	Device      string   `yaml:"device"`
	Component   string   `yaml:"component"`
	Process     string   `yaml:"process"`
	Vendor      string   `yaml:"vendor"`
	Provisional bool     `yaml:"provisional"`
	Affected    []string `yaml:"affected"`
	Count       int      `yaml:"count"` // of affected, when they are too many to write
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".yaml"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var s scenario
			if err := yaml.UnmarshalWithOptions(b, &s, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			s.play(t)
		})
	}
}

func (s scenario) play(t *testing.T) {
	w := newWorld(t, load(t, s.Inventory), s.Faults)
	w.run(s.Run)
	first := time.Duration(-1)
	for i, round := range w.rounds {
		at := w.at(i)
		if len(round.Causes) > 0 && first < 0 {
			first = at
		}
		for _, c := range round.Causes {
			if slices.Contains(s.Never, c.Class) || slices.Contains(s.Never, c.Cause) || slices.Contains(s.Never, c.Rule) {
				t.Fatalf("at %s: %s was said, but never may be", at, show(c))
			}
		}
		w.checkOnce(round)
	}
	within := s.Within
	if within == 0 {
		within = 15 * time.Second
	}
	expects := slices.ContainsFunc(s.Expect, func(e expectation) bool { return len(e.Causes) > 0 })
	if expects && (first < 0 || first > within) {
		t.Errorf("first cause at %s, want within %s", first, within)
	}
	for _, e := range s.Expect {
		w.check(e)
	}
	w.checkRecovery(s)
	if testing.Verbose() || t.Failed() {
		w.tell()
	}
}

// checkRecovery asserts that the query a cause is proven gone by is false while
// the fault stands, and true at the end of a story that ends well.
func (w *world) checkRecovery(s scenario) {
	w.t.Helper()
	last := s.Expect[len(s.Expect)-1]
	for _, e := range s.Expect {
		for _, d := range w.rounds[w.round(e.At)].Causes {
			if d.Recovery == "" {
				continue
			}
			if stands := slices.ContainsFunc(w.faults, func(f fault) bool { return f.At <= e.At && (f.Until == 0 || e.At < f.Until) }); stands && w.proven(d.Recovery, e.At) {
				w.t.Errorf("at %s: %s is said, and recovered at the same time: %s", e.At, d.Cause, d.Recovery)
			}
			if len(last.Causes) == 0 && !w.proven(d.Recovery, last.At) {
				w.t.Errorf("at %s: all is well, but this does not say so: %s", last.At, d.Recovery)
			}
		}
	}
}

// proven evaluates a recovery query.
func (w *world) proven(query string, at time.Duration) bool {
	w.t.Helper()
	v, err := w.store.Instant(context.Background(), query, w.start.Add(at), 3*pollEvery+5*time.Second)
	if err != nil {
		w.t.Errorf("recovery query %s: %v", query, err)
		return false
	}
	return len(v) > 0 && !slices.ContainsFunc(v, func(e metricstore.Vector) bool { return e.V == 0 })
}

// round is the number of the round at a time of the story.
func (w *world) round(at time.Duration) int { return int((at + quiet(w.faults)) / time.Second) }

// at is the time of a round, counted from the start of the story.
func (w *world) at(round int) time.Duration {
	return time.Duration(round)*time.Second - quiet(w.faults)
}

// checkOnce asserts that every alert is in one cause or held.
func (w *world) checkOnce(out diagnose.Outcome) {
	w.t.Helper()
	seen := map[string]string{}
	for _, c := range out.Causes {
		for _, fp := range c.Alerts {
			if seen[fp] != "" {
				w.t.Fatalf("alert %s is in %s and %s", fp, seen[fp], c.Cause)
			}
			seen[fp] = c.Cause
		}
		if slices.Contains(c.Affected, c.Device) {
			w.t.Fatalf("%s: its root is among the affected", show(c))
		}
		if c.Proof.ZH == "" || c.Proof.EN == "" || c.Title.ZH == "" || c.Site == "" || c.Provisional && c.Decides.IsZero() {
			w.t.Fatalf("%s: incomplete: %+v", show(c), c)
		}
	}
	for _, h := range out.Held {
		if seen[h.Fingerprint] != "" {
			w.t.Fatalf("alert %s is held and in %s", h.Fingerprint, seen[h.Fingerprint])
		}
	}
}

func (w *world) check(e expectation) {
	w.t.Helper()
	i := w.round(e.At)
	if i >= len(w.rounds) {
		w.t.Fatalf("at %s: the story ends before", e.At)
	}
	got := w.rounds[i].Causes
	if len(got) != len(e.Causes) {
		w.t.Errorf("at %s: %d causes, want %d", e.At, len(got), len(e.Causes))
		return
	}
	for _, want := range e.Causes {
		if !slices.ContainsFunc(got, want.matches) {
			w.t.Errorf("at %s: nothing is like %+v", e.At, want)
		}
	}
}

func (s said) matches(d incident.Diagnosis) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	affected := slices.Clone(s.Affected)
	slices.Sort(affected)
	return same(s.Rule, d.Rule) && same(s.Cause, d.Cause) && same(s.Class, d.Class) && same(s.Device, d.Device) &&
		same(s.Component, d.Component) && same(s.Process, d.Process) && same(s.Vendor, d.VendorKind) && s.Provisional == d.Provisional &&
		(s.Count > 0 && len(d.Affected) == s.Count || s.Count == 0 && slices.Equal(affected, d.Affected))
}

func show(d incident.Diagnosis) string {
	return fmt.Sprintf("%s [%s] %s %s:%s vendor=%s prov=%v affected=%v alerts=%d", d.Rule, d.Cause, d.Class, d.Device, d.Component,
		d.VendorKind, d.Provisional, d.Affected, len(d.Alerts))
}

// tell logs how the story went: every change of what is said.
func (w *world) tell() {
	before := ""
	for i, r := range w.rounds {
		var lines []string
		for _, c := range r.Causes {
			lines = append(lines, "    "+show(c))
		}
		for _, h := range r.Held {
			lines = append(lines, "    held by "+h.Reason)
		}
		if now := strings.Join(lines, "\n"); now != before {
			before = now
			w.t.Logf("at %s:\n%s", w.at(i), now)
		}
	}
	for i := len(w.rounds) - 1; i >= 0; i-- {
		if len(w.rounds[i].Causes) > 0 {
			w.t.Logf("last proof: %s", w.rounds[i].Causes[0].Proof.EN)
			return
		}
	}
}

// load reads an inventory of testdata.
func load(t *testing.T, name string) *inventory.Inventory {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "inventories", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Parse(name, b)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}
