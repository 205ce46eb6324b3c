package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/internal/wire"
)

// Bounds of what one answer may ask for.
const (
	answerLimit = 16 << 20 // bytes
	checkLimit  = 64       // checks taken from one answer
	checkLife   = 10 * time.Minute
)

// minInterval keeps an agent from spinning on a collector that answers at once.
const minInterval = 200 * time.Millisecond

// Options are a control's settings. Link, Dir and OnWork are required.
type Options struct {
	Link *link.Client
	Dir  string // the last work is kept in Dir/work.json

	// OnWork takes over a new configuration: the one remembered from before, once
	// when Run starts, and each new version. Checks are not in it. It is called
	// from Run's goroutine and returns soon. An error refuses it: what was in force
	// stays so, is remembered, and the collector is told why.
	OnWork func(wire.Work) error
	// Open gives work its secrets back, which are sealed on the way and on disk.
	// Nil: they are not sealed.
	Open func(wire.Work) (wire.Work, error)
	// OnKept is told when new work is in force and remembered. Nil: nobody is.
	OnKept func(wire.Work)
	// OnProgram is told of each release offered, once. Nil: they are ignored.
	OnProgram func(wire.Program)
	// OnCheck carries out a check request, at most once for each ID and not after
	// c.Expires, which is in the agent's own clock. ctx ends with Run. It is
	// called from Run's goroutine and returns soon. Nil: checks are ignored.
	OnCheck func(ctx context.Context, c wire.Check)

	Timeout    time.Duration         // of one poll; zero: 30 s
	SlowRetry  time.Duration         // wait after a refusal that a person must mend; zero: 30 s
	Now        func() time.Time      // zero: time.Now
	Logger     *slog.Logger          // zero: discards
	Registerer selfmetric.Registerer // gets the metrics; zero: none
}

