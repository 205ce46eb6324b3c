package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// sequences is how many random stories are cut and resumed: 2,500, or as many
// as FAULTLINE_SEQUENCES says; 10,000 take 40 s of a processor.
func sequences() int {
	if n, err := strconv.Atoi(os.Getenv("FAULTLINE_SEQUENCES")); err == nil {
		return n
	}
	return 2_500
}

// TestCutAndResumed plays random stories twice: at a stretch, and by a collector
// that dies at random points, before or after its commit, comes up with what the
// store holds and is told its last fact again. Both must end in the same
// incident, and no effect may be there twice.
func TestCutAndResumed(t *testing.T) {
	w := shipped(t)
	ids, cuts := w.Set.IDs(), 0
	for seed := range uint64(sequences()) {
		d, _ := w.Set.Latest(ids[int(seed)%len(ids)])
		whole := &life{w: w, d: d, rnd: rand.New(rand.NewPCG(seed, 7)), keys: map[string]bool{}}
		cut := &life{w: w, d: d, rnd: rand.New(rand.NewPCG(seed, 7)), keys: map[string]bool{}, cut: rand.New(rand.NewPCG(seed, 8))}
		for _, l := range []*life{whole, cut} {
			if err := l.live(); err != nil {
				t.Fatalf("seed %d, %s: %v", seed, d.ID, err)
			}
		}
		a, _ := json.Marshal(whole.i)
		b, _ := json.Marshal(cut.i)
		if string(a) != string(b) || len(whole.keys) != len(cut.keys) {
			t.Fatalf("seed %d: cut and resumed it is another incident\n%s\n%s", seed, a, b)
		}
		cuts += cut.cuts
	}
	t.Logf("%d sequences, %d cuts", sequences(), cuts)
	if cuts < sequences() {
		t.Errorf("only %d cuts", cuts)
	}
}

// life is one random story and its store.
type life struct {
	w      World
	d      *process.Definition
	rnd    *rand.Rand // of the story
	cut    *rand.Rand // of the deaths; nil: none
	cuts   int
	i      incident.Incident
	events []incident.Event // the store
	keys   map[string]bool  // effects that were queued
	now    time.Time
}

func (l *life) live() error {
	l.now = time.Date(2026, 1, 5, 1, 0, 0, 0, time.UTC).Add(time.Duration(l.rnd.IntN(300*24)) * time.Hour)
	if err := l.fact(l.opened()); err != nil {
		return err
	}
	for range 3 + l.rnd.IntN(8) {
		l.now = l.now.Add(time.Duration(1+l.rnd.IntN(3*3600)) * time.Second)
		for fired := 0; len(l.i.Timers) > 0 && !next(l.i).Due.After(l.now) && fired < 20; fired++ {
			due := next(l.i)
			if err := l.fact(incident.Event{Kind: incident.TimerFired, Timer: &due, LateBy: l.now.Sub(due.Due)}); err != nil {
				return err
			}
		}
		if err := l.fact(l.draw()); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) opened() incident.Event {
	kinds := []string{incident.VendorCarrier, incident.VendorSupplier, incident.VendorUPS, incident.VendorDB, incident.VendorNone}
	d := diagnosisOf(incident.ClassDevice, kinds[l.rnd.IntN(len(kinds))], l.d.ID)
	return incident.Event{Kind: incident.Opened, Diagnosis: d, VendorID: d.VendorKind, FaultAt: l.now.Add(-time.Minute)}
}

// draw makes some fact, sensible or not.
func (l *life) draw() incident.Event {
	e := incident.Event{Comment: "x", Actor: incident.Actor{Kind: "person", ID: fmt.Sprintf("p%d", l.rnd.IntN(3))}}
	s, _ := l.d.Step(l.i.Step)
	kinds := []incident.Kind{incident.Acked, incident.Decided, incident.Decided, incident.Decided, incident.Approved, incident.Rejected, incident.Done,
		incident.VendorReported, incident.RecoverySeen, incident.RecoveryLost, incident.EffectDone, incident.EffectDone, incident.Closed, incident.Reopened, incident.ClockPaused}
	e.Kind = kinds[l.rnd.IntN(len(kinds))]
	pick := l.rnd.IntN(1 << 16)
	switch e.Kind {
	case incident.Decided:
		e.Choice = "none"
		if s != nil && s.Decide != nil {
			e.Choice = s.Decide.Choices[pick%len(s.Decide.Choices)].ID
		}
	case incident.VendorReported:
		e.Choice = []string{process.VendorAccepted, process.VendorFixed, process.VendorReturned}[pick%3]
	case incident.EffectDone:
		e.Effect = &incident.Effect{Key: "gone", Kind: incident.EffectVerify, Outcome: []string{"recovered", "failed", "sent"}[pick%3]}
		if n := len(l.i.Pending); n > 0 {
			e.Effect.Key, e.Effect.Kind = l.i.Pending[pick%n].Key, l.i.Pending[pick%n].Kind
		}
	case incident.ClockPaused:
		reason := "none"
		if n := len(l.d.Reasons); n > 0 {
			reason = l.d.Reasons[pick%n].ID
		}
		e = actor(process.PauseFact(reason, "x"), e)
	}
	return e
}

// fact steps and commits, dying where cut says so.
func (l *life) fact(f incident.Event) error {
	f.IncidentID, f.At = "i1", l.now
	dies := 0
	if l.cut != nil {
		dies = l.cut.IntN(6)
	}
	if dies == 1 { // after Step, before the commit: nothing of it is left
		l.cuts++
		if _, err := l.step(f); err != nil {
			return err
		}
		if err := l.restart(); err != nil {
			return err
		}
	}
	res, err := l.step(f)
	if err != nil {
		return err
	}
	for _, e := range res.Effects {
		if l.keys[e.Key] {
			return fmt.Errorf("effect %s is there twice", e.Key)
		}
		l.keys[e.Key] = true
	}
	l.events = append(l.events, res.Events...)
	if l.i, err = incident.Fold(l.events); err != nil {
		return err
	}
	if err := Owned(l.d, l.i); err != nil || dies != 2 {
		return err
	}
	l.cuts++ // after the commit: a timer that fired is not there any more, whoever fires it again
	if err := l.restart(); err != nil || f.Kind != incident.TimerFired {
		return err
	}
	again, err := l.step(f)
	if err == nil && len(again.Events)+len(again.Effects) > 0 {
		return fmt.Errorf("timer %s fires twice", f.Timer.ID)
	}
	return err
}

func (l *life) step(f incident.Event) (process.Result, error) {
	env := process.Env{Now: l.now, Calendars: l.w.Calendars, Documents: true, Vendor: func(kind string, _ incident.Diagnosis) (string, string) { return kind, kind }}
	res, err := process.Step(l.d, l.i, []incident.Event{f}, env)
	var no *process.Refusal
	if errors.As(err, &no) {
		return process.Result{}, nil
	}
	return res, err
}

// restart comes up with what the store holds.
func (l *life) restart() error {
	stored, err := json.Marshal(l.events)
	if err != nil {
		return err
	}
	l.events = nil
	if err := json.Unmarshal(stored, &l.events); err != nil {
		return err
	}
	l.i, err = incident.Fold(l.events)
	return err
}
