// Package remedy carries out the effects remedy_check and remedy_run: a remedy's
// dry run, and the run that people approved. A run is begun once and never
// again: a mark in the database is made before the runner is called, and whoever
// finds another's mark asks the runner what became of it instead of calling it.
// What nobody can tell ends as unknown, which is a person's to find out.
package remedy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/document"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/lease"
	"github.com/faultline/faultline/collector/outbox"
	"github.com/faultline/faultline/collector/remedy"
	plugin "github.com/faultline/faultline/plugins/remedy"
)

// KV keeps small texts by name.
type KV interface {
	KVInit(ctx context.Context, name, value string) (string, error)
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
	KVDelete(ctx context.Context, names ...string) error
}

// Options are what the executor needs; all but Logger and Poll are required.
type Options struct {
	Node      string // this collector's name in the lease: its runners' books are its own
	Catalog   func() remedy.Catalog
	Runner    func(name string) (plugin.Runner, bool)
	KV        KV
	NotFound  error // of KVGet
	Documents document.Store
	Now       func() time.Time
	Poll      time.Duration // between looks at a run; 0 is 1 s
	Logger    *slog.Logger
}

// Executor is an outbox.Executor of both kinds.
type Executor struct {
	o Options

	mu      sync.Mutex // guards the fields below
	running map[string]*running
	marks   map[string]string // made by this process, by effect
	asked   map[string]int    // how often a runner was asked in vain what became of a run
}

// maxAsked is how often it is asked before nobody can tell.
const maxAsked = 20