func (o *Options) setDefaults() error {
	if o.Link == nil || o.Dir == "" || o.OnWork == nil {
		return errors.New("new control: a link, a directory and OnWork are required")
	}
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.SlowRetry = cmp.Or(o.SlowRetry, 30*time.Second)
	if o.Timeout < time.Second || o.SlowRetry < 0 {
		return errors.New("new control: timeout is below 1 s or slow retry negative")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Open == nil {
		o.Open = func(w wire.Work) (wire.Work, error) { return w, nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Control polls one collector. Its fields belong to the goroutine of Run.
type Control struct {
	opt     Options
	met     *meters
	last    wire.Work // the configuration in force; Version 0 before the first
	seen    seen
	backoff link.Backoff
	offered string // the release that was offered last

	standing standing
}

// New makes a control and reads the last work from disk. A file that cannot be
// read is put aside and does not keep the agent from starting.
func New(opt Options) (*Control, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	c := &Control{opt: opt, met: newMeters()}
	if opt.Registerer != nil {
		if err := c.met.register(opt.Registerer); err != nil {
			return nil, fmt.Errorf("new control: register metrics: %w", err)
		}
	}
	last, err := c.load()
	if err != nil {
		opt.Logger.Error("control: last work unreadable, starting without the collector's targets", "error", err)
	}
	c.last = last
	c.met.version.Set(float64(last.Version))
	return c, nil
}

// Last returns the work in force: the one remembered from disk until Run has
// received a newer one. It must not be called while Run runs.
func (c *Control) Last() wire.Work { return c.last }

// Run hands over the remembered work, then polls until ctx ends and returns nil.
func (c *Control) Run(ctx context.Context) error {
	if c.last.Version != 0 {
		c.remember()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		start := c.opt.Now()
		wait := c.poll(ctx)
		if quick := minInterval - c.opt.Now().Sub(start); wait < quick {
			wait = quick
		}
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return nil
}

// poll asks once and returns how long to wait before the next time.
func (c *Control) poll(ctx context.Context) time.Duration {
	asking, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	a, err := c.opt.Link.Do(asking, link.Request{
		Method: http.MethodGet,
		Path:   c.path(),
		// The collector answers before the request is given up (RFC 7240).
		Header: http.Header{"Prefer": {fmt.Sprintf("wait=%d", int(c.opt.Timeout.Seconds()*5/6))}},
		Limit:  answerLimit,
	})
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		return c.failed("none", err)
	}
	switch a.Status {
	case http.StatusNoContent, http.StatusNotModified:
		c.succeeded()
		return 0
	case http.StatusOK:
		return c.answer(ctx, a)
	}
	err = fmt.Errorf("poll for work: status %d %s", a.Status, a.Text())
	wait := c.failed("refused", err)
	if a.Status/100 == 5 || a.Status == http.StatusTooManyRequests || a.Status == http.StatusRequestTimeout {
		return max(wait, link.RetryAfter(a.Header, c.opt.Now()))
	}
	return max(wait, c.opt.SlowRetry)
}

// answer takes over one answer.
func (c *Control) answer(ctx context.Context, a link.Answer) time.Duration {
	var w wire.Work
	if err := json.Unmarshal(a.Body, &w); err != nil {
		return c.failed("malformed", fmt.Errorf("poll for work: answer is not work: %w", err))
	}
	c.succeeded()
	checks := w.Checks
	w.Checks = nil
	if p := w.Program; p != nil && p.Offer != c.offered {
		c.offered = p.Offer
		if c.opt.OnProgram != nil {
			c.opt.OnProgram(*p)
		}
	}
	w.Program = nil
	switch refused := c.standing.get().Refused; {
	case refused != 0 && w.Version == refused: // known, and not wanted
	case isNew(c.last, w):
		c.take(w)
	case refused != 0 && w.Version == c.last.Version: // the collector took it back
		c.standing.set(Standing{Version: c.last.Version, Since: c.opt.Now()})
	}
	c.check(ctx, checks, c.skew(a.Header))
	return 0
}

// isNew tells whether w is another configuration than the one in force. A
// version with no targets takes all away; an answer without a version never does.
func isNew(last, w wire.Work) bool {
	return w.Version != last.Version && (w.Version != 0 || w.Targets != nil)
}

// take puts a new configuration in force and remembers it, unless it is refused.
func (c *Control) take(w wire.Work) {
	if err := c.try(w); err != nil {
		c.standing.set(Standing{Version: c.last.Version, Refused: w.Version, Problem: err.Error(), Since: c.opt.Now()})
		c.met.refused.Inc()
		c.opt.Logger.Error("control: new work is refused, going on with the last", "version", w.Version, "last", c.last.Version, "error", err)
		return
	}
	c.last = w
	c.standing.set(Standing{Version: w.Version, Since: c.opt.Now()})
	if err := c.save(w); err != nil {
		c.met.saveErrors.Inc()
		c.opt.Logger.Warn("control: new work is in force but not remembered", "version", w.Version, "error", err)
	}
	c.met.version.Set(float64(w.Version))
	c.opt.Logger.Info("control: new work", "version", w.Version, "targets", len(w.Targets))
	if c.opt.OnKept != nil {
		c.opt.OnKept(w)
	}
}

// failed notes a failed poll; the first of an outage is logged.
func (c *Control) failed(kind string, err error) time.Duration {
	if (c.backoff == link.Backoff{}) {
		c.opt.Logger.Warn("control: poll fails, going on with the last work", "version", c.last.Version, "error", err)
	}
	c.met.polls.WithLabelValues(kind).Inc()
	return c.backoff.Next(c.opt.Now())
}

func (c *Control) succeeded() {
	c.met.polls.WithLabelValues("ok").Inc()
	if lasted := c.backoff.Reset(c.opt.Now()); lasted > 0 {
		c.opt.Logger.Info("control: poll works again", "after", lasted.Round(time.Millisecond))
	}
}
