package progress

import (
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// TestNext follows an emergency: its beginning, steps that go by quickly, a long
// wait, recovery, the end.
func TestNext(t *testing.T) {
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	i := incident.Incident{State: incident.StateOpen, Step: "judge", Severity: incident.SeverityCritical}
	w := Wanted{Every: time.Hour}
	var last Told
	at := func(after time.Duration, want int) {
		t.Helper()
		next, due := Next(i, w, last, start.Add(after))
		if due != (want > last.Number) || next.Number != want {
			t.Errorf("after %s: notice %d, due %v; want %d", after, next.Number, due, want)
		}
		last = next
	}
	at(0, 1)
	at(time.Second, 1)
	i.Step = "locate"
	at(30*time.Second, 1) // too soon after the last
	i.Step = "repair"
	at(apart, 2) // both steps by one notice
	at(apart+59*time.Minute, 2)
	at(apart+time.Hour, 3) // nothing happened: every hour
	i.RecoveredAt = start.Add(70 * time.Minute)
	at(70*time.Minute, 4)
	w.Every = 0
	at(5*time.Hour, 4) // somebody stopped it
	w.Every = time.Hour
	at(5*time.Hour, 5)
	i.State = incident.StateClosed
	at(24*time.Hour, 5)
}

func TestBounds(t *testing.T) {
	for every, want := range map[time.Duration]bool{0: true, Least: true, Most: true, Least - 1: false, Most + 1: false, -time.Hour: false} {
		if got := (Wanted{Every: every}).Valid(); got != want {
			t.Errorf("every %s is valid: %v, want %v", every, got, want)
		}
	}
	child := incident.Incident{State: incident.StateOpen, ParentID: "p"}
	if _, due := Next(child, Wanted{Every: time.Hour}, Told{}, time.Now()); due {
		t.Error("an incident that is part of another tells by its parent")
	}
}