// New returns the executor.
func New(o Options) (*Executor, error) {
	if o.Node == "" || o.Catalog == nil || o.Runner == nil || o.KV == nil || o.NotFound == nil || o.Documents == nil || o.Now == nil {
		return nil, errors.New("remedy effect: Node, Catalog, Runner, KV, NotFound, Documents and Now are required")
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Executor{o: o, running: map[string]*running{}, marks: map[string]string{}, asked: map[string]int{}}, nil
}

// Execute implements outbox.Executor. A run goes on beside it, so that it keeps no
// worker busy; each call looks how far it is.
func (x *Executor) Execute(ctx context.Context, j outbox.Job) (outbox.Outcome, error) {
	m, ok := j.Incident.RemedyOf(j.Effect.Params["remedy"])
	if !ok {
		return outbox.Fail("the incident has no such remedy"), nil
	}
	if r := x.at(j.Effect.Key); r != nil {
		return x.look(ctx, j, m, r)
	}
	if halted(m, j) && x.unmarked(ctx, j) {
		return outbox.Fail("not begun: " + m.StopBy.Name + " stopped it before"), nil
	}
	dry := j.Effect.Kind == incident.EffectRemedyCheck
	e, known := x.o.Catalog().Entry(m.Name)
	runner, there := x.o.Runner(e.Plugin)
	if dry {
		if !known || !there {
			return outbox.Fail("the configuration has no such remedy any more"), nil
		}
		// Begun before and not seen to its end, it is made again: it changes nothing.
		return x.start(ctx, j, m, runner, e.Limit(), j.Effect.Key+"/"+strings.ToLower(rand.Text()[:8]))
	}
	mine, node, err := x.claim(ctx, j.Effect.Key)
	if err != nil {
		return outbox.Outcome{}, err
	}
	if !mine {
		return x.after(ctx, j, m, node, func() (plugin.Runner, bool) { return runner, known && there })
	}
	switch {
	case !known || !there:
		return outbox.Fail("not begun: the configuration has no such remedy any more"), nil
	case e.Check(j.Incident, m) != nil:
		return outbox.Fail("not begun: " + e.Check(j.Incident, m).Error()), nil
	case j.Incident.State != incident.StateOpen || !j.Incident.RecoveredAt.IsZero():
		return outbox.Fail("not begun: nothing fails any more"), nil
	}
	return x.start(ctx, j, m, runner, e.Limit(), j.Effect.Key)
}

// claim makes the mark that a run is begun; mine is false when there was another,
// made by the node.
func (x *Executor) claim(ctx context.Context, key string) (mine bool, node string, err error) {
	x.mu.Lock()
	mark, had := x.marks[key]
	if !had {
		mark = x.o.Node + "/" + rand.Text()
		x.marks[key] = mark
	}
	x.mu.Unlock()
	kept, err := x.o.KV.KVInit(ctx, markName(key), mark)
	if err != nil {
		return false, "", err
	}
	node, _, _ = strings.Cut(kept, "/")
	return kept == mark, node, nil
}

func markName(key string) string { return "remedy/" + key }

// after asks the runner what became of a run that another process began, or was
// about to. Only the runner of the same node has the book it would be in: if it
// is not there, it was never begun and is begun now.
func (x *Executor) after(ctx context.Context, j outbox.Job, m incident.Remedy, node string, find func() (plugin.Runner, bool)) (outbox.Outcome, error) {
	unknown := func(why string) (outbox.Outcome, error) {
		return outbox.Finish(incident.RemedyUnknown, map[string]string{"summary": why}), nil
	}
	runner, ok := find()
	if !ok {
		return unknown("the collector was ended during the run, and the configuration has no such remedy any more")
	}
	if node != x.o.Node {
		return unknown("another collector had begun it and was ended")
	}
	o, found, err := runner.Find(ctx, j.Effect.Key)
	switch {
	case err != nil && x.inVain(j.Effect.Key) < maxAsked:
		return outbox.Outcome{}, err
	case err != nil:
		return unknown("the collector was ended during the run, and its runner does not say what became of it: " + err.Error())
	case !found:
		return x.resume(ctx, j, m, runner)
	case o.State == plugin.Begun:
		return unknown("the collector was ended during the run")
	}
	text, err := x.o.KV.KVGet(ctx, outputName(j.Effect.Key))
	if err != nil && !errors.Is(err, x.o.NotFound) {
		return outbox.Outcome{}, err
	}
	return x.finish(ctx, j, m, o, text)
}

func (x *Executor) inVain(key string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked[key]++
	return x.asked[key]
}

// resume begins a run whose mark this node made and whose runner never began it.
func (x *Executor) resume(ctx context.Context, j outbox.Job, m incident.Remedy, runner plugin.Runner) (outbox.Outcome, error) {
	e, _ := x.o.Catalog().Entry(m.Name)
	if halted(m, j) {
		return outbox.Fail("not begun: " + m.StopBy.Name + " stopped it before"), nil
	}
	if j.Incident.State != incident.StateOpen || !j.Incident.RecoveredAt.IsZero() {
		return outbox.Fail("not begun: nothing fails any more"), nil
	}
	if err := e.Check(j.Incident, m); err != nil {
		return outbox.Fail("not begun: " + err.Error()), nil
	}
	return x.start(ctx, j, m, runner, e.Limit(), j.Effect.Key)
}

// start begins a run beside us.
func (x *Executor) start(ctx context.Context, j outbox.Job, m incident.Remedy, runner plugin.Runner, limit time.Duration, key string) (outbox.Outcome, error) {
	if err := lease.Check(ctx); err != nil {
		return outbox.Outcome{}, err
	}
	r := &running{ended: make(chan struct{}), output: &output{}, runner: runner, key: key}
	order := plugin.Order{Key: key, Remedy: m.Name, Parameters: m.Parameters, DryRun: j.Effect.Kind == incident.EffectRemedyCheck, Timeout: limit}
	if !order.DryRun {
		order.Pin = m.Check.Pin
	}
	// It outlives this attempt, and the lease: what was begun is better ended by
	// itself than in the middle.
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	x.mu.Lock()
	x.running[j.Effect.Key] = r
	x.mu.Unlock()
	go func() {
		defer cancel()
		defer close(r.ended)
		r.outcome, r.err = runner.Run(beside, order, r.output)
	}()
	return outbox.Again(min(x.o.Poll, 200*time.Millisecond)), nil
}

func (x *Executor) at(key string) *running {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.running[key]
}

// look keeps what a run printed so far, and ends the effect with the run.
func (x *Executor) look(ctx context.Context, j outbox.Job, m incident.Remedy, r *running) (outbox.Outcome, error) {
	if halted(m, j) {
		r.halt(m, x.o.Now())
	}
	if text, changed := r.output.news(); changed {
		if err := x.o.KV.KVPut(ctx, outputName(j.Effect.Key), text); err != nil {
			return outbox.Outcome{}, err
		}
		r.output.keptTo(len(text))
	}
	select {
	case <-r.ended:
	default:
		return outbox.Again(x.o.Poll), nil
	}
	text := r.output.text()
	if r.err == nil {
		return x.finish(ctx, j, m, r.outcome, text)
	}
	var e *plugin.Error
	begun := !errors.As(r.err, &e) || e.Begun
	switch {
	case begun && r.isHalted():
		return x.ending(ctx, j, m, r, text)
	case begun && j.Effect.Kind == incident.EffectRemedyRun:
		return x.finish(ctx, j, m, plugin.Outcome{State: incident.RemedyUnknown, Summary: r.err.Error()}, text)
	case begun:
		return x.finish(ctx, j, m, plugin.Outcome{State: plugin.Failed, Summary: r.err.Error()}, text)
	case e.Again:
		x.forget(j.Effect.Key)
		return outbox.Outcome{}, r.err
	}
	x.forget(j.Effect.Key)
	return outbox.Fail("not begun: " + r.err.Error()), nil
}

func (x *Executor) forget(key string) {
	x.mu.Lock()
	delete(x.running, key)
	x.mu.Unlock()
}

// over forgets a run that has ended, and that its mark is ours: where the word of its
// end is lost on the way to the log, the runner is asked for it, and nothing begins
// again.
func (x *Executor) over(key string) {
	x.mu.Lock()
	delete(x.running, key)
	delete(x.marks, key)
	x.mu.Unlock()
}

// tail is how much of the output stands in the incident's log itself, in bytes.
const tail = 4 << 10

// finish keeps the output as a document of the incident and ends the effect.
func (x *Executor) finish(ctx context.Context, j outbox.Job, m incident.Remedy, o plugin.Outcome, text string) (outbox.Outcome, error) {
	result := map[string]string{"name": m.Name, "summary": o.Summary, incident.ResultSummaryZH: o.SummaryZH, "changed": strconv.Itoa(o.Changed), "pin": o.Pin}
	if text != "" {
		kind := strings.TrimPrefix(j.Effect.Kind, "remedy_")
		d := document.Printed(j.Incident, j.Effect.Key, fmt.Sprintf("%s-%s-%s-%s.txt", j.Incident.Number, m.ID, m.Name, kind), text, x.o.Now())
		if err := x.o.Documents.PutDocument(ctx, d); err != nil {
			return outbox.Outcome{}, fmt.Errorf("keep output: %w", err)
		}
		result["document"], result["output"] = d.ID, ending(text, tail)
	}
	for k, v := range result {
		if v == "" {
			delete(result, k)
		}
	}
	if err := x.o.KV.KVDelete(ctx, outputName(j.Effect.Key)); err != nil {
		x.o.Logger.Warn("output of a remedy kept twice", "effect", j.Effect.Key, "err", err)
	}
	x.over(j.Effect.Key)
	return outbox.Finish(o.State, result), nil
}
