package versions

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/scenario"
	"github.com/faultline/faultline/collector/sla"
)

var (
	now  = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	li   = incident.Actor{Kind: "person", ID: "li"}
	zhao = incident.Actor{Kind: "person", ID: "zhao"}
)

func world(t *testing.T) (*process.Set, lint.Options) {
	t.Helper()
	set, err := process.Load(os.DirFS("../../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	return set, lint.Options{Calendars: cals}
}

func TestLifeOfAVersion(t *testing.T) {
	set, o := world(t)
	d, _ := set.Latest("network")
	two, err := Publish([]byte(d.Text()), li, "as the handbook has it", now, nil, o)
	if err != nil || two.Ref != d.Ref() || two.State != Published {
		t.Fatalf("%+v, %v", two.Ref, err)
	}
	if _, ok := InForce([]Version{two}, "network"); ok {
		t.Fatal("in force before it is approved")
	}
	if _, err := Approve(two, li, now); !errors.Is(err, ErrSelf) {
		t.Fatalf("who published approves: %v", err)
	}
	if _, err := Approve(two, incident.System, now); !errors.Is(err, ErrUnsigned) {
		t.Fatalf("nobody approves: %v", err)
	}
	if two, err = Approve(two, zhao, now); err != nil || two.State != Approved || two.DecidedBy != zhao {
		t.Fatalf("%+v, %v", two.State, err)
	}
	if _, err := Approve(two, zhao, now); !errors.Is(err, ErrState) {
		t.Fatalf("approved twice: %v", err)
	}
	text3 := strings.Replace(strings.Replace(d.Text(), "version: 2", "version: 3", 1), "target: 10m", "target: 15m", 1)
	three, err := Publish([]byte(text3), li, "15 minutes", now, []Version{two}, o)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := InForce([]Version{three, two}, "network"); v.Ref != two.Ref {
		t.Fatal("a version is in force that waits for its approval")
	}
	three, _ = Approve(three, zhao, now)
	all, latest, err := Definitions([]Version{three, two})
	if err != nil || len(all) != 2 || len(latest) != 1 || latest[0].Version != 3 {
		t.Fatalf("%d definitions, %d in force, %v", len(all), len(latest), err)
	}
	three.Text += "\n# and a little more"
	if _, _, err := Definitions([]Version{two, three}); !errors.Is(err, ErrChanged) {
		t.Fatalf("a changed text passes: %v", err)
	}
}

func TestPublishRefuses(t *testing.T) {
	set, o := world(t)
	d, _ := set.Latest("network")
	two, _ := Publish([]byte(d.Text()), li, "x", now, nil, o)
	var unclean *Unclean
	other := strings.Replace(d.Text(), "target: 10m", "target: 9m", 1)
	for name, c := range map[string]struct {
		text string
		by   incident.Actor
		why  string
		want func(error) bool
	}{
		"what lint refuses":  {strings.Replace(d.Text(), "version: 2", "version: 3", 1) + "\nx: y", li, "x", func(e error) bool { return errors.As(e, &unclean) }},
		"a clock too many":   {strings.NewReplacer("version: 2", "version: 3", "owner: carrier, reason", "owner: supplier, reason").Replace(d.Text()), li, "x", func(e error) bool { return errors.As(e, &unclean) }},
		"a number twice":     {other, li, "x", func(e error) bool { return errors.Is(e, ErrExists) }},
		"an earlier number":  {strings.Replace(other, "version: 2", "version: 1", 1), li, "x", func(e error) bool { return errors.Is(e, ErrExists) }},
		"a program":          {strings.Replace(d.Text(), "version: 2", "version: 3", 1), incident.Actor{Kind: "program", ID: "p"}, "x", func(e error) bool { return errors.Is(e, ErrUnsigned) }},
		"without a reason":   {strings.Replace(d.Text(), "version: 2", "version: 3", 1), li, "", func(e error) bool { return e != nil }},
		"two words for next": {"", li, "x", func(e error) bool { return errors.As(e, &unclean) }},
	} {
		if _, err := Publish([]byte(c.text), c.by, c.why, now, []Version{two}, o); !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Reject(two, zhao, "", now); err == nil {
		t.Error("rejected without a reason")
	}
}

// identity maps every step that is no end to itself.
func identity(d *process.Definition) Map {
	m := Map{}
	for _, s := range d.Steps {
		if !s.Final {
			m[s.ID] = s.ID
		}
	}
	return m
}

func TestMigrate(t *testing.T) {
	set, o := world(t)
	old, _ := set.Latest("network")
	text := strings.NewReplacer("version: 2", "version: 3", "id: triage", "id: judge", "to: triage", "to: judge", "[triage", "[judge").Replace(old.Text())
	to, err := process.Parse("new.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	story := scenario.Story{Process: "network", Opened: scenario.Opening{At: "2026-11-20 10:00:00", Class: "server", VendorKind: "none"},
		Facts: []scenario.Fact{{At: "+3m", Fact: "acked", By: "li"}}}
	run, err := scenario.Play(scenario.World{Set: set, Calendars: o.Calendars}, story)
	if err != nil {
		t.Fatal(err)
	}
	i, env := run.Incident, process.Env{Now: now.Add(time.Hour), Calendars: o.Calendars}
	m := identity(old)
	if _, err := Migrate(i, old, to, m, li, env); err == nil || !strings.Contains(err.Error(), "leads to triage, which network@3") {
		t.Fatalf("equal names are guessed: %v", err)
	}
	m["triage"] = "judge"
	for name, bad := range map[string]Map{
		"a step is missing": func() Map { b := identity(old); b["triage"] = "judge"; delete(b, "verify"); return b }(),
		"it closes":         {"triage": "closed"},
		"guard to no guard": func() Map { b := identity(old); b["triage"] = "judge"; b["verify"] = "confirm"; return b }(),
		"an unknown step":   func() Map { b := identity(old); b["triage"] = "judge"; b["nowhere"] = "judge"; return b }(),
		"from an end":       func() Map { b := identity(old); b["triage"] = "judge"; b["closed"] = "judge"; return b }(),
	} {
		if CheckMap(old, to, bad) == nil {
			t.Errorf("%s: passes", name)
		}
	}
	if _, err := Migrate(i, old, to, m, incident.System, env); !errors.Is(err, ErrUnsigned) {
		t.Fatalf("nobody signs: %v", err)
	}
	res, err := Migrate(i, old, to, m, li, env)
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := incident.Append(i, res.Events)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := i.ClockNamed("handle")
	handle, _ := after.ClockNamed("handle")
	if after.Step != "judge" || after.ProcessVersion != to.Ref() || handle.Phase() != incident.ClockRunning || !handle.Since().Equal(before.Since()) {
		t.Fatalf("after: %s on %s, handle %+v", after.Step, after.ProcessVersion, handle)
	}
	if err := scenario.Owned(to, after); err != nil || !slices.ContainsFunc(after.Timers, func(x incident.Timer) bool { return x.Step == "judge" }) {
		t.Fatalf("%v, timers %v", err, after.Timers)
	}
	if _, err := Migrate(after, old, to, m, li, env); err == nil {
		t.Fatal("moved twice")
	}
	if _, err := process.Step(to, after, []incident.Event{{IncidentID: "i1", At: env.Now, Kind: incident.Decided, Choice: "unknown", Comment: "x", Actor: li}}, env); err != nil {
		t.Fatalf("it does not go on: %v", err)
	}
}
