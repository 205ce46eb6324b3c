package scenario

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/evidence"
	"github.com/faultline/faultline/collector/metricstore"
)

// Live is a scenario that is played as time goes by, for a drill: evidence, alert
// rules and diagnosis are those that run, over a store of its own; the incidents
// are the engine's that is handed its rounds. It is a function of its scenario,
// its start and the moment of its repair, so that one that is opened again and
// advanced stands where the first one stood. Its methods may be called from
// several goroutines.
type Live struct {
	prefix string

	mu     sync.Mutex // guards the fields below
	w      *world
	noise  map[string]bool // fingerprints that fire although nothing has happened yet
	mended bool
	closed bool

	present atomic.Int64 // of the story, in nanoseconds since 1970
}

// LiveOptions configure a Live; all are required.
type LiveOptions struct {
	Scenario *Scenario
	Rules    *Rules
	Dir      string // an empty directory for its store; the caller removes it
	ID       string // of the drill: fingerprints begin with it
	Start    time.Time
	Limit    time.Duration // how long it may go on
}

// ErrClosed says that the drill is over.
var ErrClosed = errors.New("the drill's evidence is closed")

// OpenLive prepares a scenario to be played from its start. What ends last lasts
// until Mend, as does what has no end.
func OpenLive(o LiveOptions) (*Live, error) {
	s := *o.Scenario
	s.Timeline = slices.Clone(s.Timeline)
	s.start, s.Run.Duration = o.Start.UTC().Truncate(time.Second), o.Limit
	last := time.Duration(0)
	for _, t := range s.Timeline {
		last = max(last, t.Until.Duration)
	}
	for i := range s.Timeline {
		if t := &s.Timeline[i]; t.Until.Duration == last {
			t.Until, t.For = duration{}, duration{}
		}
	}
	l := &Live{prefix: "drill/" + o.ID + "/"}
	l.present.Store(s.start.UnixNano())
	var err error
	l.w, err = newWorld(&s, o.Rules, o.Dir, func() time.Time { return time.Unix(0, l.present.Load()).UTC() })
	return l, err
}

// Advance lets the company go on until now and returns what the alert rules say
// then. After a restart it makes up for what it missed.
func (l *Live) Advance(ctx context.Context, now time.Time) (engine.DrillRound, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := engine.DrillRound{Now: now, Diagnose: l.w.judge.diagnose, Quiet: l.w.judge.quiet}
	if l.closed {
		return r, ErrClosed
	}
	for ; !l.w.now.After(now); l.w.now = l.w.now.Add(time.Second) {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		l.present.Store(l.w.now.UnixNano())
		if err := l.w.second(); err != nil {
			return r, err
		}
		latest := l.w.now.Add(time.Second).After(now)
		if !latest && l.w.now.Sub(l.w.start)%idle != 0 {
			continue
		}
		if err := l.look(ctx, &r); err != nil {
			return r, err
		}
	}
	r.Firing = l.named(l.w.judge.firing)
	r.Checked = engine.CheckedBy(l.w.judge.evidence.Snapshot(now))
	return r, nil
}

// look evaluates the alert rules once.
func (l *Live) look(ctx context.Context, r *engine.DrillRound) error {
	round, err := l.w.judge.ruler.Eval(ctx, l.w.now)
	if err != nil {
		return err
	}
	if err := l.w.judge.ruler.Accept(round); err != nil {
		return err
	}
	l.w.judge.firing = round.Firing
	r.Changed = append(r.Changed, l.named(round.Changed)...)
	if l.w.now.Before(l.w.start) { // no step of the story has begun: the rules find fault with the simulation
		if l.noise == nil {
			l.noise = map[string]bool{}
		}
		for _, a := range round.Firing {
			l.noise[l.prefix+a.Fingerprint] = true
		}
	}
	return nil
}

// named gives alerts the drill's fingerprints and leaves out the noise.
func (l *Live) named(list []alert.Alert) []alert.Alert {
	out := make([]alert.Alert, 0, len(list))
	for _, a := range list {
		a.Fingerprint = l.prefix + a.Fingerprint
		if !l.noise[a.Fingerprint] {
			out = append(out, a)
		}
	}
	return out
}

// Mend ends everything that is broken, at the moment; what was to break later
// does not. It is done once.
func (l *Live) Mend(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mended || l.closed {
		return
	}
	l.mended = true
	offset := max(at.Sub(l.w.start), time.Second).Truncate(time.Second)
	for i := range l.w.s.Timeline {
		switch t := &l.w.s.Timeline[i]; {
		case t.At.Duration >= offset:
			*t = Step{}
		case !t.Until.set || t.Until.Duration > offset:
			t.Until = duration{Duration: offset, set: true}
		}
	}
	l.w.net = newNetwork(l.w.s.inv, l.w.s.Timeline, l.w.start, l.w.s.Run.Duration)
}

// Range asks the drill's own measurements, as a metricstore.Querier does.
func (l *Live) Range(ctx context.Context, expr string, start, end time.Time, step, lookback time.Duration) ([]metricstore.Series, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	return l.w.judge.store.tsdb.Range(ctx, expr, start, end, step, lookback)
}

// Snapshot is the drill's evidence at a moment.
func (l *Live) Snapshot(now time.Time) evidence.View { return l.w.judge.evidence.Snapshot(now) }

// Close ends it; what is asked of it afterwards is refused.
func (l *Live) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.w.judge.close()
}
