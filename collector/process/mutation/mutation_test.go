package mutation

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/scenario"
	"github.com/faultline/faultline/collector/sla"
)

const (
	processes = "../../../rules/processes"
	written   = "../scenario/testdata"
)

// TestMutants breaks every shipped process in every place and wants lint or a
// stored story to notice. Survivors are printed; there must be none.
func TestMutants(t *testing.T) {
	set, err := process.Load(os.DirFS(processes))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range set.IDs() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			d, _ := set.Latest(id)
			j := &judge{set: set, cals: cals, id: id}
			j.stories(t)
			if by := j.caught(d.Text(), ""); by != "" {
				t.Fatalf("the process itself is caught by %s", by)
			}
			mutants := All(d.Text())
			count := map[string]int{}
			for _, m := range mutants {
				by := j.caught(m.Text, m.Step)
				kind, _, _ := strings.Cut(by, " ")
				count[kind]++
				if by == "" {
					t.Errorf("survives: %s (step %s)", m.Name, m.Step)
				}
			}
			t.Logf("%d mutants: %v", len(mutants), count)
		})
	}
}

// told is a story with what it must lead to.
type told struct {
	story scenario.Story
	want  string
}

type judge struct {
	set  *process.Set
	cals *sla.Calendars
	id   string
	all  []told
}

// stories reads those of the process: the stored ones and those people wrote.
func (j *judge) stories(t *testing.T) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(written, "*.yaml"))
	for _, file := range append([]string{filepath.Join(written, "edges", j.id+".yaml")}, files...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := scenario.Parse(filepath.Base(file), data)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			w := told{story: s, want: strings.Join(s.Leads, "\n")}
			if len(s.Leads) == 0 {
				out, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".out")
				if err != nil {
					t.Fatal(err)
				}
				w.want = strings.TrimSuffix(string(out), "\n")
			}
			run, err := scenario.Play(scenario.World{Set: j.set, Calendars: j.cals}, s)
			if err != nil {
				t.Fatal(err)
			}
			if run.Def.ID == j.id || s.Process == j.id {
				j.all = append(j.all, w)
			}
		}
	}
}

// caught says what notices the change, or "".
func (j *judge) caught(text, step string) string {
	d, err := process.Parse(j.id+".yaml", []byte(text))
	if err != nil {
		return "load"
	}
	if list := lint.Loaded(j.id+".yaml", d, lint.Options{Calendars: j.cals}); !lint.Clean(list) {
		return "lint " + list[slices.IndexFunc(list, func(f lint.Finding) bool { return f.Error })].Text
	}
	set := j.set.Replacing(d)
	speaks := func(w told) bool { return step != "" && strings.Contains(w.want, step) }
	for _, first := range []bool{true, false} {
		for _, w := range j.all {
			if speaks(w) != first {
				continue
			}
			run, err := scenario.Play(scenario.World{Set: set, Calendars: j.cals}, w.story)
			if err != nil || !strings.HasSuffix(strings.Join(run.Log, "\n"), w.want) {
				return "story " + w.story.Name
			}
		}
	}
	return ""
}

// TestRemediesAreBroken: every name, role and proposal of a step's remedies is
// among the mutants, and the remedies themselves are taken away.
func TestRemediesAreBroken(t *testing.T) {
	set, err := process.Load(os.DirFS(processes))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := set.Latest("infrastructure")
	var all []string
	for _, m := range All(d.Text()) {
		if m.Step == "on_site" {
			all = append(all, m.Name[strings.Index(m.Name, ": ")+2:])
		}
	}
	for _, want := range []string{"restart-unit becomes nowhere in names:", "restart-unit becomes clean-filesystem in - {when:", "hq_facility becomes nowhere in approve:", "hq_it_manager becomes",
		"branch_it becomes nowhere in propose:", "deleted remedy:", "deleted - {when: diagnosis.rule ==", "deleted - {when: 'diagnosis.rule =="} {
		if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no mutant %q", want)
		}
	}
}
