package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/sqlstore"
)

// claim claims due effects and returns their keys in the order they came.
func (e *env) claim(t *testing.T, now time.Time, limit int) []string {
	t.Helper()
	rows, err := e.store.ClaimEffects(t.Context(), e.gen, now, limit)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{}
	for _, r := range rows {
		keys = append(keys, r.Effect.Key)
	}
	return keys
}

func want(t *testing.T, got []string, keys ...string) {
	t.Helper()
	if !slices.Equal(got, keys) {
		t.Fatalf("got %q, want %q", got, keys)
	}
}

func testClaim(t *testing.T, e *env) {
	later := effect("0001", 3, incident.EffectReport)
	later.NotBefore = t0.Add(time.Hour)
	a, b := effect("0001", 1, incident.EffectVerify, "guard", "up"), effect("0001", 2, incident.EffectAsk)
	e.mustOpen(t, "0001", a, b, later)
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]int{}
	for range 4 {
		wg.Go(func() {
			rows, err := e.store.ClaimEffects(t.Context(), e.gen, t0, 10)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range rows {
				seen[r.Effect.Key]++
			}
		})
	}
	wg.Wait()
	if d := cmp.Diff(seen, map[string]int{a.Key: 1, b.Key: 1}); d != "" {
		t.Fatalf("claims (-got +want):\n%s", d)
	}
	row, err := e.store.EffectRow(t.Context(), a.Key)
	if err != nil {
		t.Fatal(err)
	}
	wantRow := outbox.Row{Effect: a, State: outbox.Sending, Attempts: 1, Begun: true, ClaimedBy: e.gen, CreatedAt: t0}
	if d := cmp.Diff(row, wantRow); d != "" {
		t.Fatalf("row (-got +want):\n%s", d)
	}
	ok, err := e.store.RetryEffect(t.Context(), outbox.Retry{Key: a.Key, Generation: e.gen, At: t0.Add(time.Minute), Problem: "451 later", Ambiguous: true})
	if err != nil || !ok {
		t.Fatalf("retry: %v %v", ok, err)
	}
	want(t, e.claim(t, t0.Add(30*time.Second), 10))
	rows, err := e.store.ClaimEffects(t.Context(), e.gen, t0.Add(time.Minute), 10)
	if err != nil || len(rows) != 1 || rows[0].Attempts != 2 || !rows[0].Ambiguous || rows[0].Problem != "451 later" {
		t.Fatalf("second attempt: %+v, %v", rows, err)
	}
	want(t, e.claim(t, t0.Add(2*time.Hour), 10), later.Key)
}

