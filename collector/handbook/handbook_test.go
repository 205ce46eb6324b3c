package handbook

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/lint"
	"github.com/faultline/faultline/collector/process/versions"
	"github.com/faultline/faultline/collector/sla"
)

// desk is a handbook over memory.
type desk struct {
	*Handbook
	set   *process.Set
	list  []versions.Version
	audit []string
	open  []incident.Incident
	moved []process.Result
	env   process.Env
}

func (d *desk) Versions(_ context.Context, id string) ([]versions.Version, error) {
	return slices.DeleteFunc(slices.Clone(d.list), func(v versions.Version) bool { return id != "" && v.ID != id }), nil
}

func (d *desk) Add(_ context.Context, v versions.Version) error {
	d.list = append(d.list, v)
	return nil
}

func (d *desk) Decide(_ context.Context, v versions.Version) error {
	for n := range d.list {
		if d.list[n].Ref == v.Ref {
			d.list[n] = v
		}
	}
	return nil
}

type store struct{ *desk }

func (s store) Versions(ctx context.Context, id string) ([]versions.Version, error) {
	return s.desk.Versions(ctx, id)
}
func (s store) Decide(ctx context.Context, v versions.Version) error { return s.desk.Decide(ctx, v) }

func newDesk(t *testing.T) *desk {
	t.Helper()
	set, err := process.Load(os.DirFS("../../rules/processes"))
	if err != nil {
		t.Fatal(err)
	}
	cals, err := sla.Load(os.DirFS("../../rules/calendars"))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC) }
	d := &desk{set: set, env: process.Env{Now: now(), Calendars: cals}}
	d.Handbook, err = New(Options{Store: store{d}, Set: func() *process.Set { return d.set }, Lint: func() lint.Options { return lint.Options{Calendars: cals} }, Now: now,
		Record: func(_ context.Context, e account.AuditEntry) error {
			d.audit = append(d.audit, e.Actor+" "+e.Action+" "+e.Object)
			return nil
		},
		Apply: func(context.Context) error {
			all, latest, err := versions.Definitions(d.list)
			for _, x := range all {
				d.set = d.set.With(x)
			}
			for _, x := range latest {
				d.set = d.set.Replacing(x)
			}
			return err
		},
		Incidents: func(context.Context) ([]incident.Incident, error) { return d.open, nil },
		Move: func(_ context.Context, id string, m Move) error {
			for _, i := range d.open {
				if i.ID == id {
					res, err := m(i, d.env)
					d.moved = append(d.moved, res)
					return err
				}
			}
			return errors.New("gone")
		}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func person(name string, roles ...string) Who {
	return Who{Principal: account.Principal{Kind: account.KindPerson, ID: "u-" + name, Name: name, Roles: roles}, Remote: "10.0.0.1"}
}

func TestPublishedByOneApprovedByAnother(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	li, zhao := person("li", account.RoleHQNetwork), person("zhao", account.RoleHQITManager)
	old, _ := d.set.Latest("network")
	text := strings.Replace(strings.Replace(old.Text(), "version: 2", "version: 3", 1), "target: 10m", "target: 15m", 1)
	if _, err := d.Publish(ctx, li, old.Text(), "again"); !errors.Is(err, versions.ErrExists) {
		t.Fatalf("the number of the file in force: %v", err)
	}
	if _, err := d.Publish(ctx, person("wang", account.RoleBranchIT), text, "x"); !errors.Is(err, ErrForbidden) {
		t.Fatalf("a branch publishes: %v", err)
	}
	program := Who{Principal: account.Principal{Kind: account.KindProgram, ID: "p", Roles: []string{account.RoleAdmin}}}
	if _, err := d.Publish(ctx, program, text, "x"); !errors.Is(err, versions.ErrUnsigned) {
		t.Fatalf("a program publishes: %v", err)
	}
	v, err := d.Publish(ctx, li, text, "15 minutes")
	if err != nil || v.State != versions.Published {
		t.Fatalf("%v %v", v.State, err)
	}
	if now, _ := d.set.Latest("network"); now.Ref() != old.Ref() {
		t.Fatal("in force before it is approved")
	}
	_, def, err := d.Version(ctx, "network", 3)
	if err != nil || len(d.Changes(def)) != 1 || !strings.Contains(d.Changes(def)[0].Text.EN, "15") {
		t.Fatalf("%+v %v", d.Changes(def), err)
	}
	if _, err := d.Handbook.Decide(ctx, li, "network", 3, true, ""); !errors.Is(err, versions.ErrSelf) {
		t.Fatalf("who published approves: %v", err)
	}
	if _, err := d.Handbook.Decide(ctx, zhao, "network", 3, true, ""); err != nil {
		t.Fatal(err)
	}
	if now, _ := d.set.Latest("network"); now.Ref() != v.Ref {
		t.Fatalf("in force is %s", now.Ref())
	}
	if _, ok := d.set.Version(old.Ref()); !ok {
		t.Fatal("the version before is gone, and incidents on it with it")
	}
	list, err := d.Overview(ctx)
	n := slices.IndexFunc(list, func(e Entry) bool { return e.ID == "network" })
	if err != nil || !list[n].Signed || list[n].Waiting != 0 || list[n].Version != 3 {
		t.Fatalf("%+v %v", list[n], err)
	}
	want := []string{"li process.publish.refused network@2", "wang process.publish.refused", "li process.publish network@3", "li process.approve.refused network@3", "zhao process.approve network@3"}
	for _, w := range want {
		if !slices.ContainsFunc(d.audit, func(a string) bool { return strings.HasPrefix(a, w[:strings.LastIndex(w, " ")]) }) {
			t.Errorf("%q is not audited: %q", w, d.audit)
		}
	}
}

func TestMigrateMovesByTheMapOnly(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	li, zhao := person("li", account.RoleHQNetwork), person("zhao", account.RoleHQITManager)
	old, _ := d.set.Latest("network")
	open := func(id, step string) incident.Incident {
		return incident.Incident{ID: id, Number: id, Version: 5, State: incident.StateOpen, Process: "network", ProcessVersion: old.Ref(), Step: step, Visited: []string{step},
			Diagnosis: incident.Diagnosis{Class: incident.ClassCarrierLine, Process: "network", VendorKind: incident.VendorNone}}
	}
	d.open = []incident.Incident{open("i1", "triage"), open("i2", "hq_assist")}
	text := strings.NewReplacer("version: 2", "version: 3", "id: triage", "id: judge", "to: triage", "to: judge", "[triage", "[judge").Replace(old.Text())
	if _, err := d.Publish(ctx, li, text, "renamed"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Handbook.Decide(ctx, zhao, "network", 3, true, ""); err != nil {
		t.Fatal(err)
	}
	m := versions.Map{}
	for _, s := range old.Steps {
		if !s.Final {
			m[s.ID] = s.ID
		}
	}
	if _, err := d.Migrate(ctx, zhao, old.Ref(), m, "x"); err == nil || len(d.moved) != 0 {
		t.Fatalf("a faulty map moved %d: %v", len(d.moved), err)
	}
	m["triage"] = "judge"
	if _, err := d.Migrate(ctx, zhao, old.Ref(), m, ""); !errors.Is(err, ErrReason) {
		t.Fatalf("without a reason: %v", err)
	}
	if _, err := d.Migrate(ctx, person("wang", account.RoleBranchIT), old.Ref(), m, "x"); !errors.Is(err, ErrForbidden) {
		t.Fatalf("a branch moves: %v", err)
	}
	got, err := d.Migrate(ctx, zhao, old.Ref(), m, "all at once")
	if err != nil || len(got) != 2 || got[0].To != "judge" || got[1].To != "hq_assist" || got[0].Problem+got[1].Problem != "" {
		t.Fatalf("%+v %v", got, err)
	}
	first := d.moved[0].Events[0]
	if first.Kind != incident.Rerouted || first.Reason != process.ReasonMigrated || first.Actor.Name != "zhao" || !strings.HasPrefix(first.ProcessVersion, "network@3#") {
		t.Fatalf("%+v", first)
	}
	if !slices.Contains(d.audit, "zhao incident.migrate i1") {
		t.Errorf("not audited: %q", d.audit)
	}
}
