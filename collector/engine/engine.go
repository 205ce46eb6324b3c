package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/route"
	"github.com/faultline/faultline/collector/sla"
)

// Diagnosis is what the present evidence says about the alerts that fire.
type Diagnosis struct {
	Causes []incident.Diagnosis
	Held   map[string]bool // fingerprints that wait for more evidence
}

// Options configure an Engine. Those from Store to
// Now are required, without Vendor.
type Options struct {
	Store     Store
	Lease     func() (generation int64, ok bool) // the fence; ok false: not ours to write
	Diagnose  func(firing []alert.Alert, now time.Time) Diagnosis
	Route     func(d incident.Diagnosis, now time.Time) route.Decision
	Processes *process.Set
	Calendars *sla.Calendars
	History   sla.History // all versions of the calendars that were in force; zero: Calendars only
	Site      func(site string) SiteFacts
	Remedy    func(name string, i incident.Incident) (incident.Remedy, bool) // what may be proposed; optional
	Vendor    func(kind string, d incident.Diagnosis) (id, name string)      // who it is when a person overrules the kind; optional
	Promise   func(kind string, d incident.Diagnosis) process.Promise        // what the vendor's contract says; optional
	Now       func() time.Time
	OnChange  func(incident.Incident, []incident.Event) // after a commit; must not block
	Settle    time.Duration                             // default 20 s, see round.settle
	Hold      time.Duration                             // overrides every process's verify hold when > 0
	Split     time.Duration                             // default 10 s: for how long two causes must stand side by side before one incident becomes two
	Logger    *slog.Logger
	Documents bool // somebody drafts the documents that processes end with
	// Graph is the inventory's; nil: names stand alone.
	Graph func() *inventory.Graph
	// Quiet returns what is in force and what ended within the last hour; nil: none.
	Quiet func(now time.Time) []Quiet
	// Checked takes a look at what is measured at now, by which the thing an alert
	// is about was last measured at some time; zero where nothing says so. It is
	// asked once in a round at most. nil: alerts count as measured when evaluated.
	Checked func(now time.Time) func(a alert.Alert) time.Time
	// Reconsider asks whether evidence that came late settles a provisional
	// incident that is over, and how. nil: it stays as it is.
	Reconsider func(i incident.Incident, now time.Time) (incident.Diagnosis, bool)
}

// SiteFacts is what the engine must know of a site.
type SiteFacts struct {
	Practice bool
	Calendar string // working calendar
	Zone     *time.Location
}

// Engine is the only writer of incidents. Its methods may be called from
// several goroutines; they are carried out one at a time.
type Engine struct {
	o Options

	rounds sync.Mutex // held from the beginning of a round to its end, before queue
	queue  sync.Mutex // of what nobody waits for, before mu: see lockInTurn

	mu     sync.Mutex // guards the fields below
	loaded int64      // lease generation the cache was loaded under; 0: not loaded
	open   *openSet
	past   map[string]pastIncident // by cause: the last verified or closed incident
	apart  map[string]time.Time    // see round.apart
	fates  func() map[string]Fate  // of the last round
	moved  map[string]string       // see round.moved
	kept   memory                  // as committed last
	at     time.Time               // of the last round
	turn   int64                   // counts what may change what a round means
	hushed map[string]time.Time    // see round.hushed
	asked  map[string]time.Time    // by incident: when late evidence was last looked at
	drills map[string]drillMemory  // by drill
}

// New makes an Engine.
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Lease == nil || o.Diagnose == nil || o.Route == nil || o.Processes == nil || o.Calendars == nil || o.Site == nil || o.Now == nil {
		return nil, errors.New("engine options: store, lease, diagnose, route, processes, calendars, site and now are required")
	}
	if o.Settle == 0 {
		o.Settle = 20 * time.Second
	}
	if o.Split == 0 {
		o.Split = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Engine{o: o, past: map[string]pastIncident{}, asked: map[string]time.Time{}}, nil
}

// Replace puts other processes and calendars in place. Incidents go on with the
// version of the process they were opened on, which processes must still hold.
func (e *Engine) Replace(processes *process.Set, calendars *sla.Calendars) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.Processes, e.o.Calendars = processes, calendars
}

// Fates returns what became of every alert that fired in the last round.
func (e *Engine) Fates() map[string]Fate {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fates == nil {
		return nil
	}
	return e.fates()
}

// Opening is a fault that somebody tells of.
type Opening struct {
	FactID    string // idempotence key
	Diagnosis incident.Diagnosis
	Actor     incident.Actor
	Comment   string
	At        time.Time
}

