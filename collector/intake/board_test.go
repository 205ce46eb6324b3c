package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// kv is a Store in memory.
type kv struct {
	m      map[string]string
	writes int
	err    error
}

func (k *kv) KVList(_ context.Context, prefix string) (map[string]string, error) {
	out := map[string]string{}
	for n, v := range k.m {
		if strings.HasPrefix(n, prefix) {
			out[n] = v
		}
	}
	return out, k.err
}

func (k *kv) KVPutAll(_ context.Context, values map[string]string) error {
	if k.err != nil {
		return k.err
	}
	if k.m == nil {
		k.m = map[string]string{}
	}
	k.writes += len(values)
	maps.Copy(k.m, values)
	return nil
}

func (k *kv) KVDelete(_ context.Context, names ...string) error {
	for _, n := range names {
		delete(k.m, n)
	}
	return k.err
}

// fixture is a board with a simulated clock.
type fixture struct {
	*Board
	t      *testing.T
	store  *kv
	now    time.Time
	turned int
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, store: &kv{}, now: t0}
	f.restart(Options{})
	return f
}

func (f *fixture) restart(o Options) {
	f.t.Helper()
	o.Store, o.Now, o.Turned = f.store, func() time.Time { return f.now }, func() { f.turned++ }
	var err error
	if f.Board, err = Open(f.t.Context(), o); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) take(a ...Alert) {
	f.t.Helper()
	if err := f.Take(f.t.Context(), a); err != nil {
		f.t.Fatal(err)
	}
}

func report(name string, start, end time.Duration) Alert {
	labels := map[string]string{"alertname": name, "severity": "warning"}
	a := Alert{Fingerprint: alert.Fingerprint(labels), Source: "alertmanager", Sender: "prom", Labels: labels, StartsAt: t0.Add(start), UpdatedAt: t0}
	if end != 0 {
		a.EndsAt = t0.Add(end)
	}
	return a
}

func TestLife(t *testing.T) {
	f := newFixture(t)
	f.take(report("A", 0, -time.Second)) // the end of what never began
	if len(f.Alerts()) != 0 || f.turned != 0 || len(f.store.m) != 0 {
		t.Fatalf("%+v", f.Alerts())
	}
	f.take(report("A", 0, 4*time.Minute), report("B", 0, 0))
	if len(f.Alerts()) != 2 || f.turned != 1 || len(f.store.m) != 2 {
		t.Fatalf("opened %+v, turned %d", f.Alerts(), f.turned)
	}
	f.now = t0.Add(time.Minute)
	f.take(report("A", 0, 5*time.Minute))
	if f.turned != 1 || f.store.writes != 2 {
		t.Fatalf("a repeat turned %d, wrote %d", f.turned, f.store.writes)
	}
	f.now = t0.Add(3 * time.Minute)
	f.take(report("A", 0, 7*time.Minute))
	if f.store.writes != 3 {
		t.Fatalf("a longer life is not written: %d", f.store.writes)
	}
	f.now = t0.Add(8 * time.Minute) // nobody repeated A
	if got := f.Alerts(); len(got) != 1 || got[0].Labels["alertname"] != "B" {
		t.Fatalf("after the timeout %+v", got)
	}
	end := report("B", 0, 8*time.Minute)
	end.Ended = true
	f.take(end)
	if len(f.Alerts()) != 0 || f.turned != 2 {
		t.Fatalf("resolved %+v, turned %d", f.Alerts(), f.turned)
	}
	f.take(report("B", 8*time.Minute, 12*time.Minute)) // again
	if got := f.Alerts(); len(got) != 1 || !got[0].StartsAt.Equal(t0.Add(8*time.Minute)) {
		t.Fatalf("opened again %+v", got)
	}
	f.now = t0.Add(13 * time.Hour)
	if err := f.Prune(t.Context()); err != nil || len(f.store.m) != 0 {
		t.Fatalf("%v, kept %v", err, f.store.m)
	}
}

