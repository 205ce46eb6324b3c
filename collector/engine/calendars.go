package engine

import (
	"context"

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
func (e *Engine) Recount(ctx context.Context) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return 0, err
	}
	changed := 0
	for _, inc := range e.open.those(all) {
		i := *inc
		if n := len(i.Ledger); n == 0 || i.Ledger[n-1].Version == e.o.Calendars.Version() {
			continue
		}
		def, ok := e.o.Processes.Version(i.ProcessVersion)
		if !ok {
			continue // what keeps its steps from being taken is said where they are
		}
		res, err := process.Step(def, i, nil, e.envLocked(i.Diagnosis.Site))
		if err != nil {
			return changed, err
		}
		if len(res.Events) == 0 {
			continue
		}
		c := Commit{Generation: gen}
		if err := c.add(i, res); err != nil {
			return changed, err
		}
		if err := e.commitLocked(ctx, c); err != nil {
			return changed, err
		}
		changed++
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
