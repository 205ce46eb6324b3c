package replay

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/scenario"
	"github.com/faultline/faultline/collector/sla"
)

func world(t *testing.T) World {
	t.Helper()
	set, err := process.Load(os.DirFS("../../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return World{Set: set, Calendars: cals}
}

// pasts are the stories that people wrote, as incidents of a store: sealed, read
// from their JSON.
func pasts(t *testing.T, w World) map[string]Past {
	t.Helper()
	out := map[string]Past{}
	files, _ := filepath.Glob("../scenario/testdata/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := scenario.Parse(filepath.Base(file), data)
		if err != nil {
			t.Fatal(err)
		}
		run, err := scenario.Play(scenario.World{Set: w.Set, Calendars: w.Calendars}, list[0])
		if err != nil {
			t.Fatal(err)
		}
		_, sealed, err := incident.Append(incident.Incident{}, run.Events)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(map[string]any{"incidents": []any{map[string]any{"events": sealed}}})
		if err != nil {
			t.Fatal(err)
		}
		read, err := Read(bytes.NewReader(b))
		if err != nil || len(read) != 1 {
			t.Fatalf("%d incidents, %v", len(read), err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".yaml")] = read[0]
	}
	return out
}

// TestSameProcessSameOutcome: against the process it ran on nothing is otherwise.
func TestSameProcessSameOutcome(t *testing.T) {
	w := world(t)
	for name, past := range pasts(t, w) {
		c, err := Compare(w, past[0].Process, past)
		if err != nil || c.Skipped || len(c.Lines) > 0 {
			t.Errorf("%s: %v, skipped %v, %v", name, err, c.Skipped, c.Lines)
		}
	}
}

func draft(t *testing.T, w World, id string, change ...string) World {
	t.Helper()
	d, _ := w.Set.Latest(id)
	text := strings.NewReplacer(change...).Replace(d.Text())
	if text == d.Text() {
		t.Fatalf("%v changes nothing", change)
	}
	n, err := process.Parse("draft.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return World{Set: w.Set.Replacing(n), Calendars: w.Calendars}
}

func TestDraft(t *testing.T) {
	w := world(t)
	all := pasts(t, w)
	for name, c := range map[string]struct {
		past, process string
		change        []string
		want          []string
	}{
		"a shorter limit is passed": {"network-line-worked", "network", []string{"target: 10m", "target: 1m"},
			[]string{"limit respond passed: 0 times, now 1", "calls to hq_network clock_breach: 0, now 1"}},
		"another is told": {"network-handle-breach", "network", []string{"raci: {A: hq_network, I: [hq_network]}\n    notify: [hq_network]", "raci: {A: hq_network, I: [hq_network]}\n    notify: [hq_it_manager]"},
			[]string{"calls to hq_it_manager opened: 0, now 1", "calls to hq_network opened: 1, now 0"}},
		"no ticket at once": {"network-line-recovers", "network", []string{`when: diagnosis.vendor_kind != "none"`, `when: diagnosis.vendor_kind == "db vendor"`},
			[]string{"ticket messages to carrier-a opened: 1, now 0"}},
		"a choice is gone": {"network-restart", "network", []string{"{id: device, title", "{id: reboot, title", "choice: device}", "choice: reboot}"},
			[]string{"no longer possible: 2026-11-20 02:05 decided device triage: this step has no such choice"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Compare(draft(t, w, c.process, c.change...), c.process, all[c.past])
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, l := range got.Lines {
				lines = append(lines, l.EN)
				if l.ZH == "" {
					t.Errorf("%q has no Chinese", l.EN)
				}
			}
			for _, want := range c.want {
				if !strings.Contains(strings.Join(lines, "\n"), want) {
					t.Errorf("no %q in\n%s", want, strings.Join(lines, "\n"))
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":   `{"events": [`,
		"a gap":     `[{"incident_id":"i","seq":2,"kind":"opened"}]`,
		"a forgery": `[{"incident_id":"i","seq":1,"kind":"opened","hash":"00"}]`,
	} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestRemediesOfADraft: a draft in which nobody may carry anything out refuses
// what people did, and calls nobody for it.
func TestRemediesOfADraft(t *testing.T) {
	w := world(t)
	past := pasts(t, w)["network-remedy"]
	d, _ := w.Set.Latest("network")
	from, to := strings.Index(d.Text(), "    remedy: # offered"), strings.Index(d.Text(), "    decide:\n      prompt: {zh-CN: 重启后")
	c, err := Compare(draft(t, w, "network", d.Text()[from:to], ""), "network", past)
	if err != nil || len(c.Would.Refused) != 1 || !strings.Contains(c.Would.Refused[0], "remedy_approved") {
		t.Fatalf("%v, refused %v", err, c.Would.Refused)
	}
	if c.Was.Calls["hq_network remedy_proposed"] != 1 || c.Would.Calls["hq_network remedy_proposed"] != 0 {
		t.Errorf("was %v, would be %v", c.Was.Calls, c.Would.Calls)
	}
}