// Open opens an incident that no alert asked for and returns its id.
func (e *Engine) Open(ctx context.Context, o Opening) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return "", err
	}
	c := Commit{Generation: gen, Seen: []string{o.FactID}}
	one := opening{diagnosis: o.Diagnosis, by: o.Actor, comment: o.Comment}
	numbers, err := e.numbers(ctx, []opening{one}, o.At)
	if err != nil {
		return "", err
	}
	id, err := e.addOpeningLocked(&c, one, numbers[0], o.At)
	if err != nil {
		return "", err
	}
	return id, e.commitLocked(ctx, c)
}

// Handle takes one fact about one incident: a person's action, a vendor's
// answer, the outcome of an effect. A fact whose ID was taken before changes
// nothing.
func (e *Engine) Handle(ctx context.Context, fact incident.Event) error {
	if fact.Actor.Kind == incident.System.Kind {
		defer e.lockInTurn()()
	} else {
		e.mu.Lock()
		defer e.mu.Unlock()
	}
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return err
	}
	before, err := e.fetchLocked(ctx, fact.IncidentID)
	if err != nil {
		return err
	}
	c := Commit{Generation: gen}
	if fact.ID != "" {
		c.Seen = append(c.Seen, fact.ID)
	}
	if fact.Effect != nil && (fact.Kind == incident.EffectDone || fact.Kind == incident.EffectFailed) {
		c.EffectDone = append(c.EffectDone, fact.Effect.Key)
	}
	if err := e.addLocked(&c, before, []incident.Event{fact}); err != nil {
		return err
	}
	return e.commitLocked(ctx, c)
}

// lockInTurn locks the engine for what nobody waits for: outcomes of effects,
// timers, rounds. Of those one at a time stands beside the acts of people, who so
// wait for two commits at most, and not for all that a storm sets going.
func (e *Engine) lockInTurn() (unlock func()) {
	e.queue.Lock()
	e.mu.Lock()
	return func() {
		e.mu.Unlock()
		e.queue.Unlock()
	}
}

// Incident returns an incident that is not closed, as last committed.
func (e *Engine) Incident(id string) (incident.Incident, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open != nil {
		if i, ok := e.open.get(id); ok {
			return *i, true
		}
	}
	return incident.Incident{}, false
}

// Incidents returns the incidents that are not closed, as last committed, oldest
// first. Nobody changes what it points to.
func (e *Engine) Incidents(ctx context.Context) ([]*incident.Incident, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.loadLocked(ctx); err != nil {
		return nil, err
	}
	return e.open.those(all), nil
}

// loadLocked reads the open incidents once per lease generation.
func (e *Engine) loadLocked(ctx context.Context) (int64, error) {
	gen, ok := e.o.Lease()
	if !ok {
		return 0, ErrFenced
	}
	if e.loaded == gen && e.open != nil {
		return gen, nil
	}
	list, err := e.o.Store.OpenIncidents(ctx)
	if err != nil {
		return 0, fmt.Errorf("load open incidents: %w", err)
	}
	e.open = newOpenSet(list)
	text, err := e.o.Store.Memory(ctx)
	if err == nil {
		err = e.recallLocked(text, e.o.Now())
	}
	if err != nil {
		e.open = nil
		return 0, err
	}
	e.loaded = gen
	return gen, nil
}

// fetchLocked returns an incident also when it is closed, for a late fact.
func (e *Engine) fetchLocked(ctx context.Context, id string) (incident.Incident, error) {
	if i, ok := e.open.get(id); ok {
		return *i, nil
	}
	i, err := e.o.Store.Incident(ctx, id)
	if err != nil {
		return i, fmt.Errorf("incident %s: %w", id, err)
	}
	return i, nil
}

// commitLocked writes and then takes over the new state.
func (e *Engine) commitLocked(ctx context.Context, c Commit) error {
	remember := e.memoryLocked().with(c.Changes)
	var err error
	if c.Memory, err = remember.text(e.kept); err != nil {
		return err
	}
	if c.empty() {
		return nil
	}
	err = e.o.Store.Commit(ctx, c)
	if errors.Is(err, ErrSeen) {
		return nil
	}
	if err != nil {
		if errors.Is(err, ErrFenced) || errors.Is(err, ErrConflict) {
			e.open, e.loaded = nil, 0 // what we know may be old: read again
		}
		return fmt.Errorf("commit %d incident changes: %w", len(c.Changes), err)
	}
	e.kept, e.past = remember, remember.Past
	for _, ch := range c.Changes {
		if before, ok := e.open.get(ch.After.ID); !ok || matters(before, &ch.After) {
			e.turn++
		}
		e.open.put(ch.After)
		if e.o.OnChange != nil {
			e.o.OnChange(ch.After, ch.Events)
		}
	}
	return nil
}
