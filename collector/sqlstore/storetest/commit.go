package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/truth"
)

func testMigrate(t *testing.T, e *env) {
	other := e.open(t)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	wg.Go(func() { errs[0] = e.store.Migrate(t.Context()) })
	wg.Go(func() { errs[1] = other.Migrate(t.Context()) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func testCommit(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001")
	h.i.Step = "triage"
	if err := e.commit(t.Context(), h.change(t, event(incident.Acked, "ack"), event(incident.Entered, ""))); err != nil {
		t.Fatal(err)
	}
	got, err := e.store.Incident(t.Context(), "0001")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, h.i); d != "" {
		t.Fatalf("incident (-got +want):\n%s", d)
	}
	byNumber, err := e.store.IncidentByNumber(t.Context(), h.i.Number)
	if err != nil || byNumber.ID != "0001" {
		t.Fatalf("by number: %q, %v", byNumber.ID, err)
	}
	events, err := e.store.Events(t.Context(), "0001")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(events, h.events); d != "" {
		t.Fatalf("events (-got +want):\n%s", d)
	}
	if _, err := e.store.Incident(t.Context(), "nobody"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("unknown incident: %v", err)
	}
}

func testChain(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001")
	odd := event(incident.Commented, "c1")
	odd.Comment = "线路 <A&B> \u2028 \x00 \"quoted\" 😀"
	odd.At = time.Date(2026, 11, 21, 16, 0, 0, 123456789, time.FixedZone("", 8*3600))
	if err := e.commit(t.Context(), h.change(t, odd)); err != nil {
		t.Fatal(err)
	}
	events, err := e.store.Events(t.Context(), "0001")
	if err != nil {
		t.Fatal(err)
	}
	if err := incident.VerifyChain(events); err != nil {
		t.Fatal(err)
	}
}

func testHostileText(t *testing.T, e *env) {
	h := opened("0001")
	h.i.Diagnosis.Site = "bad \xff\x00 site"
	c := engine.Commit{Generation: e.gen, Seen: []string{"id \xff\x00 '; DROP TABLE seen"},
		Changes: []engine.Change{h.change(t, event(incident.Opened, "o\x00"))}}
	if err := e.store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := e.store.Commit(t.Context(), c); !errors.Is(err, engine.ErrSeen) { // known by the same cleaned id
		t.Fatalf("the same fact again: got %v, want ErrSeen", err)
	}
}

func testConflict(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001")
	stale := *h
	if err := e.commit(t.Context(), h.change(t, event(incident.Acked, "a"))); err != nil {
		t.Fatal(err)
	}
	if err := e.commit(t.Context(), stale.change(t, event(incident.Acked, "b"))); !errors.Is(err, engine.ErrConflict) {
		t.Fatalf("on version 1: got %v, want ErrConflict", err)
	}
	again := opened("0001")
	if err := e.commit(t.Context(), again.change(t, event(incident.Opened, "o2"))); !errors.Is(err, engine.ErrConflict) {
		t.Fatalf("second opening: got %v, want ErrConflict", err)
	}
}

func testAtomic(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001")
	stale := *h
	if err := e.commit(t.Context(), h.change(t, event(incident.Acked, "a"))); err != nil {
		t.Fatal(err)
	}
	fresh := opened("0002")
	good := fresh.change(t, event(incident.Opened, "open/0002"))
	good.Effects = []incident.Effect{effect("0002", 1, incident.EffectNotify)}
	c := engine.Commit{Generation: e.gen, Seen: []string{"fact"}, Changes: []engine.Change{good, stale.change(t, event(incident.Acked, "b"))},
		Alerts: []alert.Alert{{Fingerprint: "f"}}}
	if err := e.store.Commit(t.Context(), c); !errors.Is(err, engine.ErrConflict) {
		t.Fatalf("got %v, want ErrConflict", err)
	}
	if _, err := e.store.Incident(t.Context(), "0002"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("incident of a failed commit: %v", err)
	}
	rows, err := e.store.Effects(t.Context(), "0002")
	if err != nil || len(rows) != 0 {
		t.Fatalf("effects of a failed commit: %v %v", rows, err)
	}
	c.Changes = c.Changes[:1] // nothing was remembered as seen: it works now
	if err := e.store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.Incident(t.Context(), "0002"); err != nil {
		t.Fatal(err)
	}
}

func testFence(t *testing.T, e *env) {
	old := e.gen
	h := e.mustOpen(t, "0001", effect("0001", 1, incident.EffectNotify))
	e.gen = acquire(t, e.store, "node-1")
	if e.gen <= old {
		t.Fatalf("generation %d after %d", e.gen, old)
	}
	ch := h.change(t, event(incident.Acked, "a"))
	for _, gen := range []int64{0, old, e.gen + 1} {
		c := engine.Commit{Generation: gen, Changes: []engine.Change{ch}, Seen: []string{"open/0001"}}
		if err := e.store.Commit(t.Context(), c); !errors.Is(err, engine.ErrFenced) {
			t.Fatalf("generation %d: got %v, want ErrFenced", gen, err)
		}
		if _, err := e.store.ClaimEffects(t.Context(), gen, t0, 10); !errors.Is(err, engine.ErrFenced) {
			t.Fatalf("claim with generation %d: got %v, want ErrFenced", gen, err)
		}
	}
	if err := e.commit(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
}

func testIdempotence(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001")
	first := h.change(t, event(incident.Acked, "fact-1"))
	if err := e.commit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.commit(t.Context(), first); !errors.Is(err, engine.ErrSeen) {
			t.Fatalf("a repeat: got %v, want ErrSeen", err)
		}
	}
	// The same fact judged again on a newer state, beside a new one: all of it is dropped.
	repeat := h.change(t, event(incident.Commented, "fact-2"), event(incident.Acked, "fact-1"))
	if err := e.commit(t.Context(), repeat); !errors.Is(err, engine.ErrSeen) {
		t.Fatalf("a repeat beside a new fact: got %v, want ErrSeen", err)
	}
	got, err := e.store.Incident(t.Context(), "0001")
	if err != nil || got.Version != 2 {
		t.Fatalf("version %d, %v; want 2", got.Version, err)
	}
	seen := engine.Commit{Generation: e.gen, Seen: []string{"agent-event"}, Alerts: []alert.Alert{{Fingerprint: "f", Name: "one"}}}
	if err := e.store.Commit(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	seen.Alerts[0].Name = "two"
	if err := e.store.Commit(t.Context(), seen); !errors.Is(err, engine.ErrSeen) {
		t.Fatalf("a repeated agent event: got %v, want ErrSeen", err)
	}
	alerts, err := e.store.Alerts(t.Context())
	if err != nil || len(alerts) != 1 || alerts[0].Name != "one" {
		t.Fatalf("alerts %v, %v; want one", alerts, err)
	}
}

func testConcurrentCommits(t *testing.T, e *env) {
	e.mustOpen(t, "0001")
	const workers, each = 8, 10
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				if errs[w] = e.appendOne(t, fmt.Sprintf("w%d-%d", w, n)); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	events, err := e.store.Events(t.Context(), "0001")
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 1+workers*each {
		t.Fatalf("%d events, want %d", len(events), 1+workers*each)
	}
	if err := incident.VerifyChain(events); err != nil {
		t.Fatal(err)
	}
}

// appendOne adds an event to incident 0001, again on every conflict.
func (e *env) appendOne(t *testing.T, id string) error {
	for {
		i, err := e.store.Incident(t.Context(), "0001")
		if err != nil {
			return err
		}
		h := &history{i: i}
		err = e.commit(t.Context(), h.change(t, event(incident.Commented, id)))
		if !errors.Is(err, engine.ErrConflict) {
			return err
		}
	}
}

// testTakeover takes the lease over again and again while another commits: no
// commit may succeed under a generation after that generation was replaced.
func testTakeover(t *testing.T, e *env) {
	h := e.mustOpen(t, "0001")
	gens := make(chan int64, 1)
	gens <- e.gen
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		for range 20 {
			gen, ok, err := e.store.AcquireLease(t.Context(), lease.Writer, "node-1", time.Minute)
			if err != nil || !ok {
				t.Errorf("acquire: %v %v", ok, err)
				return
			}
			select {
			case <-gens:
			default:
			}
			gens <- gen
		}
	})
	gen, commits := <-gens, 0
	for n := 0; ; n++ {
		saved := *h
		err := e.store.Commit(t.Context(), engine.Commit{Generation: gen, Changes: []engine.Change{h.change(t, event(incident.Commented, fmt.Sprint(n)))}})
		switch {
		case err == nil:
			commits++
		case errors.Is(err, engine.ErrFenced):
			*h = saved
			select {
			case gen = <-gens:
			case <-stop:
			}
		default:
			t.Fatal(err)
		}
		select {
		case <-stop:
			wg.Wait()
			got, err := e.store.Incident(t.Context(), "0001")
			if err != nil || got.Version != int64(1+commits) {
				t.Fatalf("version %d after %d commits, %v", got.Version, commits, err)
			}
			return
		default:
		}
	}
}

func testAlerts(t *testing.T, e *env) {
	a := alert.Alert{Fingerprint: "f1", Name: "LineDown", Labels: map[string]string{"site": "branch-2"}, State: alert.Pending,
		Truth: truth.Bad, Value: 0.25, ActiveAt: t0}
	b := alert.Alert{Fingerprint: "f2", Name: "Other", State: alert.Firing, FiredAt: t0}
	write := func(c engine.Commit) {
		t.Helper()
		c.Generation = e.gen
		if err := e.store.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	write(engine.Commit{Alerts: []alert.Alert{a, b}})
	a.State, a.FiredAt = alert.Firing, t0.Add(time.Minute)
	write(engine.Commit{Alerts: []alert.Alert{a}, DropAlerts: []string{"f2", "never"}})
	got, err := e.store.Alerts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, []alert.Alert{a}); d != "" {
		t.Fatalf("alerts (-got +want):\n%s", d)
	}
}

func testNumbers(t *testing.T, e *env) {
	const workers, each = 4, 10
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[int]bool{}
	for range workers {
		wg.Go(func() {
			for range each {
				n, err := e.store.Numbers(t.Context(), "20261121", 1)
				mu.Lock()
				if err != nil || got[n] {
					t.Errorf("number %d twice or %v", n, err)
				}
				got[n] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if !got[1] || !got[workers*each] {
		t.Fatalf("numbers do not run from 1 to %d: %v", workers*each, got)
	}
	if n, err := e.store.Numbers(t.Context(), "20261122", 1); err != nil || n != 1 {
		t.Fatalf("next day: %d, %v", n, err)
	}
}
