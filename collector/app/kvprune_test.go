package app

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/collector/sqlstore/storetest"
	"github.com/faultline/faultline/internal/lang"
)

// TestMarksAreBounded: what was told long ago and is asked for by nobody goes, what
// is still asked for stays; states of tickets go some time after their incident.
func TestMarksAreBounded(t *testing.T) {
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "f.db") },
		"postgres": postgresURL,
	} {
		t.Run(name, func(t *testing.T) {
			store, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: url(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = store.Close() }()
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			testMarks(t, store)
		})
	}
}

func postgresURL(t *testing.T) string {
	p, err := storetest.StartPostgres()
	if err != nil {
		storetest.SkipOrFail(t, err)
	}
	t.Cleanup(p.Stop)
	return p.URL(t)
}

func testMarks(t *testing.T, store *sqlstore.Store) {
	ctx, now := t.Context(), time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	told := 0
	tell := func(mark string, at time.Time) {
		t.Helper()
		if err := unless(ctx, store, toldPrefix+mark, at, func() error { told++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	openIncident(t, store, "open", now.AddDate(-1, 0, 0), time.Time{})
	openIncident(t, store, "lately", now.AddDate(-1, 0, 0), now.AddDate(0, 0, -10))
	openIncident(t, store, "long-ago", now.AddDate(-1, 0, 0), now.AddDate(0, 0, -100))
	for _, id := range []string{"open", "lately", "long-ago", "never-was"} {
		if err := store.KVPut(ctx, "desk/glpi/state/"+id+"/ticket/1", "working"); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.KVPutAll(ctx, map[string]string{"desk/glpi/cursor": "2026-11-22T00:00:00Z", "desktop": "no desk", "telling": "no mark"}); err != nil {
		t.Fatal(err)
	}
	for day := range 300 { // one memo is asked for every day, the others once
		at := now.AddDate(0, 0, day-300)
		tell("contract/1", at)
		if day%100 == 0 {
			tell(at.Format("inspection/"+time.DateOnly), at)
		}
	}
	if told != 4 {
		t.Fatalf("told %d times, want 4: each once", told)
	}
	if err := pruneMarks(ctx, store, now); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for _, prefix := range []string{"desk", "tell", "told"} {
		found, err := store.KVList(ctx, prefix)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(kept, found)
	}
	want := []string{"desk/glpi/cursor", "desk/glpi/state/lately/ticket/1", "desk/glpi/state/open/ticket/1", "desktop", "telling", "told/contract/1", "told/inspection/2026-08-14"}
	if got := slices.Sorted(maps.Keys(kept)); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	tell("contract/1", now)
	if told != 4 {
		t.Error("what is still asked for was told again")
	}
	if err := pruneMarks(ctx, store, now); err != nil { // nothing is left to do
		t.Fatal(err)
	}
}

// openIncident commits an incident, closed when there is a time.
func openIncident(t *testing.T, store *sqlstore.Store, id string, opened, closed time.Time) {
	t.Helper()
	events := []incident.Event{{IncidentID: id, ID: id + "/1", Kind: incident.Opened, At: opened, Actor: incident.System, Number: "N-" + id, Process: "network", ProcessVersion: "network@1#x",
		Diagnosis: &incident.Diagnosis{Cause: id, Class: incident.ClassDevice, Site: "s", Severity: incident.SeverityMinor, Title: lang.Same(id)}}}
	if !closed.IsZero() {
		events = append(events, incident.Event{IncidentID: id, ID: id + "/2", Kind: incident.Closed, At: closed, Actor: incident.System, Reason: "done"})
	}
	after, sealed, err := incident.Append(incident.Incident{}, events)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	generation, ok, err := store.AcquireLease(ctx, lease.Writer, "test", time.Hour)
	if err != nil || !ok {
		t.Fatalf("lease: %v %v", ok, err)
	}
	if err := store.Commit(ctx, engine.Commit{Generation: generation, Changes: []engine.Change{{After: after, Events: sealed}}}); err != nil {
		t.Fatal(err)
	}
}
