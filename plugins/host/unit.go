package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/rpc"
)

// Why a plugin's process ended.
const (
	endExited    = "exited"
	endMemory    = "memory"
	endHung      = "hung"
	endUnhealthy = "unhealthy"
	endStart     = "start"
	endStopped   = "stopped"
)

// strikes is how many calls in a row may go wrong by the plugin's own fault.
const strikes = 3

// unit is one plugin with everything the host knows about it.
type unit struct {
	spec    spec.Plugin
	limits  spec.Limits
	values  map[string]string
	dir     string
	cgroup  string
	pace    Pace
	log     *slog.Logger
	capture *capture
	slots   chan struct{}
	asked   *rate.Limiter // calls
	flow    *rate.Limiter // samples
	struck  chan string   // capacity 1: the plugin is to be ended, and why

	mu      sync.Mutex    // guards the fields below
	changed chan struct{} // closed at the next change of state
	state   string
	problem string
	since   time.Time
	next    time.Time
	client  *rpc.Client // nil unless running
	about   rpc.Description
	proc    *process
	bound   string
	memory  int64
	bad     int // calls in a row that went wrong
	starts  uint64
	ends    map[string]uint64
	calls   map[string]uint64
	spent   time.Duration
	samples uint64
	refused map[string]uint64
}

func newUnit(p spec.Plugin, values map[string]string, dir string, o Options) *unit {
	l := p.Bounds()
	log := o.Logger.With("plugin", p.Name)
	u := &unit{spec: p, limits: l, values: values, dir: dir, cgroup: o.Cgroup, pace: o.Pace.filled(), log: log, capture: newCapture(log, l.LogLines),
		slots: make(chan struct{}, l.AtOnce), asked: rate.NewLimiter(rate.Limit(l.Calls), int(l.Calls*2)+1),
		flow:   rate.NewLimiter(rate.Limit(l.PerSecond), max(int(l.PerSecond*60), 1)),
		struck: make(chan string, 1), changed: make(chan struct{}), state: spec.Waiting, since: time.Now(),
		ends: map[string]uint64{}, calls: map[string]uint64{}, refused: map[string]uint64{}}
	u.capture.hide(secretsOf(values)...)
	for k := range p.Secrets {
		u.capture.hide(values[k])
	}
	return u
}

// run starts the plugin again and again until ctx ends.
func (u *unit) run(ctx context.Context) {
	defer func() { _ = os.RemoveAll(u.dir) }()
	for failures := 1; ; failures++ {
		began := time.Now()
		reason, err := u.once(ctx)
		if ctx.Err() != nil {
			u.enter(spec.Stopped, "", time.Time{})
			return
		}
		if time.Since(began) >= u.pace.Steady {
			failures = 1
		}
		wait := backoff(failures, u.pace.Least, u.pace.Most)
		wait += time.Duration(rand.Int64N(int64(wait)/5 + 1)) //nolint:gosec // spreads starts, hides nothing
		state := spec.Waiting
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
			state = spec.Refused
		} else {
			u.ended(reason)
		}
		problem := u.capture.masked(cut(err.Error(), maxLine))
		u.enter(state, problem, time.Now().Add(wait))
		u.log.Error("plugin does not run", "reason", reason, "err", problem, "next_start", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			u.enter(spec.Stopped, "", time.Time{})
			return
		case <-time.After(wait):
		}
	}
}

// enter changes the state.
func (u *unit) enter(state, problem string, next time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state, u.problem, u.next, u.since = state, problem, next, time.Now()
	if state != spec.Running {
		u.client = nil
	}
	close(u.changed)
	u.changed = make(chan struct{})
}

func (u *unit) ended(reason string) {
	u.mu.Lock()
	u.ends[reason]++
	u.mu.Unlock()
}

// refuse counts what was not taken.
func (u *unit) refuse(reason string, n int) {
	u.mu.Lock()
	u.refused[reason] += uint64(n) //nolint:gosec // a count
	u.mu.Unlock()
}

