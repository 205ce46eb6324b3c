// Package fleet keeps what every agent is to have, what it has, and how a change
// of either reaches it: by package rollout, stage by stage, back when an agent does
// not get well. It stores what was proven last, sealed, so that an agent can be
// handed it again. What agents are to have is package assign's to say; it is handed
// out by inventory.Desk.
package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/wire"
)

// Kinds of roll-outs.
const (
	Settings = "settings"
	Program  = "program"
)

// Kinds are all of them.
func Kinds() []string { return []string{Settings, Program} }

// Store is where the fleet's state outlives a restart: small texts by name.
type Store interface {
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	KVPutAll(ctx context.Context, values map[string]string) error
}

// Options are a Fleet's settings. Store, Key and Leads are required.
type Options struct {
	Store      Store
	Key        *ecdsa.PrivateKey                                                 // seals what is stored of agents' work
	Leads      func(ctx context.Context) bool                                    // whether this collector decides; others follow
	Find       func(version string) (wire.Program, bool)                         // a release by its version; nil: there are none
	Wake       func()                                                            // agents that wait are looked at again; nil: nobody waits
	Note       func(ctx context.Context, kind string, n rollout.Note, by string) // what happened, for the audit; nil: logged only
	Now        func() time.Time                                                  // nil: time.Now
	Logger     *slog.Logger                                                      // nil: slog.Default
	Registerer prometheus.Registerer                                             // nil: no metrics
}

// kept is a proven work as it is stored.
type kept struct {
	Version int64  `json:"version"`
	Sealed  string `json:"sealed"`
}

// heard is an agent's last report.
type heard struct {
	wire.AgentState
	At time.Time `json:"at"`

	// Targets that did not answer with what was proven last, settings and program,
	// and when; nil: not known.
	Failed map[string]time.Time `json:"failed"`

	stored time.Time
	differ time.Time // since when it has not what it is to have
}

// Fleet is the state of all agents. Its methods may be called from several
// goroutines.
type Fleet struct {
	o Options

	stepping sync.Mutex // held while a step is decided and stored

	mu       sync.Mutex // guards the fields below; what is in the maps' values is not changed
	handouts map[string]assign.Handout
	release  map[string]string // kind → what the handouts amount to
	plans    map[string]rollout.Plan
	states   map[string]rollout.State
	proven   map[string]wire.Work
	reports  map[string]heard
	upBefore map[string]int // targets that answered with the proven work
}

// Names in the store.
const (
	prefix        = "fleet/"
	prefixRollout = prefix + "rollout/"
	prefixWork    = prefix + "work/"
	prefixReport  = prefix + "report/"
)

// Bounds.
const (
	stepEvery  = 2 * time.Second
	storeEvery = time.Minute // a report that says nothing new is stored so often while a roll-out runs
	textLimit  = 1000        // bytes kept of what an agent says went wrong
)

// Open reads what was stored.
func Open(ctx context.Context, o Options) (*Fleet, error) {
	if o.Store == nil || o.Key == nil || o.Leads == nil {
		return nil, errors.New("fleet options: Store, Key and Leads are required")
	}
	if o.Find == nil {
		o.Find = func(string) (wire.Program, bool) { return wire.Program{}, false }
	}
	if o.Wake == nil {
		o.Wake = func() {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	f := &Fleet{o: o, handouts: map[string]assign.Handout{}, release: map[string]string{}, plans: map[string]rollout.Plan{}, states: map[string]rollout.State{},
		proven: map[string]wire.Work{}, reports: map[string]heard{}, upBefore: map[string]int{}}
	if o.Registerer != nil {
		o.Registerer.MustRegister(meters{f})
	}
	return f, f.read(ctx)
}

// read takes over what is stored, by this collector or another.
func (f *Fleet) read(ctx context.Context) error {
	all, err := f.o.Store.KVList(ctx, prefix)
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, text := range all {
		if err := f.readOneLocked(name, text); err != nil {
			f.o.Logger.Error("fleet: stored state cannot be read and is left out", "name", name, "err", err)
		}
	}
	return nil
}

func (f *Fleet) readOneLocked(name, text string) error {
	if kind, ok := cut(name, prefixRollout); ok {
		var s rollout.State
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return err
		}
		f.states[kind] = s
		return nil
	}
	if agent, ok := cut(name, prefixReport); ok {
		var h heard
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			return err
		}
		if h.At.After(f.reports[agent].At) {
			h.stored, h.differ = h.At, f.reports[agent].differ
			f.reports[agent] = h
		}
		return nil
	}
	agent, ok := cut(name, prefixWork)
	if !ok {
		return nil
	}
	var k kept
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return err
	}
	if f.proven[agent].Version == k.Version {
		return nil
	}
	w, err := f.unseal(agent, k)
	if err != nil {
		return err
	}
	f.proven[agent] = w
	return nil
}

