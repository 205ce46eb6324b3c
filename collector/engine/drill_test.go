package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// drillRound hands the engine a round of a drill's alerts.
func (b *bench) drillRound(id string, causes []incident.Diagnosis, firing ...string) error {
	r := DrillRound{ID: id, Now: b.now, Diagnose: func([]alert.Alert, time.Time) Diagnosis { return Diagnosis{Causes: causes} }}
	for _, fp := range firing {
		r.Firing = append(r.Firing, fires(fp))
	}
	return b.engine.HandleDrill(b.t.Context(), r)
}

// split returns the real incidents and those of drills.
func (b *bench) split() (real, drills []incident.Incident) {
	for _, i := range b.store.incidents {
		if i.Drill == "" {
			real = append(real, i)
		} else {
			drills = append(drills, i)
		}
	}
	return real, drills
}

// TestDrillIsKeptApart: the same cause, with alerts of the same names, in a drill
// and in earnest is two incidents, and each goes its own way.
func TestDrillIsKeptApart(t *testing.T) {
	b := newBench(t)
	b.engine.o.Quiet = func(time.Time) []Quiet {
		return []Quiet{{ID: "q", Kind: QuietMaintenance, From: t0.Add(-time.Hour), Subjects: []string{"other"}, Reason: "r", By: "b"}}
	}
	b.must(b.drillRound("d1", []incident.Diagnosis{lineCause("a")}, "a"))
	real, drills := b.split()
	if len(real) != 0 || len(drills) != 1 {
		t.Fatalf("%d real, %d of the drill", len(real), len(drills))
	}
	if d := drills[0]; !d.Practice || d.Drill != "d1" || !strings.HasPrefix(d.Diagnosis.Cause, "drill/d1/") || d.State != incident.StateOpen {
		t.Fatalf("opened as %+v", d.Diagnosis)
	}
	b.must(b.round()) // nothing real fires: the drill is not over by that
	if _, drills = b.split(); drills[0].RecoveredAt != (time.Time{}) {
		t.Error("a real round without alerts ends the drill's incident")
	}
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	real, _ = b.split()
	if len(real) != 1 || real[0].Practice || real[0].Diagnosis.Cause != "line/l1" || real[0].PreviousID != "" {
		t.Fatalf("the real fault: %+v", real)
	}
	b.causes = nil
	b.must(b.round())
	b.must(b.drillRound("d1", []incident.Diagnosis{lineCause("a")}, "a"))
	real, drills = b.split()
	if real[0].RecoveredAt.IsZero() || !drills[0].RecoveredAt.IsZero() {
		t.Errorf("real recovered %v, drill recovered %v", real[0].RecoveredAt, drills[0].RecoveredAt)
	}
	if ended, err := b.engine.EndDrill(t.Context(), "d1", incident.System, "the drill was stopped"); err != nil || ended != 1 {
		t.Fatalf("ended %d, %v", ended, err)
	}
	real, drills = b.split()
	if drills[0].State != incident.StateClosed || drills[0].Firing() || real[0].State != incident.StateOpen {
		t.Errorf("after the end: drill %s, real %s", drills[0].State, real[0].State)
	}
	if ended, err := b.engine.EndDrill(t.Context(), "d1", incident.System, "again"); err != nil || ended != 0 {
		t.Errorf("ended again: %d, %v", ended, err)
	}
	b.must(b.drillRound("d2", []incident.Diagnosis{lineCause("a")}, "a"))
	if got := b.opened; got != 3 {
		t.Errorf("%d openings, want the two drills' and the real one's", got)
	}
	if err := b.engine.HandleDrill(t.Context(), DrillRound{}); err == nil {
		t.Error("a round of no drill was taken")
	}
}

// TestDrillOutlivesARestart: another engine over the same store goes on with it.
func TestDrillOutlivesARestart(t *testing.T) {
	b := newBench(t)
	b.must(b.drillRound("d1", []incident.Diagnosis{lineCause("a")}, "a"))
	b.engine = b.newEngine()
	b.must(b.drillRound("d1", []incident.Diagnosis{lineCause("a")}, "a"))
	if _, drills := b.split(); len(drills) != 1 {
		t.Fatalf("%d incidents after the restart", len(drills))
	}
	b.must(b.drillRound("d1", nil))
	if _, drills := b.split(); drills[0].Step != "verify" {
		t.Errorf("recovery leads to %q", drills[0].Step)
	}
}
