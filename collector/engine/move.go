package engine

import (
	"context"
	"fmt"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
)

// Move commits what a person's move of an open incident to another version of
// its process leads to. The version must be loaded.
func (e *Engine) Move(ctx context.Context, id string, move func(i incident.Incident, env process.Env) (process.Result, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return err
	}
	before, ok := e.open.get(id)
	if !ok {
		return fmt.Errorf("move incident %s: %w", id, ErrNotFound)
	}
	res, err := move(*before, e.envLocked(before.Diagnosis.Site))
	if err != nil {
		return err
	}
	c := Commit{Generation: gen}
	if err := c.add(*before, res); err != nil {
		return err
	}
	return e.commitLocked(ctx, c)
}

// envLocked is what a process is handed of the world for an incident at a site.
func (e *Engine) envLocked(site string) process.Env {
	return process.Env{Now: e.o.Now(), Calendars: e.o.Calendars, History: e.o.History, WorkCalendar: e.o.Site(site).Calendar, Hold: e.o.Hold, Documents: e.o.Documents,
		Vendor: e.o.Vendor, Promise: e.o.Promise, Remedy: e.o.Remedy}
}

// add makes what follows for an incident part of the commit.
func (c *Commit) add(before incident.Incident, res process.Result) error {
	after, sealed, err := incident.Append(before, res.Events)
	if err != nil {
		return fmt.Errorf("incident %s: %w", before.ID, err)
	}
	c.Changes = append(c.Changes, Change{Base: before.Version, After: after, Events: sealed, Effects: res.Effects, Cancel: res.Cancel})
	return nil
}
