// Package storetest is the contract of the relational state as tests: what
// engine, outbox, lease, account and the API rely on, run alike on SQLite and
// on PostgreSQL. It also starts a private PostgreSQL server for tests elsewhere.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/sqlstore"
	"github.com/faultline/faultline/internal/lang"
)

// t0 is when everything in the suite happens.
var t0 = time.Date(2026, 11, 21, 8, 0, 0, 123456000, time.UTC)

// Run runs the whole suite; newURL returns the address of an empty database.
func Run(t *testing.T, newURL func(t testing.TB) string) {
	tests := []struct {
		name string
		run  func(t *testing.T, e *env)
	}{
		{"migrate twice and from two nodes", testMigrate},
		{"commit is read back whole", testCommit},
		{"hash chain survives storage", testChain},
		{"hostile text is stored", testHostileText},
		{"commit on an old version conflicts", testConflict},
		{"failed commit leaves nothing", testAtomic},
		{"old generation is fenced", testFence},
		{"what is done in the holder's name is fenced", testHolding},
		{"repeated fact is a no-op", testIdempotence},
		{"concurrent commits keep versions whole", testConcurrentCommits},
		{"commit waits for a take-over", testTakeover},
		{"alerts are upserted and dropped", testAlerts},
		{"many alerts are written at once", testManyAlerts},
		{"decisions come with their rule", testJudged},
		{"the engine's memory is committed", testMemory},
		{"an incident of many alerts is read as committed", testCrowd},
		{"numbers are never given twice", testNumbers},
		{"incidents are paged and filtered", testQuery},
		{"what changed is read", testChanged},
		{"effects are claimed once", testClaim},
		{"lanes keep their order", testLanes},
		{"effects end, fail and are cancelled", testEffectEnds},
		{"left-over claims are ambiguous", testLeftOver},
		{"claims that had not begun are not", testBegun},
		{"lease is exclusive and grows", testLease},
		{"everything survives a reopen", testReopen},
		{"seen ids are pruned", testPrune},
		{"accounts", testAccounts},
		{"sessions", testSessions},
		{"audit", testAudit},
		{"settings", testKV},
		{"settings by prefix", testKVPrefix},
		{"incidents that are settled", testSettled},
		{"report rows", testReport},
		{"documents", testDocuments},
		{"imports of the register", testImports},
		{"inspections", testInspections},
		{"links to scoreboards", testLinks},
		{"reports by people", testReporting},
		{"editions of write-ups", testEditions},
		{"versions of processes", testProcessVersions},
		{"notices", testNotices},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t, newEnv(t, newURL(t)))
		})
	}
}

// env is one test's database, a store on it and the lease held by it.
type env struct {
	url   string
	store *sqlstore.Store
	gen   int64
	now   time.Time
}

func newEnv(t *testing.T, url string) *env {
	t.Helper()
	e := &env{url: url, now: t0}
	e.store = e.open(t)
	if err := e.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.gen = acquire(t, e.store, "node-1")
	return e
}

// open returns another store on the same database, closed with the test.
func (e *env) open(t *testing.T) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: e.url, Now: func() time.Time { return e.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// reopen closes the store as a crash would leave it, lease not released, and
// opens a new one that takes the lease.
func (e *env) reopen(t *testing.T) {
	t.Helper()
	if err := e.store.Close(); err != nil {
		t.Fatal(err)
	}
	e.store = e.open(t)
	e.gen = acquire(t, e.store, "node-1")
}

func acquire(t *testing.T, s *sqlstore.Store, holder string) int64 {
	t.Helper()
	gen, ok, err := s.AcquireLease(t.Context(), lease.Writer, holder, time.Minute)
	if err != nil || !ok {
		t.Fatalf("acquire lease for %s: %v %v", holder, ok, err)
	}
	return gen
}

// history builds an incident step by step, without deciding anything.
type history struct {
	i      incident.Incident
	events []incident.Event
}

func opened(id string) *history {
	return &history{i: incident.Incident{
		ID: id, Number: "20261121-" + id, State: incident.StateOpen, OpenedAt: t0, FaultAt: t0.Add(-20 * time.Second),
		Severity: incident.SeverityCritical, Process: "network", ProcessVersion: "network@1#abc", Step: "reported",
		Diagnosis: incident.Diagnosis{Cause: "line/" + id, Class: incident.ClassCarrierLine, Site: "branch-2", Device: "carrier-a:line-2",
			Title: lang.Text{ZH: "专线中断", EN: "line down"}, Affected: []string{"sw-1", "sw-2"}},
	}}
}

// change adds events and returns the change that commits them.
func (h *history) change(t *testing.T, events ...incident.Event) engine.Change {
	t.Helper()
	ch := engine.Change{Base: h.i.Version}
	for _, e := range events {
		e.IncidentID = h.i.ID
		if e.At.IsZero() {
			e.At = t0.Add(time.Duration(h.i.Version) * time.Second)
		}
		sealed, err := e.Seal(h.i.Version+1, h.i.LastHash)
		if err != nil {
			t.Fatal(err)
		}
		h.i.Version, h.i.LastHash = sealed.Seq, sealed.Hash
		h.events = append(h.events, sealed)
		ch.Events = append(ch.Events, sealed)
	}
	ch.After = h.i
	return ch
}

func event(kind incident.Kind, id string) incident.Event {
	return incident.Event{Kind: kind, ID: id, Actor: incident.System}
}

// commit writes the changes under the test's lease.
func (e *env) commit(ctx context.Context, changes ...engine.Change) error {
	return e.store.Commit(ctx, engine.Commit{Generation: e.gen, Changes: changes})
}

// mustOpen commits a new incident with effects.
func (e *env) mustOpen(t *testing.T, id string, effects ...incident.Effect) *history {
	t.Helper()
	h := opened(id)
	ch := h.change(t, event(incident.Opened, "open/"+id))
	ch.Effects = effects
	if err := e.commit(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	return h
}

func effect(id string, n int, kind string, params ...string) incident.Effect {
	f := incident.Effect{Key: fmt.Sprintf("%s/%d/%s", id, n, kind), IncidentID: id, Kind: kind, Params: map[string]string{}}
	for i := 0; i+1 < len(params); i += 2 {
		f.Params[params[i]] = params[i+1]
	}
	return f
}