// Set says what agents are to have from now on, and by which plans it reaches
// them. The next step of the collector that decides begins with it.
func (f *Fleet) Set(handouts []assign.Handout, settings, programs rollout.Plan) {
	f.mu.Lock()
	f.handouts = make(map[string]assign.Handout, len(handouts))
	for _, h := range handouts {
		f.handouts[h.Agent] = h
	}
	f.plans[Settings], f.plans[Program] = settings, programs
	f.release[Settings] = releaseOf(f.handouts, func(h assign.Handout) string { return text(h.Work.Version) })
	f.release[Program] = releaseOf(f.handouts, func(h assign.Handout) string { return h.Program })
	f.mu.Unlock()
	f.o.Wake()
}

// releaseOf names what all agents together are to have by its content.
func releaseOf(all map[string]assign.Handout, version func(assign.Handout) string) string {
	h := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(h, "%s\x00%s\x00", id, version(all[id]))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func text(version int64) string { return strconv.FormatInt(version, 10) }

// Work is what an agent is to be handed now; ok is false for agents that the
// inventory does not name.
func (f *Fleet) Work(agent string) (wire.Work, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.workLocked(agent)
}

func (f *Fleet) workLocked(agent string) (wire.Work, bool) {
	h, ok := f.handouts[agent]
	if !ok {
		return wire.Work{}, false
	}
	before, has := f.proven[agent]
	if !has || before.Version == h.Work.Version || len(f.plans[Settings].Stages) == 0 {
		return h.Work, true
	}
	s := f.states[Settings]
	if v, ok := s.Given(agent); ok && s.Release == f.release[Settings] && v == text(h.Work.Version) {
		return h.Work, true
	}
	return before, true
}

// Wanted is the release an agent is to run; nil: the one it runs.
func (f *Fleet) Wanted(agent string) *wire.Program {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.handouts[agent]
	r, heard := f.reports[agent]
	if h.Program == "" || !heard || !r.Updatable || r.AgentState.Program == h.Program {
		return nil
	}
	s := f.states[Program]
	if s.Release != f.release[Program] {
		return nil
	}
	if v, ok := s.Given(agent); ok && v != h.Program || !ok && s.Phase != rollout.Done {
		return nil
	}
	if p, ok := f.o.Find(h.Program); ok {
		p.Offer = h.Program + "@" + strconv.FormatInt(s.Began.Unix(), 36)
		return &p
	}
	return nil
}

// Reported takes what an agent says of itself.
func (f *Fleet) Reported(ctx context.Context, agent string, st wire.AgentState) error {
	st.Problem, st.Why = st.Problem[:min(len(st.Problem), textLimit)], st.Why[:min(len(st.Why), textLimit)]
	st.Own = st.Own[:min(len(st.Own), 50)]
	now := f.o.Now().UTC()
	f.mu.Lock()
	if _, known := f.handouts[agent]; !known {
		f.mu.Unlock()
		return nil
	}
	last := f.reports[agent]
	h := heard{AgentState: st, At: now, stored: last.stored, Failed: last.Failed}
	if st.Version == f.proven[agent].Version && st.Acked {
		f.upBefore[agent] = st.Up
		if m, trial := f.states[Program].Members[agent]; !trial || m.Proven || m.Want != st.Program {
			h.Failed = failures(last.Failed, st, now)
		}
	}
	if w, _ := f.workLocked(agent); w.Version != st.Version {
		h.differ = last.differ
		if h.differ.IsZero() {
			h.differ = now
		}
	}
	active := f.states[Settings].Active() || f.states[Program].Active()
	news := last.Version != st.Version || last.Rejected != st.Rejected || last.AgentState.Program != st.Program || last.Refused != st.Refused || last.Updatable != st.Updatable
	store := news || active && now.Sub(last.stored) >= storeEvery
	if store {
		h.stored = now
	}
	f.reports[agent] = h
	f.mu.Unlock()
	if !store {
		return nil
	}
	return f.put(ctx, map[string]any{prefixReport + agent: h})
}

// put stores values as JSON, all or none.
func (f *Fleet) put(ctx context.Context, values map[string]any) error {
	texts := map[string]string{}
	for name, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
		texts[name] = string(b)
	}
	if err := f.o.Store.KVPutAll(ctx, texts); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	return nil
}

// Run steps until ctx ends: this collector decides, or follows what another
// decided.
func (f *Fleet) Run(ctx context.Context) error {
	tick := time.NewTicker(stepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := f.turn(ctx); err != nil && ctx.Err() == nil {
			f.o.Logger.Error("fleet: roll-outs do not go on", "err", err)
		}
	}
}

func (f *Fleet) turn(ctx context.Context) error {
	if !f.o.Leads(ctx) {
		return f.read(ctx)
	}
	return f.Step(ctx)
}