func TestMerge(t *testing.T) {
	named, ours := report("A", 0, 4*time.Minute), report("A", time.Minute, 3*time.Minute)
	ours.Timeout = true
	got := merge(named, ours, t0.Add(time.Minute))
	if !got.StartsAt.Equal(t0) || !got.EndsAt.Equal(t0.Add(4*time.Minute)) || got.Timeout {
		t.Errorf("of a pair, one names no end: %+v", got)
	}
	later := report("A", 10*time.Minute, 20*time.Minute)
	if got := merge(later, report("A", 0, 5*time.Minute), t0.Add(11*time.Minute)); !got.EndsAt.Equal(later.EndsAt) {
		t.Errorf("the end of an earlier occurrence ended a later one: %+v", got)
	}
	if got := merge(report("A", 0, 6*time.Minute), report("A", 0, 5*time.Minute), t0.Add(7*time.Minute)); !got.EndsAt.Equal(t0.Add(6 * time.Minute)) {
		t.Errorf("two ends: %+v", got)
	}
	unnamed := report("A", -time.Second, -time.Second) // its sender's clock is behind ours and names no beginning
	if got := merge(report("A", 0, 9*time.Minute), unnamed, t0.Add(time.Minute)); !got.Resolved(t0.Add(time.Minute)) {
		t.Errorf("an end without a beginning: %+v", got)
	}
	acked := report("A", 0, 9*time.Minute)
	acked.AckedBy = "zhang"
	if got := merge(acked, report("A", 0, 10*time.Minute), t0); got.AckedBy != "zhang" {
		t.Errorf("a repeat forgets who acknowledged: %+v", got)
	}
	if got := merge(acked, report("A", 10*time.Minute, 20*time.Minute), t0.Add(11*time.Minute)); got.AckedBy != "" {
		t.Errorf("a new occurrence is acknowledged: %+v", got)
	}
}

// TestRestart keeps what is open; that nobody could repeat it while we were down
// is no evidence that it is over.
func TestRestart(t *testing.T) {
	f := newFixture(t)
	ended := report("C", 0, time.Second)
	f.take(report("A", 0, 4*time.Minute), report("B", 0, 0), report("C", 0, time.Minute))
	ended.Ended = true
	f.now = t0.Add(2 * time.Second)
	f.take(ended)
	f.now = t0.Add(2 * time.Hour)
	f.restart(Options{})
	if n := len(f.Alerts()); n != 2 {
		t.Fatalf("%d alerts after a restart: %+v", n, f.Alerts())
	}
	f.now = f.now.Add(5*time.Minute + time.Second)
	if got := f.Alerts(); len(got) != 1 || got[0].Labels["alertname"] != "B" {
		t.Fatalf("nobody repeats A: %+v", got)
	}
}

func TestFullAndBroken(t *testing.T) {
	f := newFixture(t)
	f.restart(Options{Max: 3})
	var all []Alert
	for i := range 5 {
		all = append(all, report(fmt.Sprint("A", i), 0, time.Hour))
	}
	if err := f.Take(t.Context(), all); !errors.Is(err, ErrFull) || len(f.Alerts()) != 3 {
		t.Fatalf("%v, %d alerts", err, len(f.Alerts()))
	}
	if err := f.Take(t.Context(), all[:3]); err != nil { // repeats fit
		t.Fatal(err)
	}
	f.store.err = errors.New("disk is full")
	f.now = t0.Add(2 * time.Second)
	end := report("A0", 0, time.Second)
	if err := f.Take(t.Context(), []Alert{end}); err == nil || len(f.Alerts()) != 3 {
		t.Fatalf("%v: told as safe what is not; %d alerts", err, len(f.Alerts()))
	}
}

func TestFiring(t *testing.T) {
	f := newFixture(t)
	f.restart(Options{Place: func(l map[string]string) (string, string) { return "branch-2", "sw-" + l["alertname"] }})
	a := report("A", 0, time.Hour)
	a.Labels["device"] = "named"
	f.take(a)
	got := f.Firing()
	if len(got) != 1 || got[0].State != alert.Firing || got[0].Name != "A" || got[0].Site() != "branch-2" || got[0].Device() != "named" || got[0].Severity() != "minor" || got[0].Fingerprint != a.Fingerprint {
		t.Fatalf("%+v", got)
	}
	if f.Alerts()[0].Labels["site"] != "" {
		t.Error("our labels became the sender's")
	}
	for word, want := range map[string]string{"Critical": "critical", "error": "major", "warning": "minor", "none": "info", "": "minor", "严重": "minor"} {
		if got := Severity(word); got != want {
			t.Errorf("%s is %s, want %s", word, got, want)
		}
	}
}

func TestAcknowledge(t *testing.T) {
	f := newFixture(t)
	a := report("A", 0, 0)
	if ok, err := f.Acknowledge(t.Context(), a.Fingerprint, "zhang"); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	f.take(a)
	if ok, err := f.Acknowledge(t.Context(), a.Fingerprint, "zhang"); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	f.restart(Options{})
	if got, ok := f.Alert(a.Fingerprint); !ok || got.AckedBy != "zhang" {
		t.Fatalf("%+v", got)
	}
}