func testLanes(t *testing.T, e *env) {
	first := effect("0001", 1, incident.EffectTicket, "vendor", "carrier-a")
	second := effect("0001", 2, incident.EffectTicket, "vendor", "carrier-a")
	other := effect("0001", 3, incident.EffectTicket, "vendor", "supplier-b")
	delayed := effect("0001", 4, incident.EffectNotify, "role", "branch_it")
	delayed.NotBefore = t0.Add(time.Hour)
	behind := effect("0001", 5, incident.EffectNotify, "role", "branch_it")
	h := e.mustOpen(t, "0001", first, second, other, delayed, behind)
	e.mustOpen(t, "0002", effect("0002", 1, incident.EffectTicket, "vendor", "carrier-a"))
	want(t, e.claim(t, t0, 10), first.Key, "0002/1/ticket", other.Key, behind.Key)
	want(t, e.claim(t, t0, 10))
	if _, err := e.store.RetryEffect(t.Context(), outbox.Retry{Key: first.Key, Generation: e.gen, At: t0.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	want(t, e.claim(t, t0, 10)) // the second waits for the first's retry
	want(t, e.claim(t, t0.Add(time.Minute), 10), first.Key)
	e.end(t, h, incident.EffectFailed, first.Key, "gave up")
	want(t, e.claim(t, t0.Add(time.Minute), 10), second.Key)
}

// end commits an effect's outcome as the engine does.
func (e *env) end(t *testing.T, h *history, kind incident.Kind, key, problem string) {
	t.Helper()
	ev := event(kind, "effect/"+key)
	ev.Effect = &incident.Effect{Key: key, IncidentID: h.i.ID, Problem: problem}
	c := engine.Commit{Generation: e.gen, Changes: []engine.Change{h.change(t, ev)}, EffectDone: []string{key}}
	if err := e.store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func testEffectEnds(t *testing.T, e *env) {
	var effects []incident.Effect
	for n := range 4 {
		effects = append(effects, effect("0001", n, incident.EffectAsk))
	}
	h := e.mustOpen(t, "0001", effects...)
	// A key that exists already is left alone.
	ch := h.change(t, event(incident.Commented, "c"))
	ch.Effects = []incident.Effect{{Key: effects[0].Key, IncidentID: "0001", Kind: "other"}}
	ch.Cancel = []string{effects[2].Key, effects[3].Key, "never"}
	if _, err := e.store.ClaimEffects(t.Context(), e.gen, t0, 3); err != nil {
		t.Fatal(err)
	}
	if err := e.commit(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	e.end(t, h, incident.EffectDone, effects[0].Key, "")
	e.end(t, h, incident.EffectFailed, effects[1].Key, "550 no such user")
	rows, err := e.store.Effects(t.Context(), "0001")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows {
		got[r.Effect.Key] = r.Effect.Kind + " " + r.State + " " + r.Problem
	}
	wantStates := map[string]string{effects[0].Key: "ask_evidence done ", effects[1].Key: "ask_evidence failed 550 no such user",
		effects[2].Key: "ask_evidence cancelled ", effects[3].Key: "ask_evidence cancelled "}
	if d := cmp.Diff(got, wantStates); d != "" {
		t.Fatalf("states (-got +want):\n%s", d)
	}
	if ok, err := e.store.RetryEffect(t.Context(), outbox.Retry{Key: effects[2].Key, Generation: e.gen}); err != nil || ok {
		t.Fatalf("retry of a cancelled effect: %v %v", ok, err)
	}
	e.reopen(t)
	want(t, e.claim(t, t0.Add(time.Hour), 10))
}

func testLeftOver(t *testing.T, e *env) {
	f := effect("0001", 1, incident.EffectNotify, "role", "branch_it")
	e.mustOpen(t, "0001", f)
	old := e.gen
	want(t, e.claim(t, t0, 10), f.Key)
	e.reopen(t)
	rows, err := e.store.ClaimEffects(t.Context(), e.gen, t0, 10)
	if err != nil || len(rows) != 1 || !rows[0].Ambiguous || rows[0].Attempts != 2 {
		t.Fatalf("claim after a crash: %+v, %v", rows, err)
	}
	// What the dead collector still says about it does not count.
	if ok, err := e.store.RetryEffect(t.Context(), outbox.Retry{Key: f.Key, Generation: old}); err != nil || ok {
		t.Fatalf("retry by the old generation: %v %v", ok, err)
	}
	want(t, e.claim(t, t0, 10))
}

// testBegun: of a kind that marks its beginning only what had begun is ambiguous
// after a crash, and what waits for its retry is not begun again by that.
func testBegun(t *testing.T, e *env) {
	f := effect("0001", 1, incident.EffectTicket, "vendor", "carrier-a")
	e.mustOpen(t, "0001", f)
	claimed := func(attempts int, ambiguous bool) {
		t.Helper()
		rows, err := e.store.ClaimEffects(t.Context(), e.gen, t0, 10)
		if err != nil || len(rows) != 1 || rows[0].Attempts != attempts || rows[0].Ambiguous != ambiguous || rows[0].Begun {
			t.Fatalf("claimed %+v, %v; want attempt %d, ambiguous %v, not begun", rows, err, attempts, ambiguous)
		}
	}
	begin := func(gen int64, want bool) {
		t.Helper()
		if ok, err := e.store.BeginEffect(t.Context(), f.Key, gen); ok != want || err != nil {
			t.Fatalf("begin under generation %d: %v, %v; want %v", gen, ok, err, want)
		}
	}
	begin(e.gen, false) // nobody claimed it
	claimed(1, false)
	e.reopen(t)
	claimed(2, false) // the first collector died before it began
	begin(e.gen-1, false)
	begin(e.gen, true)
	if row, err := e.store.EffectRow(t.Context(), f.Key); err != nil || !row.Begun {
		t.Fatalf("after the beginning: %+v, %v", row, err)
	}
	if ok, err := e.store.RetryEffect(t.Context(), outbox.Retry{Key: f.Key, Generation: e.gen, At: t0, Problem: "451 later"}); err != nil || !ok {
		t.Fatalf("retry: %v %v", ok, err)
	}
	claimed(3, false) // the server refused what had begun, and said so
	begin(e.gen, true)
	e.reopen(t)
	claimed(4, true)
	e.reopen(t)
	claimed(5, true) // once in doubt, in doubt until its end
}

func testLease(t *testing.T, e *env) {
	other := e.open(t)
	ctx := t.Context()
	if _, ok, err := other.AcquireLease(ctx, lease.Writer, "node-2", time.Minute); ok || err != nil {
		t.Fatalf("second holder: %v %v", ok, err)
	}
	if ok, err := e.store.RenewLease(ctx, lease.Writer, e.gen, time.Minute); !ok || err != nil {
		t.Fatalf("renew: %v %v", ok, err)
	}
	if ok, err := e.store.RenewLease(ctx, lease.Writer, e.gen-1, time.Minute); ok || err != nil {
		t.Fatalf("renew of an old generation: %v %v", ok, err)
	}
	if err := e.store.ReleaseLease(ctx, lease.Writer, e.gen); err != nil {
		t.Fatal(err)
	}
	gen, ok, err := other.AcquireLease(ctx, lease.Writer, "node-2", time.Minute)
	if err != nil || !ok || gen != e.gen+1 {
		t.Fatalf("after release: generation %d %v %v, want %d", gen, ok, err, e.gen+1)
	}
	if ok, err := e.store.RenewLease(ctx, lease.Writer, e.gen, time.Minute); ok || err != nil {
		t.Fatalf("renew after a take-over: %v %v", ok, err)
	}
	if err := other.Close(); err != nil { // dies without releasing
		t.Fatal(err)
	}
	third := e.open(t)
	if gen := acquire(t, third, "node-2"); gen != e.gen+2 {
		t.Fatalf("same node after a crash: generation %d, want %d", gen, e.gen+2)
	}
	testExpiry(t, third)
}

// testExpiry lets a lease of another name run out by the database's clock.
func testExpiry(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	if _, ok, err := s.AcquireLease(t.Context(), "short", "node-1", -time.Second); !ok || err != nil {
		t.Fatalf("short lease: %v %v", ok, err)
	}
	if gen, ok, err := s.AcquireLease(t.Context(), "short", "node-2", time.Minute); !ok || err != nil || gen != 2 {
		t.Fatalf("after expiry: %d %v %v", gen, ok, err)
	}
}
