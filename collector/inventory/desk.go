package inventory

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/wire"
)

// ErrUnknownAgent says that the inventory has no agent of that id.
var ErrUnknownAgent = errors.New("unknown agent")

// checksPerAgent bounds the check requests that wait for one agent.
const checksPerAgent = 64

// Desk hands work to agents: what to measure, as the inventory says, and checks
// to make at once. It is safe for concurrent use.
type Desk struct {
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	inv     *Inventory
	work    map[string]wire.Work    // by agent id; made when first asked for
	checks  map[string][]wire.Check // by agent id, oldest first, at most checksPerAgent
	changed chan struct{}           // closed and replaced when any of the above changed
	dropped int64
	follow  Source // nil: the inventory alone says what agents are handed
}

// Source decides what an agent is handed at the moment. Its methods are called
// with the desk locked and must not call it.
type Source interface {
	// Work is the agent's work; ok is false for agents that are not known.
	Work(agent string) (w wire.Work, ok bool)
	// Wanted is the release it is to run; nil: the one it runs.
	Wanted(agent string) *wire.Program
}

// Follow makes a source decide in place of the inventory.
func (d *Desk) Follow(s Source) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.follow = s
	d.wakeLocked()
}

// Wake has all agents that wait looked at again.
func (d *Desk) Wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wakeLocked()
}

// NewDesk makes a desk for an inventory; now nil is time.Now.
func NewDesk(inv *Inventory, now func() time.Time) *Desk {
	if now == nil {
		now = time.Now
	}
	d := &Desk{now: now, checks: map[string][]wire.Check{}, changed: make(chan struct{})}
	d.inv, d.work = inv, map[string]wire.Work{}
	return d
}

// Set puts another inventory in place and wakes all agents that wait.
func (d *Desk) Set(inv *Inventory) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inv, d.work = inv, map[string]wire.Work{}
	d.wakeLocked()
}

func (d *Desk) wakeLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// Poll waits until the agent's work has another version than after, or a check
// waits for it, or ctx ends. Targets are left out when the agent has them. The
// end of ctx is no error: there was nothing new. A check is handed out once.
func (d *Desk) Poll(ctx context.Context, agentID string, after int64) (wire.Work, error) {
	return d.PollFor(ctx, agentID, after, "")
}

// PollFor is Poll of an agent that knows of an offered release already: only
// another offer is news to it.
func (d *Desk) PollFor(ctx context.Context, agentID string, after int64, known string) (wire.Work, error) {
	for {
		w, changed, err := d.take(agentID, after)
		if err == nil && w.Program != nil && w.Program.Offer == known {
			w.Program = nil
		}
		if err != nil || w.Targets != nil || len(w.Checks) > 0 || w.Version != after || w.Program != nil {
			return w, err
		}
		select {
		case <-ctx.Done():
			return w, nil
		case <-changed:
		}
	}
}

// take returns what there is for an agent now, and what to wait for otherwise.
func (d *Desk) take(agentID string, after int64) (wire.Work, <-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := d.workLocked(agentID)
	if !ok {
		return wire.Work{}, nil, ErrUnknownAgent
	}
	if w.Version == after {
		w.Targets, w.Settings = nil, nil
	}
	if d.follow != nil {
		w.Program = d.follow.Wanted(agentID)
	}
	w.Checks = d.liveLocked(agentID)
	delete(d.checks, agentID)
	return w, d.changed, nil
}

func (d *Desk) workLocked(agentID string) (wire.Work, bool) {
	if d.follow != nil {
		return d.follow.Work(agentID)
	}
	if w, ok := d.work[agentID]; ok {
		return w, true
	}
	w, ok := d.inv.Work(agentID)
	if ok {
		d.work[agentID] = w
	}
	return w, ok
}

func (d *Desk) liveLocked(agentID string) []wire.Check {
	now := d.now()
	return slices.DeleteFunc(d.checks[agentID], func(c wire.Check) bool { return !now.Before(c.Expires) })
}

// Ask has an agent poll targets at once, within ttl; without targets, all it
// has. It returns the id that the answering event carries. When too many checks
// wait for the agent the oldest is dropped and counted. A check of the same
// targets that still waits is not asked for twice: its id is returned.
func (d *Desk) Ask(agentID string, targetIDs []string, ttl time.Duration) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := d.workLocked(agentID)
	if !ok {
		return "", ErrUnknownAgent
	}
	if len(targetIDs) == 0 {
		for _, t := range w.Targets {
			targetIDs = append(targetIDs, t.ID)
		}
	}
	queue := d.liveLocked(agentID)
	for _, c := range queue {
		if slices.Equal(c.Targets, targetIDs) {
			d.checks[agentID] = queue
			return c.ID, nil
		}
	}
	if len(queue) >= checksPerAgent {
		queue = slices.Delete(queue, 0, 1)
		d.dropped++
	}
	c := wire.Check{ID: rand.Text(), Targets: slices.Clone(targetIDs), Expires: d.now().Add(ttl)}
	d.checks[agentID] = append(queue, c)
	d.wakeLocked()
	return c.ID, nil
}

// AskAbout asks every agent that measures a device or line to do so at once,
// within ttl, and returns the ids of the checks by agent.
func (d *Desk) AskAbout(id string, ttl time.Duration) map[string]string {
	d.mu.Lock()
	inv := d.inv
	d.mu.Unlock()
	asked := map[string]string{}
	for _, a := range inv.Agents {
		var targets []string
		d.mu.Lock()
		w, _ := d.workLocked(a.ID)
		d.mu.Unlock()
		for _, t := range w.Targets {
			if t.Labels["device"] == id {
				targets = append(targets, t.ID)
			}
		}
		if len(targets) == 0 {
			continue
		}
		if check, err := d.Ask(a.ID, targets, ttl); err == nil {
			asked[a.ID] = check
		}
	}
	return asked
}

// Dropped returns how many check requests were dropped because too many waited.
func (d *Desk) Dropped() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dropped
}
