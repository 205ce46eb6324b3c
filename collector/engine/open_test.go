package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// The set is held against a list that is sorted and searched anew each time.
func TestOpenSetKeepsOrderAndTimers(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	set, model := newOpenSet(nil), map[string]incident.Incident{}
	for range 3000 {
		i := incident.Incident{ID: fmt.Sprintf("i%02d", random.IntN(60)), State: incident.StateOpen, OpenedAt: t0.Add(time.Duration(random.IntN(20)) * time.Second)}
		for range random.IntN(3) {
			i.Timers = append(i.Timers, incident.Timer{Due: t0.Add(time.Duration(random.IntN(100)) * time.Second)})
		}
		if old, known := model[i.ID]; known && random.IntN(4) > 0 {
			i.OpenedAt = old.OpenedAt
		}
		if random.IntN(4) == 0 {
			i.State = incident.StateClosed
		}
		set.put(i)
		if model[i.ID] = i; !i.Open() {
			delete(model, i.ID)
		}
		var ids, late []string
		for _, m := range model {
			ids = append(ids, m.OpenedAt.Format(time.TimeOnly)+m.ID)
			if len(dueTimers(m, t0.Add(50*time.Second))) > 0 {
				late = append(late, m.ID)
			}
		}
		slices.Sort(ids)
		var got []string
		for _, o := range set.those(all) {
			got = append(got, o.OpenedAt.Format(time.TimeOnly)+o.ID)
			if d := cmp.Diff(model[o.ID], *o); d != "" {
				t.Fatal(d)
			}
		}
		if d := cmp.Diff(ids, got); d != "" {
			t.Fatal(d)
		}
		slices.Sort(late)
		due := set.overdue(t0.Add(50*time.Second), len(model))
		if slices.Sort(due); !slices.Equal(late, due) {
			t.Fatalf("overdue %v, want %v", due, late)
		}
		if some := set.overdue(t0.Add(50*time.Second), 2); len(some) != min(2, len(late)) {
			t.Fatalf("%d of %d overdue", len(some), len(late))
		}
	}
}

// stormOf sets so many causes of one alert each and returns the alerts.
func (b *bench) stormOf(n int) []string {
	b.causes = nil
	var firing []string
	for k := range n {
		fp := fmt.Sprintf("a%03d", k)
		d := cause(fmt.Sprintf("disk%03d", k), 5, fp)
		d.Process, d.Site = "network", "b1"
		b.causes, firing = append(b.causes, d), append(firing, fp)
	}
	return firing
}

func TestStormIsCommittedFewAtATime(t *testing.T) {
	b := newBench(t)
	firing := b.stormOf(100)
	b.must(b.round(firing...))
	numbers := map[string]bool{}
	for _, i := range b.store.incidents {
		numbers[i.Number] = true
	}
	if len(b.store.incidents) != 100 || len(numbers) != 100 || b.store.commits < 100/atOnce {
		t.Fatalf("%d incidents with %d numbers by %d commits", len(b.store.incidents), len(numbers), b.store.commits)
	}
	for fp, f := range b.engine.Fates() {
		if f.Kind != FateJoined {
			t.Errorf("alert %s is %s after the round", fp, f.Kind)
		}
	}
	b.causes = nil
	b.must(b.round())
	for _, i := range b.store.incidents {
		if i.RecoveredAt.IsZero() {
			t.Errorf("%s has not recovered", i.Number)
		}
	}
}

// A storm that breaks off in the middle is finished by the next round, and
// nothing of it is done twice.
func TestBrokenStormIsMadeUpForLater(t *testing.T) {
	b := newBench(t)
	firing := b.stormOf(60)
	b.engine.o.OnChange = func(incident.Incident, []incident.Event) {
		if len(b.store.incidents) == 2*atOnce {
			b.store.fail = errDisk
		}
	}
	if err := b.round(firing...); err == nil || !strings.Contains(err.Error(), errDisk.Error()) {
		t.Fatalf("the round ended with %v", err)
	}
	if n := len(b.store.incidents); n == 0 || n == 60 {
		t.Fatalf("%d incidents before it broke", n)
	}
	b.engine.o.OnChange = nil
	b.store.fail = nil
	b.must(b.round(firing...))
	for id, events := range b.store.events {
		opened := slices.IndexFunc(events[1:], func(e incident.Event) bool { return e.Kind == incident.Opened })
		if opened >= 0 {
			t.Errorf("%s was opened twice", id)
		}
	}
	if len(b.store.incidents) != 60 {
		t.Errorf("%d incidents", len(b.store.incidents))
	}
}

// While a round is judged, people act: what they do neither waits for it nor is
// lost.
func TestPeopleActWhileARoundIsJudged(t *testing.T) {
	b := newBench(t)
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	i := b.only()
	b.engine.o.Diagnose = func([]alert.Alert, time.Time) Diagnosis {
		b.must(b.engine.Handle(t.Context(), incident.Event{IncidentID: i.ID, ID: "ack", At: b.now, Kind: incident.Acked,
			Actor: incident.Actor{Kind: "person", ID: "li", Name: "Li", Role: "branch_it"}}))
		return Diagnosis{Causes: b.causes}
	}
	done := make(chan error, 1)
	go func() { done <- b.round("a", "b") }()
	select {
	case err := <-done:
		b.must(err)
	case <-time.After(30 * time.Second):
		t.Fatal("an act waits for the round, and the round for the act")
	}
	if got := b.only(); !got.Acked {
		t.Error("the acknowledgement is lost")
	}
}

// What comes while the correlation is made, and matters to it, is seen: a fault
// that somebody reports in that moment is not opened a second time.
func TestCorrelationIsMadeAgainWhenItMatters(t *testing.T) {
	b, asked := newBench(t), 0
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.engine.o.Quiet = func(time.Time) []Quiet { // of something else: the alert's last check is asked for
		return []Quiet{{ID: "q", Kind: QuietMaintenance, From: t0, Subjects: []string{"elsewhere"}}}
	}
	b.engine.o.Checked = func(time.Time) func(alert.Alert) time.Time {
		return func(a alert.Alert) time.Time {
			if asked++; asked == 1 {
				_, err := b.engine.Open(t.Context(), Opening{FactID: "report", Diagnosis: lineCause(), Actor: incident.System, At: b.now})
				b.must(err)
			}
			return a.EvaluatedAt
		}
	}
	b.must(b.round("a"))
	if i := b.only(); asked == 0 || len(i.Alerts) != 1 {
		t.Errorf("asked %d times; the incident has %d alerts", asked, len(i.Alerts))
	}
}
