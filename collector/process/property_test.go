package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
)

// life is a random incident as the engine would drive it.
type life struct {
	set    *Set
	cals   *sla.Calendars
	i      incident.Incident
	now    time.Time
	events []incident.Event
	keys   map[string]bool // of effects
}

var people = []string{"li", "zhao", "sun"}

// TestLives draws random stories: an open incident always has a timer or an
// owner, effects are never repeated, clocks agree with their marks, and Step
// says the same when it is asked again.
func TestLives(t *testing.T) {
	set, cals := shipped(t)
	rapid.Check(t, func(t *rapid.T) {
		l := &life{set: set, cals: cals, keys: map[string]bool{}}
		l.now = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, int64(330*24*time.Hour)).Draw(t, "start")))
		process := rapid.SampledFrom(set.IDs()).Draw(t, "process")
		d := l.diagnosis(t, process)
		l.step(t, incident.Event{IncidentID: "i1", ID: "0", Kind: incident.Opened, Diagnosis: d, VendorID: d.VendorKind, FaultAt: l.now.Add(-time.Minute)})
		for range rapid.IntRange(1, 40).Draw(t, "facts") {
			l.now = l.now.Add(time.Duration(rapid.Int64Range(int64(time.Second), int64(6*time.Hour)).Draw(t, "pause")))
			for range 20 {
				if !l.fire(t) {
					break
				}
			}
			l.step(t, l.draw(t))
		}
		l.check(t)
	})
}

func (l *life) diagnosis(t *rapid.T, process string) *incident.Diagnosis {
	return &incident.Diagnosis{Process: process, Recovery: "up == 1", Severity: incident.SeverityMajor,
		Class:      rapid.SampledFrom([]string{incident.ClassCarrierLine, incident.ClassDevice, incident.ClassPower, incident.ClassDatabase}).Draw(t, "class"),
		VendorKind: rapid.SampledFrom(vendorKinds).Draw(t, "vendor kind")}
}

// fire fires the first timer that is due, as the engine does.
func (l *life) fire(t *rapid.T) bool {
	if len(l.i.Timers) == 0 {
		return false
	}
	due := slices.MinFunc(l.i.Timers, func(a, b incident.Timer) int { return a.Due.Compare(b.Due) })
	if due.Due.After(l.now) {
		return false
	}
	l.step(t, incident.Event{Kind: incident.TimerFired, Timer: &due, LateBy: l.now.Sub(due.Due)})
	return true
}

// draw makes some fact, sensible or not.
func (l *life) draw(t *rapid.T) incident.Event {
	e := incident.Event{Comment: rapid.SampledFrom([]string{"", "why"}).Draw(t, "comment"),
		Actor: incident.Actor{Kind: "person", ID: rapid.SampledFrom(people).Draw(t, "who")}}
	alert := &incident.AlertRef{Fingerprint: "a"}
	e.Kind = rapid.SampledFrom([]incident.Kind{incident.Acked, incident.Decided, incident.Decided, incident.Decided, incident.Approved, incident.Rejected,
		incident.Done, incident.Done, incident.VendorReported, incident.RecoverySeen, incident.RecoveryLost, incident.AlertJoined, incident.AlertResolved,
		incident.AlertUnknown, incident.Diagnosed, incident.EffectDone, incident.EffectFailed, incident.Closed, incident.Reopened, incident.Attached, incident.Folded}).Draw(t, "kind")
	switch e.Kind {
	case incident.Decided:
		e.Choice = "none"
		def, _ := l.set.Version(l.i.ProcessVersion)
		if s, ok := def.Step(l.i.Step); ok && s.Decide != nil {
			e.Choice = rapid.SampledFrom(s.Decide.Choices).Draw(t, "choice").ID
		}
	case incident.VendorReported:
		e.Choice = rapid.SampledFrom([]string{VendorAccepted, VendorFixed, VendorReturned, "?"}).Draw(t, "says")
	case incident.AlertJoined, incident.AlertResolved, incident.AlertUnknown:
		e.Alert = alert
	case incident.Diagnosed:
		e.Diagnosis = l.diagnosis(t, rapid.SampledFrom(l.set.IDs()).Draw(t, "process"))
		e.VendorID = rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(t, "vendor")
		def, _ := l.set.Latest(e.Diagnosis.Process)
		e.Process, e.ProcessVersion = def.ID, def.Ref()
	case incident.EffectDone, incident.EffectFailed:
		e.Effect = &incident.Effect{Key: "gone", Kind: incident.EffectVerify}
		if len(l.i.Pending) > 0 {
			p := rapid.SampledFrom(l.i.Pending).Draw(t, "effect")
			e.Effect = &incident.Effect{Key: p.Key, Kind: p.Kind}
		}
		e.Effect.Outcome = rapid.SampledFrom([]string{"recovered", "failed", "unknown", "sent"}).Draw(t, "outcome")
	case incident.Attached:
		e.Attachment = &incident.Attachment{Kind: rapid.SampledFrom(documentKinds).Draw(t, "document")}
	case incident.Folded:
		e.ParentID = "p1"
		if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
			e.Kind = incident.Commented
		}
	}
	return e
}

