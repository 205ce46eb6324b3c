package incident

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	t0  = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	bob = Actor{Kind: "person", ID: "bob", Role: "branch_it"}
)

func opened() Event {
	return Event{IncidentID: "i1", ID: "f1", At: t0, Kind: Opened, Actor: System, Number: "20261120-0001",
		Process: "network", ProcessVersion: "network@1#ab",
		Diagnosis: &Diagnosis{Class: ClassCarrierLine, Severity: SeverityMajor, VendorKind: VendorCarrier, Cause: "line/a"}}
}

func at(minutes int, e Event) Event {
	e.IncidentID, e.At = "i1", t0.Add(time.Duration(minutes)*time.Minute)
	return e
}

func mustFold(t *testing.T, events ...Event) Incident {
	t.Helper()
	i, err := Fold(append([]Event{opened()}, events...))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestFoldClockHistory(t *testing.T) {
	clock := func(kind Kind, minutes int, due int) Event {
		c := &Clock{Name: "handle", Target: "4h", Calendar: "work"}
		if due > 0 {
			c.DueAt = t0.Add(time.Duration(due) * time.Minute)
		}
		return at(minutes, Event{Kind: kind, Clock: c, Reason: "carrier_repair"})
	}
	timer := at(0, Event{Kind: TimerSet, Timer: &Timer{ID: "b", Kind: "clock_breach", Name: "handle", Due: t0}})
	i := mustFold(t, clock(ClockStarted, 0, 240), timer, clock(ClockPaused, 10, 0), clock(ClockResumed, 30, 260))
	got, _ := i.ClockNamed("handle")
	want := Clock{Name: "handle", Target: "4h", Calendar: "work", State: ClockRunning, DueAt: t0.Add(260 * time.Minute), Marks: []ClockMark{
		{At: t0, What: MarkStart, Reason: "carrier_repair"},
		{At: t0.Add(10 * time.Minute), What: MarkPause, Reason: "carrier_repair"},
		{At: t0.Add(30 * time.Minute), What: MarkResume, Reason: "carrier_repair"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("clock (-want +got):\n%s", d)
	}
	if len(i.Timers) != 0 {
		t.Fatalf("a paused clock keeps timers %v", i.Timers)
	}
	unknown := clock(ClockComputed, 40, 0)
	unknown.Clock.Problem = "no calendar for 2027"
	i, err := Apply(i, unknown)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := i.ClockNamed("handle"); got.State != ClockNotKnown || !got.DueAt.IsZero() {
		t.Fatalf("clock without a calendar is %q, due %v", got.State, got.DueAt)
	}
}

func TestFoldStepAndAlerts(t *testing.T) {
	alert := &AlertRef{Fingerprint: "a", Firing: true, Since: t0}
	i := mustFold(t,
		at(1, Event{Kind: AlertJoined, Alert: alert}),
		at(2, Event{Kind: Entered, Step: "triage", From: "reported", Role: "branch_it"}),
		at(2, Event{Kind: TimerSet, Timer: &Timer{ID: "t", Step: "triage"}}),
		at(2, Event{Kind: EffectQueued, Effect: &Effect{Key: "v", Kind: EffectVerify, Step: "triage"}}),
		at(3, Event{Kind: Decided, Choice: "circuit", Actor: bob}),
		at(4, Event{Kind: AlertUnknown, Alert: alert}),
	)
	if !i.Firing() || !i.Alerts[0].Unknown {
		t.Fatalf("no data changed a firing alert to %+v", i.Alerts[0])
	}
	if i.Choice != "circuit" || i.DecidedBy != bob || len(i.Timers) != 1 || len(i.Pending) != 1 {
		t.Fatalf("after the decision: %+v", i)
	}
	i, err := Fold(nil)
	if err != nil || i.Version != 0 {
		t.Fatalf("fold of nothing: %v, %v", i, err)
	}
	i = mustFold(t,
		at(1, Event{Kind: AlertJoined, Alert: alert}), at(2, Event{Kind: AlertResolved, Alert: alert}),
		at(2, Event{Kind: RecoverySeen}), at(3, Event{Kind: AlertJoined, Alert: alert}))
	if i.Alerts[0].Times != 2 || !i.RecoveredAt.IsZero() {
		t.Fatalf("fired %d times, recovered at %v", i.Alerts[0].Times, i.RecoveredAt)
	}
	i = mustFold(t,
		at(1, Event{Kind: TimerSet, Timer: &Timer{ID: "t", Step: "reported"}}),
		at(2, Event{Kind: Decided, Choice: "x", Actor: bob}),
		at(3, Event{Kind: Entered, Step: "triage", From: "reported"}))
	if len(i.Timers) != 0 || i.Choice != "" || i.PrevStep != "reported" || i.DecidedBy != bob {
		t.Fatalf("a new step kept timers, choice, or lost who decided: %+v", i)
	}
}

func TestApplyRefuses(t *testing.T) {
	cases := map[string]struct {
		i Incident
		e Event
	}{
		"first event not opened": {Incident{}, at(0, Event{Kind: Acked})},
		"opened twice":           {Incident{ID: "i1", Version: 1}, opened()},
		"gap":                    {Incident{ID: "i1", Version: 3}, at(0, Event{Kind: Acked, Seq: 5})},
		"other incident":         {Incident{ID: "i2", Version: 3}, at(0, Event{Kind: Acked})},
		"no step":                {Incident{ID: "i1", Version: 3}, at(0, Event{Kind: Entered})},
		"unknown kind":           {Incident{ID: "i1", Version: 3}, at(0, Event{Kind: "thawed"})},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got, err := Apply(c.i, c.e); err == nil || got.Version != c.i.Version {
				t.Fatalf("Apply = version %d, %v", got.Version, err)
			}
		})
	}
}

// TestEveryKindIsFolded finds kinds that check or apply forgot.
func TestEveryKindIsFolded(t *testing.T) {
	for _, kind := range kinds {
		e := full(kind, 1)
		if kind == Opened {
			continue
		}
		if _, err := Apply(mustFold(t), e); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

var kinds = []Kind{Opened, Diagnosed, AlertJoined, AlertResolved, AlertUnknown, Entered, Acked, Decided, Approved, Rejected, Done,
	Commented, Attached, ClockStarted, ClockPaused, ClockResumed, ClockStopped, ClockWarned, ClockBreached, ClockComputed,
	TimerSet, TimerFired, EffectQueued, EffectDone, EffectFailed, TicketChanged, VendorReported, RecoverySeen, RecoveryLost,
	Verified, Closed, Reopened, Folded, Adopted, Rerouted}

// full is an event of the kind that carries everything any kind needs.
func full(kind Kind, n int) Event {
	name := string(rune('a' + n%3))
	return at(n, Event{
		Kind: kind, Actor: bob, Step: "s" + name, From: "s", Role: "branch_it", Choice: name, Reason: "r", Comment: "c",
		Process: "database", ProcessVersion: "database@1#cd", ParentID: "p", ChildID: "k" + name,
		Diagnosis:  &Diagnosis{Class: name, Severity: SeverityMinor, Affected: []string{"x"}},
		Alert:      &AlertRef{Fingerprint: name, Firing: true, Since: t0},
		Clock:      &Clock{Name: name, Target: "1d", DueAt: t0.Add(time.Hour)},
		Timer:      &Timer{ID: name, Step: "s" + name, Name: name, Due: t0},
		Effect:     &Effect{Key: name, Kind: EffectNotify, Step: "s" + name},
		Ticket:     &Ticket{Key: name, State: "sent"},
		Attachment: &Attachment{Kind: "inspection_report", Name: name},
	})
}

func TestFoldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := []Event{opened()}
		for n := range rapid.IntRange(0, 40).Draw(t, "n") {
			kind := rapid.SampledFrom(kinds[1:]).Draw(t, "kind")
			events = append(events, full(kind, n+rapid.IntRange(0, 2).Draw(t, "name")))
		}
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		whole, sealed, err := Append(Incident{}, events)
		if err != nil {
			t.Fatal(err)
		}
		first, a, err := Append(Incident{}, events[:cut])
		if err != nil {
			t.Fatal(err)
		}
		snapshot, _ := json.Marshal(first)
		second, b, err := Append(first, events[cut:])
		if err != nil {
			t.Fatal(err)
		}
		if after, _ := json.Marshal(first); string(after) != string(snapshot) {
			t.Fatal("Append changed the incident it was given")
		}
		if d := cmp.Diff(whole, second, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("cut at %d differs (-whole +cut):\n%s", cut, d)
		}
		if d := cmp.Diff(sealed, append(a, b...)); d != "" {
			t.Fatalf("sealed events differ:\n%s", d)
		}
		if err := VerifyChain(sealed); err != nil {
			t.Fatal(err)
		}
		replayed, err := Fold(throughJSON(t, sealed))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(whole, replayed, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("stored and read back (-want +got):\n%s", d)
		}
	})
}

func TestAppendSnapshotSurvivesJSON(t *testing.T) {
	i := mustFold(t, full(ClockStarted, 1), full(TicketChanged, 2), full(TimerSet, 3))
	b, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	var back Incident
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(i, back, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("snapshot (-want +got):\n%s", d)
	}
}

func TestVerifyChainFindsAChange(t *testing.T) {
	_, sealed, err := Append(Incident{}, []Event{opened(), full(Acked, 1), full(Closed, 2)})
	if err != nil {
		t.Fatal(err)
	}
	sealed[1].Actor.ID = "eve"
	if err := VerifyChain(sealed); err == nil || !strings.Contains(err.Error(), "event 2") {
		t.Fatalf("VerifyChain = %v", err)
	}
}

func throughJSON(t *rapid.T, events []Event) []Event {
	b, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	var out []Event
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestChainHoldsForTextThatIsNotUTF8(t *testing.T) {
	e, err := Event{IncidentID: "i", Kind: Commented, Comment: "broken \xff text \ufffd"}.Seal(1, "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back Event
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if err := VerifyChain([]Event{back}); err != nil {
		t.Error(err)
	}
}
