package engine

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// told is what happened to whom by the log of all incidents: by cause, how many
// incidents there were and how often each kind of event and of notice was in them.
func (b *bench) told() map[string]map[string]int {
	out := map[string]map[string]int{}
	for id, i := range b.store.incidents {
		events := b.store.events[id]
		cause := events[0].Diagnosis.Cause
		if out[cause] == nil {
			out[cause] = map[string]int{}
		}
		if out[cause]["incidents"]++; i.ParentID != "" {
			out[cause]["children"]++
		}
		for _, e := range events {
			out[cause][string(e.Kind)]++
			if e.Effect != nil && e.Kind == incident.EffectQueued {
				out[cause]["queued "+e.Effect.Kind+" "+e.Effect.Params["reason"]]++
			}
		}
	}
	return out
}

// play runs the model to its end; before the seconds that restart names, the
// engine is thrown away and a new one made on what was committed.
func (m *outageModel) play(t *testing.T, seed uint64, restart func(second int) bool) map[string]map[string]int {
	for s := range m.down[1] + 80 {
		if restart(s) {
			m.b.engine = m.b.newEngine()
			m.wire(t, seed)
		}
		m.second(s)
	}
	return m.b.told()
}

// TestRestartAtEachMoment: a restart before any one second (each seed has some of them), or before every one,
// opens, closes, doubles and tells nothing that would not have been.
func TestRestartAtEachMoment(t *testing.T) {
	for seed := range uint64(4) {
		m := newOutageModel(t, seed)
		want := m.play(t, seed, func(int) bool { return false })
		for at := 2 * int(seed); at < m.down[1]+80; at += 8 {
			if d := cmp.Diff(newOutageModel(t, seed).play(t, seed, func(s int) bool { return s == at }), want); d != "" {
				t.Fatalf("seed %d, restart before second %d (-got +want):\n%s", seed, at, d)
			}
		}
		if d := cmp.Diff(newOutageModel(t, seed).play(t, seed, func(int) bool { return true }), want); d != "" {
			t.Fatalf("seed %d, a restart before every second (-got +want):\n%s", seed, d)
		}
	}
}

// TestSplitTimerOutlivesARestart: two causes that stand side by side become two
// incidents when their time is up, though the engine is new in the middle of it.
func TestSplitTimerOutlivesARestart(t *testing.T) {
	for at := range 14 {
		b := newBench(t)
		one, two := fires("a"), fires("b")
		d := func(cause string, fps ...string) incident.Diagnosis {
			return incident.Diagnosis{Cause: cause, Device: cause, Class: incident.ClassDevice, Rank: 50, Process: "network", VendorKind: incident.VendorNone, Alerts: fps}
		}
		opened := -1
		for s := range 20 {
			if s == at {
				b.engine = b.newEngine()
			}
			b.now = t0.Add(time.Duration(s) * time.Second)
			b.causes = []incident.Diagnosis{d("one", "a", "b")}
			if s >= 2 {
				b.causes = []incident.Diagnosis{d("one", "a"), d("two", "b")}
			}
			b.must(b.engine.HandleAlerts(t.Context(), Round{Now: b.now, Firing: []alert.Alert{one, two}}))
			if len(b.store.incidents) == 2 && opened < 0 {
				opened = s
			}
		}
		if opened != 12 || len(b.store.incidents) != 2 {
			t.Errorf("restart before second %d: split at %d s, %d incidents, want at 12 s, 2", at, opened, len(b.store.incidents))
		}
	}
}

// TestPreviousOutlivesARestart: a fault after one that is closed names it, also
// when the engine is a new one.
func TestPreviousOutlivesARestart(t *testing.T) {
	b := newBench(t)
	closed := Change{After: incident.Incident{ID: "old", Version: 1, State: incident.StateClosed, VerifiedAt: t0, Diagnosis: incident.Diagnosis{Cause: "line"}}}
	m := memory{}.with([]Change{closed})
	text, err := m.text(memory{})
	if err != nil || text == "" {
		t.Fatalf("%q %v", text, err)
	}
	b.store.memory = text
	b.now = t0.Add(time.Hour)
	b.causes = []incident.Diagnosis{{Cause: "line", Device: "l", Class: incident.ClassCarrierLine, Process: "network", VendorKind: incident.VendorCarrier, Alerts: []string{"a"}}}
	b.must(b.engine.HandleAlerts(t.Context(), Round{Now: b.now, Firing: []alert.Alert{fires("a")}}))
	for _, i := range b.store.incidents {
		if i.PreviousID != "old" {
			t.Errorf("it follows %q", i.PreviousID)
		}
	}
	if len(b.store.incidents) != 1 {
		t.Errorf("%d incidents", len(b.store.incidents))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := memory{}
	for n := range mostPast + 50 {
		i := incident.Incident{ID: fmt.Sprint(n), VerifiedAt: t0.Add(time.Duration(n) * time.Second), Diagnosis: incident.Diagnosis{Cause: fmt.Sprint("c", n)}}
		m = m.with([]Change{{After: i}})
	}
	if len(m.Past) != mostPast || m.Past["c0"].ID != "" || m.Past[fmt.Sprint("c", mostPast+49)].ID == "" {
		t.Errorf("%d remembered, %v", len(m.Past), slices.Sorted(maps.Keys(m.Past))[:3])
	}
}