func (l *life) step(t *rapid.T, f incident.Event) {
	f.IncidentID, f.At = "i1", l.now
	process := l.i.Process
	if f.Diagnosis != nil {
		process = f.Diagnosis.Process
	}
	d, _ := l.set.Latest(process)
	env := Env{Now: l.now, Calendars: l.cals, Vendor: func(kind string, _ incident.Diagnosis) (string, string) { return kind, kind }}
	before, _ := json.Marshal(l.i)
	res, err := Step(d, l.i, []incident.Event{f}, env)
	var refused *Refusal
	if errors.As(err, &refused) {
		if len(res.Events)+len(res.Effects) > 0 {
			t.Fatalf("%s is refused and leads to %d events", f.Kind, len(res.Events))
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := Step(d, l.i, []incident.Event{f}, env)
	if diff := cmp.Diff(res, again); diff != "" || err != nil {
		t.Fatalf("asked again, Step says otherwise: %v\n%s", err, diff)
	}
	after, sealed, err := incident.Append(l.i, res.Events)
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := json.Marshal(l.i); string(now) != string(before) {
		t.Fatal("Step changed the incident it was given")
	}
	for _, e := range res.Effects {
		if l.keys[e.Key] {
			t.Fatalf("effect %s is there twice", e.Key)
		}
		l.keys[e.Key] = true
	}
	l.i, l.events = after, append(l.events, sealed...)
	def, _ := l.set.Version(l.i.ProcessVersion)
	mustBeOwned(t, def, l.i)
}

// check compares the end with what was written down.
func (l *life) check(t *rapid.T) {
	replayed, err := incident.Fold(l.events)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.i, replayed, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("the events fold to another incident:\n%s", diff)
	}
	if err := incident.VerifyChain(l.events); err != nil {
		t.Fatal(err)
	}
	d, _ := l.set.Version(l.i.ProcessVersion)
	for _, c := range l.i.Clocks {
		read, _ := ReadClock(d, l.i, c, Env{Now: l.i.StepAt.Add(0), Calendars: l.cals})
		if c.State == incident.ClockRunning && !read.DueAt.Equal(c.DueAt) {
			t.Fatalf("clock %s: due %v, its marks say %v", c.Name, c.DueAt, read.DueAt)
		}
		if !l.i.Open() && c.Phase() != incident.ClockEnded {
			t.Fatalf("clock %s is %s in a closed incident", c.Name, c.Phase())
		}
	}
	if !l.i.Open() && len(l.i.Timers) > 0 {
		t.Fatalf("a closed incident has timers %v", l.i.Timers)
	}
	if l.i.State == incident.StateVerified && !slices.ContainsFunc(l.events, func(e incident.Event) bool { return e.Kind == incident.Verified }) {
		t.Fatal("verified without a proof")
	}
}

// TestDowntime lets all timers of a neglected incident fire late at once.
func TestDowntime(t *testing.T) {
	set, cals := shipped(t)
	for _, id := range set.IDs() {
		d, _ := set.Latest(id)
		now := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
		first := incident.Event{IncidentID: "i1", Kind: incident.Opened, At: now, Diagnosis: diagnosisOf("device", incident.VendorNone, id)}
		i := mustStep(t, d, incident.Incident{}, first, Env{Now: now, Calendars: cals})
		now = now.Add(30 * 24 * time.Hour)
		fired := 0
		for len(i.Timers) > 0 && !slices.MinFunc(i.Timers, byDue).Due.After(now) {
			due := slices.MinFunc(i.Timers, byDue)
			f := incident.Event{IncidentID: "i1", Kind: incident.TimerFired, At: now, Timer: &due, LateBy: now.Sub(due.Due)}
			i = mustStep(t, d, i, f, Env{Now: now, Calendars: cals})
			if fired++; fired > 50 {
				t.Fatalf("%s: timers fire without end", id)
			}
		}
		mustBeOwned(t, d, i)
	}
}

func byDue(a, b incident.Timer) int { return a.Due.Compare(b.Due) }

func mustStep(t testing.TB, d *Definition, i incident.Incident, f incident.Event, env Env) incident.Incident {
	t.Helper()
	res, err := Step(d, i, []incident.Event{f}, env)
	if err != nil {
		t.Fatal(err)
	}
	after, _, err := incident.Append(i, res.Events)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// TestStaleTimerLeadsToNothing: its step was left meanwhile.
func TestStaleTimerLeadsToNothing(t *testing.T) {
	set, cals := shipped(t)
	d, _ := set.Latest("network")
	now := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	i := mustStep(t, d, incident.Incident{}, incident.Event{IncidentID: "i1", Kind: incident.Opened, At: now, Diagnosis: diagnosisOf("device", "none", "network")}, Env{Now: now, Calendars: cals})
	f := incident.Event{IncidentID: "i1", Kind: incident.TimerFired, At: now, Timer: &incident.Timer{ID: "timeout/0/99", Kind: TimerTimeout, Step: "reported", Name: "0"}}
	res, err := Step(d, i, []incident.Event{f}, Env{Now: now, Calendars: cals})
	if err != nil || len(res.Events) != 0 {
		t.Fatalf("Step = %d events, %v", len(res.Events), err)
	}
	other, _ := set.Latest("database")
	if _, err := Step(other, i, []incident.Event{f}, Env{Now: now, Calendars: cals}); err == nil {
		t.Fatal("a step is taken in a process the incident does not run on")
	}
}

// TestCalendarLoadedLater: a limit nobody could tell is told once the year is known.
func TestCalendarLoadedLater(t *testing.T) {
	set, cals := shipped(t)
	d, _ := set.Latest("network")
	now := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	blind := Env{Now: now, Calendars: cals, WorkCalendar: "not-there"}
	i := mustStep(t, d, incident.Incident{}, incident.Event{IncidentID: "i1", Kind: incident.Opened, At: now, Diagnosis: diagnosisOf("device", "none", "network")}, blind)
	if c, _ := i.ClockNamed("respond"); c.State != incident.ClockNotKnown || c.Problem == "" {
		t.Fatalf("without its calendar the clock is %+v", c)
	}
	f := incident.Event{IncidentID: "i1", Kind: incident.Commented, At: now, Comment: "x"}
	i = mustStep(t, d, i, f, Env{Now: now.Add(time.Minute), Calendars: cals})
	if c, _ := i.ClockNamed("respond"); c.State != incident.ClockRunning || !c.DueAt.Equal(now.Add(10*time.Minute)) {
		t.Fatalf("with its calendar the clock is %+v", c)
	}
}

func BenchmarkOpen(b *testing.B) {
	set, cals := shipped(b)
	d, _ := set.Latest("network")
	now := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	first := incident.Event{IncidentID: "i1", Kind: incident.Opened, At: now, Diagnosis: diagnosisOf("carrier_line", "carrier", "network"), VendorID: "a"}
	for b.Loop() {
		if _, err := Step(d, incident.Incident{}, []incident.Event{first}, Env{Now: now, Calendars: cals}); err != nil {
			b.Fatal(fmt.Errorf("step: %w", err))
		}
	}
}
