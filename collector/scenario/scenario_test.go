package scenario

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/diagnose"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/ruler"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/rules"
)

// shipped loads the rules everybody gets.
func shipped(t testing.TB) *Rules {
	t.Helper()
	dir := func(name string) fs.FS {
		f, err := fs.Sub(rules.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var r Rules
	var errs [5]error
	r.Alerts, errs[0] = ruler.Load(dir("alerts"))
	r.Causes, errs[1] = diagnose.Load(dir("diagnosis"))
	r.Routes, errs[2] = route.Load(dir("routes"))
	r.Calendars, errs[3] = sla.Load(dir("calendars"))
	r.Processes, errs[4] = process.Load(dir("processes"))
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

func TestShippedScenarios(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "scenarios")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 25 {
		t.Errorf("%d scenarios are shipped, want 25 at least", len(list))
	}
	set := shipped(t)
	for _, s := range list {
		t.Run(strings.TrimSuffix(s.Name(), ".yaml"), func(t *testing.T) {
			t.Parallel()
			rep := Play(t.Context(), s, set, t.TempDir())
			if rep.Err != nil {
				t.Errorf("%v\nwhat was said:\n%s", rep.Err, strings.Join(rep.Story, "\n"))
			}
		})
	}
}

// TestShortcutsChangeNothing plays some scenarios with a store that is asked
// every question.
func TestShortcutsChangeNothing(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "scenarios")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	set := shipped(t)
	for _, s := range list {
		if !slices.Contains([]string{"child-stays-dead.yaml", "port-flaps.yaml", "disk-full.yaml"}, s.Name()) {
			continue
		}
		t.Run(s.Name(), func(t *testing.T) {
			t.Parallel()
			var told [2]string
			for n := range told {
				p := &Player{s: s, seen: map[string]int{}}
				w, err := newWorld(s, set, t.TempDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				w.judge.store.all = n == 1
				if err := w.play(t.Context(), func(at time.Duration) error { p.look(w, at); return nil }); err != nil {
					t.Fatal(err)
				}
				told[n] = strings.Join(p.story, "\n")
				for _, i := range w.judge.book.all() {
					for _, a := range i.Alerts {
						told[n] += "\n" + i.Number + " " + a.Name + " " + a.Since.String() + a.ResolvedAt.String()
					}
				}
				if err := w.judge.close(); err != nil {
					t.Fatal(err)
				}
			}
			if told[0] != told[1] {
				t.Errorf("with shortcuts:\n%s\nwithout:\n%s", told[0], told[1])
			}
		})
	}
}
