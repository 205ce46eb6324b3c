package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// How many incidents a tick moves on at most, and how many of them by one
// commit: between two commits whoever acts on an incident has the turn.
const (
	mostTimers = 1024
	timersOnce = 8
)

// Tick fires the timers that are due, of one incident one at a time. It is called
// about once a second; after downtime every overdue timer fires once, in order,
// with how late it is. An incident that cannot take its timer does not hold up
// the others.
func (e *Engine) Tick(ctx context.Context) error {
	e.mu.Lock()
	_, err := e.loadLocked(ctx)
	now := e.o.Now()
	var ids []string
	if err == nil {
		ids = e.open.overdue(now, mostTimers)
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	var failed []error
	for some := range slices.Chunk(ids, timersOnce) {
		err := e.fire(ctx, some, now)
		if errors.Is(err, ErrFenced) || ctx.Err() != nil {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// fire takes one timer that is due of each of some incidents, by one commit.
func (e *Engine) fire(ctx context.Context, ids []string, now time.Time) error {
	defer e.lockInTurn()()
	gen, err := e.loadLocked(ctx)
	if err != nil {
		return err
	}
	c := Commit{Generation: gen}
	var failed []error
	for _, id := range ids {
		i, ok := e.open.get(id)
		if !ok {
			continue
		}
		if due := dueTimers(*i, now); len(due) > 0 {
			failed = append(failed, e.addLocked(&c, *i, due[:1]))
		}
	}
	return errors.Join(append(failed, e.commitLocked(ctx, c))...)
}

// dueTimers returns the facts of the timers that are due, earliest first.
func dueTimers(i incident.Incident, now time.Time) []incident.Event {
	var due []incident.Event
	for _, t := range i.Timers {
		if !t.Due.After(now) {
			due = append(due, incident.Event{Kind: incident.TimerFired, At: now, Actor: incident.System, Timer: &t, LateBy: now.Sub(t.Due)})
		}
	}
	slices.SortStableFunc(due, func(a, b incident.Event) int { return a.Timer.Due.Compare(b.Timer.Due) })
	return due
}
