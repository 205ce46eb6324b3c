package process

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
)

func shipped(t testing.TB) (*Set, *sla.Calendars) {
	t.Helper()
	set, err := Load(os.DirFS("../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return set, cals
}

func definition(t testing.TB, id string) *Definition {
	t.Helper()
	set, _ := shipped(t)
	d, ok := set.Latest(id)
	if !ok {
		t.Fatalf("no process %s", id)
	}
	return d
}

func TestShippedProcesses(t *testing.T) {
	set, cals := shipped(t)
	for _, id := range []string{"network", "database", "infrastructure", "security"} {
		d, ok := set.Latest(id)
		if !ok {
			t.Errorf("no process %s", id)
			continue
		}
		if err := d.CheckCalendars(cals); err != nil {
			t.Error(err)
		}
		if same, ok := set.Version(d.Ref()); !ok || same != d {
			t.Errorf("Version(%s) is not the definition", d.Ref())
		}
	}
}

func text(t testing.TB, name string) string {
	t.Helper()
	b, err := fs.ReadFile(os.DirFS("../../rules/processes"), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLoadFaults changes the shipped network process in one place at a time.
func TestLoadFaults(t *testing.T) {
	original := text(t, "network.yaml")
	for name, c := range map[string]struct{ old, new, want string }{
		"wrong field":            {"when: acked, to: triage", "when: aked, to: triage", "unknown name aked"},
		"wrong type":             {"when: acked, to: triage", "when: choice, to: triage", "expected bool"},
		"wrong field of a field": {"diagnosis.class == \"configuration\"", "diagnosis.clas == \"configuration\"", "clas"},
		"class that is none":     {"diagnosis.class == \"configuration\"", "diagnosis.class == \"konfiguration\"", "can never be"},
		"step never visited":     {`visited("supplier_repair")`, `visited("suplier_repair")`, "can never be"},
		"unknown target":         {"to: confirm_restart}", "to: confirm_restar}", `no step "confirm_restar"`},
		"unknown role":           {"role: carrier\n    raci", "role: carier\n    raci", `no role "carier"`},
		"unknown calendar":       {"target: 4h\n    calendar: work", "target: 4h\n    calendar: wrok", `no calendar "wrok"`},
		"bad span":               {"after: 30m, calendar", "after: 30 minutes, calendar", `span "30 minutes"`},
		"suggests no choice":     {"choice: circuit}", "choice: circus}", `"circus" is none of the choices`},
		"clock at no step":       {"starts: [triage]", "starts: [triag]", `"triag" is neither a step`},
		"pause in no step":       {"in: [carrier_repair], owner: carrier", "in: [carrier_repai], owner: carrier", `no step "carrier_repai"`},
		"unknown key":            {"on_override:", "on_overide:", `unknown key "on_overide"; known here: prompt, choices, on_override`},
		"no English title":       {"{zh-CN: 服务确认, en: Service confirmed}", "{zh-CN: 服务确认}", "zh-CN and en"},
		"no timeout outside":     {"    timeout:\n      - {after: 4h, calendar: always, notify: [branch_it, hq_network]}\n      - {after: 8h, calendar: work, to: hq_assist}\n", "", "has no timeout"},
		"rung without outcome":   {"- {after: 1h, calendar: work, to: hq_assist}", "- {after: 1h, calendar: work}", "nothing follows"},
		"notice to outsiders":    {"notify: [branch_it, hq_network]}\n      - {after: 8h", "notify: [carrier]}\n      - {after: 8h", "told by tickets"},
		"no data proves":         {"on_no_data: unknown", "on_no_data: recovered", "it proves nothing"},
		"no way from verify":     {"when: verified, to: confirm", "when: recovered, to: confirm", "when: verified"},
		"unreachable step":       {"to: hq_config}", "to: hq_assist, comment: required}", "nothing leads to hq_config"},
		"nobody's reason":        {"owner: user, at_most: 1d, calendar: work}\n  - {id: access", "owner: usr, at_most: 1d, calendar: work}\n  - {id: access", `no role "usr"`},
		"dead end":               {"to: closed", "to: confirm", "no final step"},
		"step twice":             {"- id: restart\n", "- id: triage\n", "there twice"},
		"version":                {"version: 2", "version: 0", "count from 1"},
		"document":               {"documents: [inspection_report]", "documents: [inspection_repor]", "want one of"},
		"warn":                   {"warn: 80%", "warn: 80", "share like 80%"},
		"vendor kind":            {"vendor_kind: carrier", "vendor_kind: carriers", "no kind of vendor"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(original, c.old) {
				t.Fatalf("the file has no %q", c.old)
			}
			changed := strings.ReplaceAll(original, c.old, c.new)
			_, err := Load(fstest.MapFS{"network.yaml": {Data: []byte(changed)}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error = %v, want %s", err, c.want)
			}
			if !regexp.MustCompile(`network\.yaml:[0-9]+:[0-9]+: (?s:.*)\^`).MatchString(err.Error()) {
				t.Fatalf("no line, column and caret in: %v", err)
			}
		})
	}
}

func TestLoadNamesTheLine(t *testing.T) {
	bad := strings.Replace(text(t, "network.yaml"), "when: acked, to: triage", "when: aked, to: triag", 1)
	line := strings.Count(bad[:strings.Index(bad, "when: aked")], "\n") + 1
	_, err := Load(fstest.MapFS{"n.yaml": {Data: []byte(bad)}})
	for _, want := range []string{fmt.Sprintf("n.yaml:%d:16: steps[0].next[0].when: unknown name aked\n          - {when: aked, to: triag, label: {zh-CN: 已响应, en: acknowledged}}\n                   ^\n", line), fmt.Sprintf("n.yaml:%d:26: steps[0].next[0].to: no step", line)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestVersionsAreKeptApart(t *testing.T) {
	one := text(t, "security.yaml")
	two := strings.Replace(one, "version: 2", "version: 3", 1)
	set, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(two)}, "b.yaml": {Data: []byte(one)}})
	if err != nil {
		t.Fatal(err)
	}
	latest, _ := set.Latest("security")
	if latest.Version != 3 {
		t.Fatalf("latest is %s", latest.Ref())
	}
	old, err := Parse("b.yaml", []byte(one))
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := set.Version(old.Ref()); !ok || d.Version != 2 {
		t.Fatalf("Version(%s) = %v, %v", old.Ref(), d, ok)
	}
	if _, ok := set.Version("security@2#000000000000"); ok {
		t.Fatal("a changed version passes for the one that was published")
	}
	_, err = Load(fstest.MapFS{"a.yaml": {Data: []byte(one)}, "b.yaml": {Data: []byte(one + "\n# changed")}})
	if err == nil || !strings.Contains(err.Error(), "security@2 is in a.yaml already") {
		t.Fatalf("the same version twice: %v", err)
	}
}

// smallest is a process with as little as one can have; fuzzing grows it.
const smallest = `apiVersion: faultline/v1
kind: Process
id: p
version: 1
title: &t {zh-CN: 甲, en: A}
calendars: {work: w, always: "24x7"}
owner: r
roles: [{id: r, title: *t}]
clocks: [{id: c, title: *t, target: 4h, calendar: work, starts: [opened], stops: [verified], warn: 80%}]
steps:
  - {id: a, title: *t, role: r, next: [{when: acked, to: v}], timeout: [{after: 1d, calendar: always, to: v}]}
  - {id: v, title: *t, role: r, guard: {hold: 1m, on_no_data: unknown, failed: back}, timeout: [{after: 1h, calendar: always, notify: [r]}], next: [{when: verified, to: z}]}
  - {id: z, title: *t, final: true}
`

func FuzzLoad(f *testing.F) {
	if _, err := Parse("smallest.yaml", []byte(smallest)); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(smallest))
	f.Add([]byte("apiVersion: faultline/v1\nkind: Process\nid: x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("x.yaml", data)
		if err != nil {
			return
		}
		SVG(d, d.Steps[0].ID, "en")
		first := incident.Event{IncidentID: "i", Kind: incident.Opened, At: time.Unix(1700000000, 0), Diagnosis: &incident.Diagnosis{Process: d.ID}}
		_, _ = Step(d, incident.Incident{}, []incident.Event{first}, Env{Now: first.At})
	})
}
