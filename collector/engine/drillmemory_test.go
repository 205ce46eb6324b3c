package engine

import (
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// TestSplitTimerOfADrillOutlivesARestart: in a drill too, two causes become two
// incidents when their time is up, though the engine is new in the middle of it;
// and a round in which nothing changes writes nothing.
func TestSplitTimerOfADrillOutlivesARestart(t *testing.T) {
	d := func(cause string, fps ...string) incident.Diagnosis {
		return incident.Diagnosis{Cause: cause, Device: cause, Class: incident.ClassDevice, Rank: 50, Process: "network", VendorKind: incident.VendorNone, Alerts: fps}
	}
	play := func(restart int) (opened int) {
		b := newBench(t)
		opened = -1
		for s := range 20 {
			if s == restart {
				b.engine = b.newEngine()
			}
			causes := []incident.Diagnosis{d("x", "a", "b")}
			if s > 0 {
				causes = []incident.Diagnosis{d("x", "a"), d("y", "b")}
			}
			r := DrillRound{ID: "d1", Now: b.now, Firing: []alert.Alert{fires("a"), fires("b")}, Diagnose: func([]alert.Alert, time.Time) Diagnosis { return Diagnosis{Causes: causes} }}
			b.must(b.engine.HandleDrill(t.Context(), r))
			if _, drills := b.split(); len(drills) == 2 && opened < 0 {
				opened = s
			}
			b.now = b.now.Add(time.Second)
		}
		return opened
	}
	want := play(-1)
	if want < 2 {
		t.Fatalf("without a restart the causes part in round %d", want)
	}
	for at := 1; at <= want; at++ {
		if got := play(at); got != want {
			t.Errorf("with a restart before round %d the causes part in round %d, want %d", at, got, want)
		}
	}
}

// TestMemoryOfADrillGoesWithIt: what was remembered of a drill is forgotten when it ends.
func TestMemoryOfADrillGoesWithIt(t *testing.T) {
	m := memory{Drills: map[string]drillMemory{"d1": {Apart: map[string]time.Time{"x": t0}, Hushed: map[string]time.Time{"a": {}}}}}
	text, err := m.text(memory{})
	if err != nil || text == "" {
		t.Fatalf("%q, %v", text, err)
	}
	b := newBench(t)
	if err := b.engine.recallLocked(text, t0); err != nil {
		t.Fatal(err)
	}
	if got := b.engine.drills["d1"]; !got.Apart["x"].Equal(t0) || !got.Hushed["a"].Equal(t0.Add(-time.Nanosecond)) {
		t.Errorf("recalled %+v", got)
	}
	delete(b.engine.drills, "d1")
	if text, err := b.engine.memoryLocked().text(b.engine.kept); err != nil || text == "" || text == "{\"drills\":{}}" {
		t.Errorf("after its end: %q, %v", text, err)
	}
}
