package fleet

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/seal"
	"github.com/faultline/faultline/internal/wire"
)

// ErrNotHere says that another collector decides at the moment.
var ErrNotHere = errors.New("another collector decides about roll-outs")

// ErrUnknown says that there is no such roll-out or command.
var ErrUnknown = errors.New("no such roll-out or command")

// Step moves all roll-outs on and stores them before agents are told.
func (f *Fleet) Step(ctx context.Context) error {
	f.stepping.Lock()
	defer f.stepping.Unlock()
	var errs []error
	for _, kind := range Kinds() {
		s, begun := f.begin(kind)
		next, notes := rollout.Step(s, f.reportsOf(kind), f.o.Now().UTC())
		errs = append(errs, f.commit(ctx, kind, next, append(begun, notes...), ""))
	}
	return errors.Join(errs...)
}

// Command is what a person may do about a roll-out: pause, continue, abort, retry.
func (f *Fleet) Command(ctx context.Context, kind, action, by string) error {
	do := map[string]func(rollout.State, string, time.Time) (rollout.State, []rollout.Note, error){
		"pause": rollout.Pause, "continue": rollout.Continue, "abort": rollout.Abort, "retry": rollout.Retry}[action]
	if do == nil || !slices.Contains(Kinds(), kind) {
		return ErrUnknown
	}
	if !f.o.Leads(ctx) {
		return ErrNotHere
	}
	f.stepping.Lock()
	defer f.stepping.Unlock()
	f.mu.Lock()
	s := f.states[kind]
	f.mu.Unlock()
	next, notes, err := do(s, by, f.o.Now().UTC())
	if err != nil {
		return err
	}
	return f.commit(ctx, kind, next, notes, by)
}

// begin starts the roll-out of what the handouts amount to, unless it is known.
func (f *Fleet) begin(kind string) (rollout.State, []rollout.Note) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[kind]
	if len(f.handouts) == 0 || s.Release == f.release[kind] {
		return s, nil
	}
	var changes []rollout.Change
	for id, h := range f.handouts {
		c := rollout.Change{Agent: id, Site: h.Site}
		r, heard := f.reports[id]
		if kind == Settings {
			before, has := f.proven[id]
			if !has || before.Version == h.Work.Version {
				continue
			}
			c.Before, c.Want = text(before.Version), text(h.Work.Version)
		} else {
			if _, there := f.o.Find(h.Program); h.Program == "" || !there || !heard || !r.Updatable || r.AgentState.Program == h.Program {
				continue
			}
			c.Before, c.Want = r.AgentState.Program, h.Program
		}
		changes = append(changes, c)
	}
	if kind == Settings && len(f.plans[kind].Stages) == 0 {
		changes = nil // everybody has it already
	}
	return rollout.Begin(s, f.release[kind], f.plans[kind], changes, f.o.Now().UTC())
}

// reportsOf are the agents' reports as a roll-out of this kind judges them.
func (f *Fleet) reportsOf(kind string) map[string]rollout.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]rollout.Report, len(f.reports))
	for id, h := range f.reports {
		if kind == Program {
			out[id] = f.programReportLocked(id, h)
			continue
		}
		r := rollout.Report{Version: text(h.Version), Problem: h.Problem, Well: true, At: h.At}
		if h.Rejected != 0 {
			r.Rejected = text(h.Rejected)
		}
		switch {
		case !h.Acked && h.Targets > 0:
			r.Well, r.Problem = false, "the collector has acknowledged nothing since"
		case h.Measured < h.Targets/2:
			r.Well, r.Problem = false, fmt.Sprintf("%d of %d targets were measured since", h.Measured, h.Targets)
		case h.Up*2 < f.upBefore[id] && h.Up < h.Targets:
			r.Well, r.Problem = false, fmt.Sprintf("%d targets answer, %d did before", h.Up, f.upBefore[id])
		case h.Version == f.handouts[id].Work.Version:
			if lost := worse(f.proven[id], f.handouts[id].Work, h.Failed, h.AgentState); lost != "" {
				r.Well, r.Problem = false, lost
			}
		}
		out[id] = r
	}
	return out
}

func (f *Fleet) programReportLocked(id string, h heard) rollout.Report {
	r := rollout.Report{Version: h.AgentState.Program, Rejected: h.Refused, Problem: h.Why, Well: h.Acked || h.Targets == 0, At: h.At}
	if lost := silenced(f.proven[id], h.Failed, h.AgentState); r.Well && lost != "" && h.Version == f.proven[id].Version {
		r.Well, r.Problem = false, lost
	}
	return r
}

// commit stores a roll-out's next state and what is proven by it, then tells
// agents and people.
func (f *Fleet) commit(ctx context.Context, kind string, next rollout.State, notes []rollout.Note, by string) error {
	values := map[string]any{}
	f.mu.Lock()
	was := f.states[kind]
	adopt := map[string]wire.Work{}
	if kind == Settings {
		for id, h := range f.handouts {
			if before, has := f.proven[id]; (!has || before.Version != h.Work.Version) && f.settledLocked(next, id, has) {
				adopt[id] = h.Work
			}
		}
	}
	f.mu.Unlock()
	if !same(was, next) {
		values[prefixRollout+kind] = next
	}
	for id, w := range adopt {
		k, err := f.seal(id, w)
		if err != nil {
			return err
		}
		values[prefixWork+id] = k
	}
	if len(values) == 0 {
		return nil
	}
	if err := f.put(ctx, values); err != nil {
		return err
	}
	f.mu.Lock()
	f.states[kind] = next
	maps.Copy(f.proven, adopt)
	f.mu.Unlock()
	for _, n := range notes {
		f.o.Logger.Info("fleet: "+n.Text, "kind", kind, "what", n.Kind, "by", by)
		if f.o.Note != nil {
			f.o.Note(ctx, kind, n, by)
		}
	}
	f.o.Wake()
	return nil
}

// settledLocked tells whether what an agent is to have counts as proven from now on.
func (f *Fleet) settledLocked(s rollout.State, agent string, has bool) bool {
	if !has || len(f.plans[Settings].Stages) == 0 {
		return true
	}
	if s.Release != f.release[Settings] || s.Phase != rollout.Done {
		return false
	}
	m, ok := s.Members[agent]
	return ok && !m.Held
}

func same(a, b rollout.State) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

func cut(name, prefix string) (string, bool) { return strings.CutPrefix(name, prefix) }

// purpose binds a stored work to its agent.
func purpose(agent string) string { return "faultline fleet work v1\x00" + agent }

// seal makes of a work what may be stored: neither the database nor a copy of it
// shows its secrets.
func (f *Fleet) seal(agent string, w wire.Work) (kept, error) {
	b, err := json.Marshal(w)
	if err != nil {
		return kept{}, fmt.Errorf("fleet: work of agent %s: %w", agent, err)
	}
	s, err := seal.To(f.o.Key.Public(), purpose(agent), b)
	return kept{Version: w.Version, Sealed: s}, err
}

func (f *Fleet) unseal(agent string, k kept) (w wire.Work, err error) {
	b, err := seal.Open([]crypto.PrivateKey{f.o.Key}, purpose(agent), k.Sealed)
	if err != nil {
		return w, fmt.Errorf("work of agent %s: %w", agent, err)
	}
	return w, json.Unmarshal(b, &w)
}
