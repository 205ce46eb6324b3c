package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lang"
)

// testCrowd: an incident with a thousand alerts is read as it was committed at
// every version, by every way of reading, though its row is not written whole
// each time.
func testCrowd(t *testing.T, e *env) {
	d := incident.Diagnosis{Cause: "line/x", Class: incident.ClassCarrierLine, Site: "branch-2", Device: "x", Severity: incident.SeverityMajor}
	facts := []incident.Event{{Kind: incident.Opened, Diagnosis: &d, Process: "network", ProcessVersion: "network@1#abc", Number: "20261121-0001"}}
	var i incident.Incident
	for round := range 110 {
		facts = append(facts, incident.Event{Kind: incident.AlertsJoined, Alerts: refs(round*10, 10)})
		if round%7 == 3 {
			facts = append(facts, incident.Event{Kind: incident.AlertsResolved, Alerts: refs(round*5, 3)})
		}
		if round == 80 {
			facts = append(facts, incident.Event{Kind: incident.Diagnosed, Diagnosis: &incident.Diagnosis{Cause: "line/y", Class: incident.ClassDevice, Site: "branch-3"}})
		}
		i = e.append(t, i, round, facts)
		facts = nil
		if round%3 == 0 || round > 100 {
			e.readEveryWay(t, i)
		}
	}
	closed := e.append(t, i, 111, []incident.Event{{Kind: incident.Verified}, {Kind: incident.Closed}})
	if got, err := e.store.Incident(t.Context(), i.ID); err != nil || cmp.Diff(got, closed) != "" {
		t.Fatalf("closed: %v %s", err, cmp.Diff(got, closed))
	}
	stale := engine.Commit{Generation: e.gen, Changes: []engine.Change{{Base: i.Version - 1, After: i, Events: []incident.Event{{Seq: i.Version}}}}}
	if err := e.store.Commit(t.Context(), stale); err == nil {
		t.Error("a change of an old version was taken")
	}
}

func refs(from, n int) []incident.AlertRef {
	var out []incident.AlertRef
	for k := from; k < from+n; k++ {
		out = append(out, incident.AlertRef{Fingerprint: fmt.Sprintf("%016x", k), Name: "Down", Labels: map[string]string{"device": fmt.Sprint("d", k)},
			Summary: lang.Text{ZH: "断", EN: "down"}, Firing: true, Since: t0})
	}
	return out
}

// append commits facts as they are and returns the incident after them.
func (e *env) append(t *testing.T, before incident.Incident, second int, facts []incident.Event) incident.Incident {
	t.Helper()
	for n := range facts {
		facts[n].IncidentID, facts[n].At, facts[n].Actor = "0001", t0.Add(time.Duration(second)*time.Second), incident.System
	}
	after, sealed, err := incident.Append(before, facts)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.store.Commit(t.Context(), engine.Commit{Generation: e.gen, Changes: []engine.Change{{Base: before.Version, After: after, Events: sealed}}}); err != nil {
		t.Fatal(err)
	}
	return after
}

func (e *env) readEveryWay(t *testing.T, want incident.Incident) {
	t.Helper()
	one, err := e.store.Incident(t.Context(), want.ID)
	byNumber, err2 := e.store.IncidentByNumber(t.Context(), want.Number)
	open, err3 := e.store.OpenIncidents(t.Context())
	bySite, _, err4 := e.store.Incidents(t.Context(), sqlstore.Query{Sites: []string{want.Diagnosis.Site}, Limit: 5})
	if err != nil || err2 != nil || err3 != nil || err4 != nil || len(open) != 1 || len(bySite) != 1 {
		t.Fatalf("%v %v %v %v: %d open, %d at %s", err, err2, err3, err4, len(open), len(bySite), want.Diagnosis.Site)
	}
	for way, got := range map[string]incident.Incident{"id": one, "number": byNumber, "open": open[0], "site": bySite[0]} {
		if d := cmp.Diff(got, want); d != "" {
			t.Fatalf("version %d by %s (-got +want):\n%s", want.Version, way, d)
		}
	}
}

// testManyAlerts: alerts are written many at once, one of them twice.
func testManyAlerts(t *testing.T, e *env) {
	var many []alert.Alert
	for k := range 200 {
		many = append(many, alert.Alert{Fingerprint: fmt.Sprintf("%016x", k), Name: "Down", State: alert.Pending})
	}
	many = append(many, alert.Alert{Fingerprint: many[7].Fingerprint, Name: "Down", State: alert.Firing})
	if err := e.store.Commit(t.Context(), engine.Commit{Generation: e.gen, Alerts: many}); err != nil {
		t.Fatal(err)
	}
	got, err := e.store.Alerts(t.Context())
	if err != nil || len(got) != 200 || got[7].State != alert.Firing || got[8].State != alert.Pending {
		t.Fatalf("%d alerts, %v", len(got), err)
	}
}

// testMemory: the engine's memory is committed with everything else or not at all.
func testMemory(t *testing.T, e *env) {
	if got, err := e.store.Memory(t.Context()); err != nil || got != "" {
		t.Fatalf("before the first commit: %q %v", got, err)
	}
	for _, c := range []engine.Commit{{Generation: e.gen, Memory: `{"a":1}`}, {Generation: e.gen}} {
		if err := e.store.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.store.Commit(t.Context(), engine.Commit{Generation: e.gen + 1, Memory: `{"a":2}`}); err == nil {
		t.Error("a fenced writer's memory was taken")
	}
	e.reopen(t)
	if got, err := e.store.Memory(t.Context()); err != nil || got != `{"a":1}` {
		t.Errorf("got %q %v", got, err)
	}
}
