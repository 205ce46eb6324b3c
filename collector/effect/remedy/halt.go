package remedy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/outbox"
	plugin "github.com/faultline/faultline/plugins/remedy"
)

// endingTime is how long a runner has for ending what somebody stopped and saying
// how far it was: longer than any runner's own grace.
const endingTime = time.Minute

// halted tells whether somebody wants this dry run or run to end. A remedy whose
// dry run was stopped is refused, so that the word is of one of both only.
func halted(m incident.Remedy, j outbox.Job) bool {
	return !m.StopAt.IsZero() && (j.Effect.Kind == incident.EffectRemedyRun) == (m.State == incident.RemedyGranted)
}

// unmarked tells whether the run was certainly not begun by anybody.
func (x *Executor) unmarked(ctx context.Context, j outbox.Job) bool {
	_, err := x.o.KV.KVGet(ctx, markName(j.Effect.Key))
	return errors.Is(err, x.o.NotFound)
}

// halt ends the run, once: its runner ends the playbook with all it started.
func (r *running) halt(m incident.Remedy, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.halted.IsZero() {
		return
	}
	r.halted = now
	_, _ = fmt.Fprintf(r.output, "\n[%s stopped it]\n", m.StopBy.Name) // it takes everything
	r.cancel()
}

func (r *running) isHalted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.halted.IsZero()
}

// ending is the end of a run that was stopped and whose call ended without an
// outcome, as a plugin's does: the runner says how far it came once all of it has
// ended. One that does not say so in time leaves an end that nobody knows.
func (x *Executor) ending(ctx context.Context, j outbox.Job, m incident.Remedy, r *running, text string) (outbox.Outcome, error) {
	r.mu.Lock()
	since := r.halted
	r.mu.Unlock()
	o, found, err := r.runner.Find(ctx, r.key)
	switch {
	case err == nil && found && o.State != plugin.Begun:
		return x.finish(ctx, j, m, o, text)
	case x.o.Now().Sub(since) < endingTime:
		return outbox.Again(x.o.Poll), nil
	}
	o = plugin.Outcome{State: incident.RemedyUnknown, Summary: "it was stopped, and its runner does not say how far it came", SummaryZH: "已要求停止，执行方未说明进行到哪一步"}
	if err != nil {
		o.Summary, o.SummaryZH = o.Summary+": "+err.Error(), o.SummaryZH+"："+err.Error()
	}
	if j.Effect.Kind == incident.EffectRemedyCheck {
		o.State = plugin.Stopped // it changes nothing
	}
	return x.finish(ctx, j, m, o, text)
}
