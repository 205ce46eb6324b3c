package engine

import (
	"context"
	"slices"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/sla"
)

// Publish puts the history's newest calendars in force, from the next event of
// each incident on.
func (e *Engine) Publish(h sla.History) {
	e.mu.Lock()
	defer e.mu.Unlock()
	newest, ok := h.Newest()
	if !ok {
		return
	}
	e.o.History, e.o.Calendars = h, newest.Calendars
}

// Recount tells every open incident whose clocks were counted by other calendars
// that these are in force now, and returns how many due times that changed. What
// was counted before stays; the correction is an entry of each ledger.
// Between two commits whoever acts on an incident has the turn.
func (e *Engine) Recount(ctx context.Context) (int, error) {
	e.mu.Lock()
	_, err := e.loadLocked(ctx)
	var ids []string
	if err == nil {
		for _, i := range e.open.those(e.countedByOthersLocked) {
			ids = append(ids, i.ID)
		}
	}
	e.mu.Unlock()
	if err != nil {
		return 0, err
	}
	changed := 0
	for some := range slices.Chunk(ids, recountsOnce) {
		n, err := e.recount(ctx, some)
		changed += n
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// recountsOnce is how many incidents one commit of Recount changes at most.
const recountsOnce = 16

// countedByOthersLocked tells whether an incident's clocks were last counted by
// other calendars than those in force.
func (e *Engine) countedByOthersLocked(i *incident.Incident) bool {
	n := len(i.Ledger)
	return n == 0 || i.Ledger[n-1].Version != e.o.Calendars.Version()
}

// recount counts some incidents anew, by one commit.
func (e *Engine) recount(ctx context.Context, ids []string) (int, error) {
	defer e.lockInTurn()()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return 0, err
	}
	c, changed := Commit{Generation: gen}, 0
	for _, id := range ids {
		i, ok := e.open.get(id)
		if !ok || !e.countedByOthersLocked(i) {
			continue // closed or counted in the meantime
		}
		def, ok := e.o.Processes.Version(i.ProcessVersion)
		if !ok {
			continue // what keeps its steps from being taken is said where they are
		}
		res, err := process.Step(def, *i, nil, e.envLocked(i.Diagnosis.Site))
		if err != nil {
			return 0, err
		}
		if len(res.Events) == 0 {
			continue
		}
		if err := c.add(*i, res); err != nil {
			return 0, err
		}
		changed++
	}
	if changed == 0 {
		return 0, nil
	}
	if err := e.commitLocked(ctx, c); err != nil {
		return 0, err
	}
	return changed, nil
}

// Clocks reads the incident's clocks as they stand now, from its ledger.
func (e *Engine) Clocks(i incident.Incident) []process.Reading {
	e.mu.Lock()
	def, ok := e.o.Processes.Version(i.ProcessVersion)
	env := e.envLocked(i.Diagnosis.Site)
	e.mu.Unlock()
	if !ok {
		return nil
	}
	return process.ReadClocks(def, i, env)
}
