package engine

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/rules"
)

// bench is an engine over the shipped processes, with causes set by the test.
type bench struct {
	t      *testing.T
	store  *memStore
	engine *Engine
	now    time.Time
	causes []incident.Diagnosis
	opened int
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, store: newMemStore(t), now: t0}
	b.engine = b.newEngine()
	return b
}

func (b *bench) newEngine() *Engine {
	b.t.Helper()
	calendars, processes, err := shippedRules()
	if err != nil {
		b.t.Fatal(err)
	}
	e, err := New(Options{Store: b.store, Lease: func() (int64, bool) { return 1, true }, Now: func() time.Time { return b.now },
		Diagnose:  func([]alert.Alert, time.Time) Diagnosis { return Diagnosis{Causes: b.causes} },
		Route:     routeTest,
		Processes: processes, Calendars: calendars, Site: func(string) SiteFacts { return SiteFacts{} }, Hold: 10 * time.Second,
		OnChange: func(_ incident.Incident, events []incident.Event) {
			for _, e := range events {
				if e.Kind == incident.Opened {
					b.opened++
				}
			}
		}})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// shippedRules are read once for all engines of the tests; nothing changes them.
var shippedRules = func() func() (*sla.Calendars, *process.Set, error) {
	type set struct {
		calendars *sla.Calendars
		processes *process.Set
	}
	load := sync.OnceValues(func() (s set, err error) {
		dir, err := fs.Sub(rules.FS(), "calendars")
		if err == nil {
			s.calendars, err = sla.Load(dir)
		}
		if err != nil {
			return s, err
		}
		if dir, err = fs.Sub(rules.FS(), "processes"); err == nil {
			s.processes, err = process.Load(dir)
		}
		return s, err
	})
	return func() (*sla.Calendars, *process.Set, error) {
		s, err := load()
		return s.calendars, s.processes, err
	}
}()

func routeTest(d incident.Diagnosis, _ time.Time) route.Decision {
	dec := route.Decision{Process: "network", VendorKind: d.VendorKind, Severity: incident.SeverityMajor}
	switch d.VendorKind {
	case incident.VendorCarrier:
		dec.VendorID, dec.VendorName = "carrier-a", "Carrier A"
	case incident.VendorSupplier:
		dec.VendorID, dec.VendorName = "supplier", "Supplier"
	}
	return dec
}

func lineCause(alerts ...string) incident.Diagnosis {
	return incident.Diagnosis{Cause: "line/l1", Class: incident.ClassCarrierLine, Site: "b1", Device: "l1", Process: "network",
		VendorKind: incident.VendorCarrier, Severity: incident.SeverityMajor, Alerts: alerts, Rank: 5, Recovery: `probe_success{device="l1"}`}
}

// round hands the engine a round of alerts, a second later than the last.
func (b *bench) round(firing ...string) error {
	b.now = b.now.Add(time.Second)
	r := Round{Now: b.now}
	for _, fp := range firing {
		r.Firing = append(r.Firing, fires(fp))
	}
	return b.engine.HandleAlerts(b.t.Context(), r)
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) only() incident.Incident {
	b.t.Helper()
	if len(b.store.incidents) != 1 {
		b.t.Fatalf("%d incidents, want 1", len(b.store.incidents))
	}
	for _, i := range b.store.incidents {
		return i
	}
	return incident.Incident{}
}

// effect returns the newest live effect of the kind.
func (b *bench) effect(kind string) (incident.Effect, bool) {
	var keys []string
	for key, f := range b.store.effects {
		if f.Kind == kind && !b.store.cancelled[key] && !b.store.done[key] {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return incident.Effect{}, false
	}
	return b.store.effects[slices.Max(keys)], true
}

func (b *bench) finish(kind, outcome string) {
	b.t.Helper()
	f, ok := b.effect(kind)
	if !ok {
		b.t.Fatalf("no effect %s waits", kind)
	}
	f.Outcome = outcome
	b.must(b.engine.Handle(b.t.Context(), incident.Event{ID: f.Key + "/done", IncidentID: f.IncidentID, Kind: incident.EffectDone, At: b.now, Actor: incident.System, Effect: &f}))
}

func TestWholePathOfALineFault(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	i := b.only()
	if i.State != incident.StateOpen || i.Process != "network" || i.Number != "20260302-0001" {
		t.Fatalf("opened as %s %s %s", i.State, i.Process, i.Number)
	}
	ticket, ok := b.effect(incident.EffectTicket)
	if !ok || ticket.Params["vendor"] != "carrier-a" {
		t.Fatalf("the carrier is not told at once: %+v", ticket)
	}
	b.causes = nil
	b.must(b.round())
	if i = b.only(); i.Step != "verify" || i.RecoveredAt.IsZero() {
		t.Fatalf("recovery leads to step %q", i.Step)
	}
	b.finish(incident.EffectVerify, "recovered")
	if i = b.only(); i.State != incident.StateVerified || i.VerifiedAt.IsZero() || i.Step != "confirm" {
		t.Fatalf("after verification: %s in %s", i.State, i.Step)
	}
	b.must(b.engine.Handle(t.Context(), incident.Event{ID: "act-1", IncidentID: i.ID, Kind: incident.Decided, Choice: "ok", At: b.now, Actor: incident.Actor{Kind: "person", ID: "u1", Role: "branch_it"}}))
	if i = b.only(); i.State != incident.StateClosed {
		t.Fatalf("after confirmation: %s in %s", i.State, i.Step)
	}
	if _, ok := b.effect(incident.EffectReport); !ok {
		t.Error("no report row is queued")
	}
	if b.opened != 1 {
		t.Errorf("opened %d times", b.opened)
	}
}

func TestRepeatedRoundsChangeNothing(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	for range 20 {
		b.must(b.round("a"))
	}
	if i := b.only(); b.opened != 1 || b.store.commits != 1 {
		t.Errorf("%d openings and %d commits at version %d", b.opened, b.store.commits, i.Version)
	}
}

func TestFailedCommitIsMadeUpForLater(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.store.fail = errDisk
	if err := b.round("a"); !errors.Is(err, errDisk) {
		t.Fatalf("got %v, want the disk's error", err)
	}
	if len(b.store.incidents) != 0 || b.opened != 0 {
		t.Fatal("a failed commit left something behind")
	}
	b.must(b.round("a"))
	if b.only(); b.opened != 1 {
		t.Errorf("opened %d times", b.opened)
	}
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	before := b.only()
	b.engine = b.newEngine()
	b.must(b.round("a"))
	if after := b.only(); after.Version != before.Version || b.opened != 1 {
		t.Errorf("version %d after a restart, was %d; opened %d times", after.Version, before.Version, b.opened)
	}
}

// An incident goes on with the process it was opened on while new ones take the
// one that replaced it.
func TestReplacedProcessServesNewIncidents(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	first := b.only()
	old, _ := b.engine.o.Processes.Version(first.ProcessVersion)
	set, err := process.Load(fstest.MapFS{"network.yaml": {Data: []byte(strings.Replace(old.Text(), "\nversion: ", "\nversion: 9", 1))}})
	if err != nil {
		t.Fatal(err)
	}
	changed, _ := set.Latest("network")
	b.engine.Replace(set.Keeping(b.engine.o.Processes), b.engine.o.Calendars)
	second := lineCause("b")
	second.Cause, second.Device = "line/l2", "l2"
	b.causes = append(b.causes, second)
	b.must(b.round("a", "b"))
	b.must(b.round("b"))
	for _, i := range b.store.incidents {
		want := changed.Ref()
		if i.ID == first.ID {
			want = first.ProcessVersion
		}
		if i.ProcessVersion != want {
			t.Errorf("incident of %s is on %s, want %s", i.Diagnosis.Device, i.ProcessVersion, want)
		}
		if i.ID == first.ID && i.RecoveredAt.IsZero() {
			t.Error("the first incident does not go on")
		}
	}
	if b.opened != 2 {
		t.Errorf("opened %d incidents, want 2", b.opened)
	}
}

func TestReclassifiedIncidentTellsTheRightVendor(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	router := incident.Diagnosis{Cause: "device/r1", Class: incident.ClassDevice, Site: "b1", Device: "r1", Process: "network", VendorKind: incident.VendorSupplier, Alerts: []string{"a", "b"}, Rank: 6}
	b.causes = []incident.Diagnosis{router}
	b.must(b.round("a", "b"))
	i := b.only()
	if i.Diagnosis.Class != incident.ClassDevice || i.FirstClass != incident.ClassCarrierLine || i.Reclassified != 1 {
		t.Errorf("class %s, first %s, re-classified %d times", i.Diagnosis.Class, i.FirstClass, i.Reclassified)
	}
	vendors := map[string]int{}
	for _, f := range b.store.effects {
		if f.Kind == incident.EffectTicket {
			vendors[f.Params["vendor"]+" "+f.Params["reason"]]++
		}
	}
	if vendors["supplier opened"] != 1 {
		t.Errorf("messages to vendors: %v", vendors)
	}
	for what, n := range vendors {
		if n != 1 {
			t.Errorf("%d times %s", n, what)
		}
	}
}

func TestRelapseEndsVerification(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	b.causes = nil
	b.must(b.round())
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	if i := b.only(); i.Step == "verify" || i.State != incident.StateOpen {
		t.Errorf("after a relapse: %s in %s", i.State, i.Step)
	}
	if f, ok := b.effect(incident.EffectVerify); ok {
		t.Errorf("verification %s goes on", f.Key)
	}
}

func TestOverdueTimersFireOnceAndSayHowLate(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	if len(b.only().Timers) == 0 {
		t.Fatal("an open incident has no timer")
	}
	b.now = b.now.Add(72 * time.Hour)
	for range 50 {
		b.must(b.engine.Tick(t.Context()))
	}
	i := b.only()
	for _, timer := range i.Timers {
		if !timer.Due.After(b.now) {
			t.Errorf("timer %s of step %s is still due at %s", timer.ID, timer.Step, timer.Due)
		}
	}
	late, fired := false, map[string]int{}
	for _, e := range b.store.events[i.ID] {
		if e.Kind == incident.TimerFired {
			fired[e.Timer.ID]++
			late = late || e.LateBy > time.Hour
		}
	}
	if !late {
		t.Error("no fired timer says how late it is")
	}
	for id, n := range fired {
		if n > 1 {
			t.Errorf("timer %s fired %d times", id, n)
		}
	}
}

func TestLostLeaseWritesNothing(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.store.gen = 2
	if err := b.round("a"); !errors.Is(err, ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	if len(b.store.incidents) != 0 {
		t.Error("a fenced writer wrote")
	}
}

func TestReportedFaultIsNotRecoveredByMissingAlerts(t *testing.T) {
	b := newBench(t)
	id, err := b.engine.Open(t.Context(), Opening{FactID: "r1", Diagnosis: incident.Diagnosis{Cause: "report/b1", Class: incident.ClassDevice, Site: "b1", Process: "network", VendorKind: incident.VendorNone},
		Actor: incident.Actor{Kind: "person", ID: "u1"}, Comment: "no network on the second floor", At: b.now})
	b.must(err)
	b.must(b.round())
	b.must(b.round())
	if i := b.only(); i.ID != id || !i.RecoveredAt.IsZero() || !strings.HasPrefix(i.Step, "report") {
		t.Errorf("incident %s is in step %s, recovered at %s", i.ID, i.Step, i.RecoveredAt)
	}
}

func TestRepeatedFactLeavesTheEngineAsItWas(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	said := incident.Event{ID: "c1", IncidentID: b.only().ID, Kind: incident.Commented, Comment: "seen", Actor: incident.Actor{Kind: "person", ID: "u1"}}
	for range 3 {
		b.must(b.engine.Handle(t.Context(), said))
	}
	if kept, _ := b.engine.Incident(said.IncidentID); kept.Version != b.only().Version {
		t.Errorf("the engine is at version %d, the store at %d", kept.Version, b.only().Version)
	}
}