// status is what is known now.
func (u *unit) status() spec.Status {
	lines, lost, last := u.capture.snapshot()
	u.mu.Lock()
	defer u.mu.Unlock()
	s := spec.Status{Name: u.spec.Name, Contract: u.spec.Contract, State: u.state, Problem: u.problem, Version: u.about.Version, Since: u.since, Next: u.next,
		BoundBy: u.bound, Starts: u.starts, Ends: maps.Clone(u.ends), Calls: maps.Clone(u.calls), Seconds: u.spent.Seconds(), Samples: u.samples,
		Refusals: maps.Clone(u.refused), LogLines: lines, LogLost: lost, LastWords: last}
	if u.state == spec.Running && u.proc != nil {
		s.PID, s.Resident = u.proc.pid, u.memory
	}
	return s
}

// Down is an error that says a call was never made: the plugin does not run, or
// has more to do than it may.
type Down struct {
	Plugin string
	Reason string
}

// Error returns plugin and reason.
func (d *Down) Error() string { return fmt.Sprintf("plugin %s: %s", d.Plugin, d.Reason) }

// NotMeasured says that the error tells nothing of the target.
func (d *Down) NotMeasured() bool { return true }

// Fault is an error by the plugin's own doing: it tells nothing of a target.
type Fault struct {
	Plugin string
	Reason string
}

// Error returns plugin and reason.
func (f *Fault) Error() string { return "plugin " + f.Plugin + ": " + f.Reason }

// NotMeasured says that the error tells nothing of the target.
func (f *Fault) NotMeasured() bool { return true }

// running is the way to the plugin, or why there is none. A plugin that is just
// starting is waited for.
func (u *unit) running(ctx context.Context) (*rpc.Client, *process, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.client == nil && (u.state == spec.Starting || u.state == spec.Waiting && u.starts == 0) && ctx.Err() == nil {
		changed := u.changed
		u.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		u.mu.Lock()
	}
	if u.client != nil {
		return u.client, u.proc, nil
	}
	u.calls["down"]++
	reason := u.state
	if reason == spec.Running { // it is being ended, and its state does not say so yet
		reason = "has just ended"
	}
	if u.problem != "" {
		reason += ": " + u.problem
	}
	if !u.next.IsZero() {
		reason += fmt.Sprintf("; next start in %s", max(0, time.Until(u.next)).Round(time.Second))
	}
	return nil, nil, &Down{Plugin: u.spec.Name, Reason: reason}
}

// call runs f within the plugin's bounds. The error is a *Down when f was not
// run, else says what went wrong by the plugin's fault.
func (u *unit) call(ctx context.Context, f func(context.Context, *rpc.Client) error) error {
	client, proc, err := u.running(ctx)
	if err != nil {
		return err
	}
	if err := u.admit(ctx); err != nil {
		return err
	}
	defer func() { <-u.slots }()
	cctx, cancel := context.WithTimeout(ctx, u.limits.Deadline)
	defer cancel()
	began := time.Now()
	err = f(cctx, client)
	took := time.Since(began)
	outcome := "ok"
	if err != nil {
		outcome = callOutcome(ctx, cctx, err)
		err = u.explain(err, outcome, took, proc)
	}
	u.count(outcome, took)
	return err
}

// admit waits for a free slot and the pace of calls.
func (u *unit) admit(ctx context.Context) error {
	busy := func() error {
		u.mu.Lock()
		u.calls["busy"]++
		u.mu.Unlock()
		return &Down{Plugin: u.spec.Name, Reason: "more calls than it may have (limits.calls, limits.at_once)"}
	}
	if err := u.asked.Wait(ctx); err != nil {
		return busy()
	}
	select {
	case u.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return busy()
	}
}

// count keeps the outcome and ends a plugin that goes wrong again and again.
func (u *unit) count(outcome string, took time.Duration) {
	u.mu.Lock()
	u.calls[outcome]++
	u.spent += took
	switch outcome {
	case "ok":
		u.bad = 0
	case "canceled":
	default:
		u.bad++
	}
	hit := u.bad >= strikes
	u.mu.Unlock()
	if hit {
		select {
		case u.struck <- fmt.Sprintf("%d calls in a row went wrong, the last one %s", strikes, outcome):
		default:
		}
	}
}
