package api_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/scenario"
)

// path is what an oracle and a walk must have in common: every event with its
// time, where it led and which limit it is about.
func path(events []incident.Event) (out []string) {
	for _, e := range events {
		if e.Reason == e.Comment { // the API repeats a person's words as the reason
			e.Reason = ""
		}
		line := strings.Join([]string{e.At.In(walkZone).Format("2006-01-02 15:04:05"), string(e.Kind), e.Step, e.Reason, e.Choice}, " ")
		switch {
		case e.Clock != nil && !e.Clock.DueAt.IsZero():
			line += " " + e.Clock.Name + " due " + e.Clock.DueAt.In(walkZone).Format("01-02 15:04:05")
		case e.Clock != nil:
			line += " " + e.Clock.Name
		case e.Timer != nil:
			line += " " + e.Timer.Kind + " " + e.Timer.Name + " " + e.Timer.Due.In(walkZone).Format("01-02 15:04:05")
		case e.Effect != nil:
			line += " " + e.Effect.Kind + " " + e.Effect.Params["role"] + " " + e.Effect.Params["document"]
		}
		out = append(out, line)
	}
	return out
}

// walks are the stored stories of a process: those made of its definition and
// those written by hand.
func walks(t *testing.T, id string) []scenario.Story {
	t.Helper()
	const dir = "../process/scenario/testdata/"
	names, err := filepath.Glob(dir + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []scenario.Story
	for _, name := range append([]string{dir + "edges/" + id + ".yaml"}, names...) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := scenario.Parse(filepath.Base(name), data)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Process == id && len(s.Remedies) == 0 { // with a runner they are walked in collector/app
				out = append(out, s)
			}
		}
	}
	return out
}

// TestEveryEdgeByTheAPI walks every edge, rung and clock of every process, of
// faults and of what people ask for, through the API, as the stories that are made of the definitions say, and
// holds the log that the API then tells to what the pure process says. An edge
// without a walk is a failure.
func TestEveryEdgeByTheAPI(t *testing.T) {
	processes := []string{"network", "database", "infrastructure", "security", "database_maintenance", "service", "resource", "change"}
	shown := map[string]map[string]bool{} // by process; an incident may pass from one to another
	for _, id := range processes {
		shown[id] = map[string]bool{}
	}
	for _, id := range processes {
		t.Run(id, func(t *testing.T) {
			w := newWalker(t)
			for _, s := range walks(t, id) {
				events := w.compare(t, s)
				for of := range shown {
					d, _ := w.set.Latest(of)
					for item := range scenario.Shown(d, events) {
						shown[of][item] = true
					}
				}
			}
		})
	}
	set, err := process.Load(os.DirFS("../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range processes {
		d, _ := set.Latest(id)
		for _, item := range scenario.Items(d) {
			if !shown[id][item] {
				t.Errorf("%s: no walk shows %s: make one with go test ./collector/process/scenario -run TestEdges -update", id, item)
			}
		}
		t.Logf("%s: %d edges, rungs and clocks are walked", id, len(scenario.Items(d)))
	}
}

// compare walks the story and holds what the API tells to the pure process.
func (w *walker) compare(t *testing.T, s scenario.Story) []incident.Event {
	t.Helper()
	want, err := scenario.Play(scenario.World{Set: w.set, Calendars: w.cals, Quiet: true}, s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.walk(s)
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if err := incident.VerifyChain(got); err != nil {
		t.Errorf("%s: %v", s.Name, err)
	}
	if diff := cmp.Diff(path(want.Events), path(got)); diff != "" {
		t.Fatalf("%s (-process alone +by the API)\n%s", s.Name, diff)
	}
	return got
}

// TestNewEdgeWithoutWalk proves that the table notices what nobody walked.
func TestNewEdgeWithoutWalk(t *testing.T) {
	w := newWalker(t)
	d, _ := w.set.Latest("network")
	text := regexp.MustCompile(`(?m)^        - \{id: unknown, title: \{zh-CN: 不能判断`).ReplaceAllString(d.Text(), "        - {id: told, title: {zh-CN: 另一答案, en: Another answer}, to: hq_assist}\n$0")
	more, err := process.Parse("network.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	have := scenario.Items(d)
	fresh := slices.DeleteFunc(scenario.Items(more), func(item string) bool { return slices.Contains(have, item) })
	if len(fresh) != 1 || fresh[0] != "choice triage told hq_assist" {
		t.Fatalf("the new edge is %q", fresh)
	}
}
