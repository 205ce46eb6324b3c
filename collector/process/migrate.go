package process

import (
	"fmt"

	"github.com/faultline/faultline/collector/incident"
)

// ReasonMigrated is the reason of a move to another version of the process.
const ReasonMigrated = "migrated"

// Migrate moves an open incident into the step of another version of its
// process. Clocks that the version has go on with the limit they were started
// with; others stop. Whether the move is right is for the caller to know.
func Migrate(d *Definition, i incident.Incident, step string, by incident.Actor, env Env) (Result, error) {
	s, ok := d.Step(step)
	if !ok || s.Final || !i.Open() {
		return Result{}, fmt.Errorf("migrate incident %s to %s: no step %q where it could go on", i.ID, d.Ref(), step)
	}
	r := &run{d: d, i: i, env: env}
	move := incident.Event{Kind: incident.Rerouted, Actor: by, Process: d.ID, ProcessVersion: d.Ref(), Reason: ReasonMigrated}
	if err := r.record(move); err != nil {
		return Result{}, err
	}
	for _, c := range r.i.Clocks {
		if _, known := d.Clock(c.Name); !known && c.Phase() != incident.ClockEnded {
			if err := r.mark(c, incident.ClockStopped, incident.ClockMark{}); err != nil {
				return Result{}, err
			}
		}
	}
	if err := r.enter(step, ReasonMigrated); err != nil {
		return Result{}, err
	}
	if err := r.settle(); err != nil {
		return Result{}, err
	}
	return r.res, r.tell()
}
