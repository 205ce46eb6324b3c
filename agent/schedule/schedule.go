// Package schedule polls all targets of an agent: each on its own beat, spread
// by a stable jitter, within a deadline of its own, never twice at once, and
// never waiting for another's slowness beyond the bound on concurrency. It
// writes up and the scrape_* series of every target. It keeps nothing on disk
// and knows no input by name.
package schedule

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/selfmetric"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Options are the settings of a Scheduler. Inputs and Sink are required.
type Options struct {
	Inputs map[string]input.Input
	// Sink takes what one Gather found, from any goroutine. The slices are the
	// Sink's to keep. It should not block for long: the target's next poll waits.
	Sink func(batch base.Batch, events []base.Event)

	Interval    time.Duration // of targets that name none; default 15 s
	Timeout     time.Duration // of targets that name none; default 9/10 of the interval, at most 10 s
	Concurrency int           // polls at once; default 64
	MaxSamples  int           // kept of one Gather; default 100,000

	// A target whose health changes is polled again after Suspicion, up to
	// SuspicionPolls times, so that one lost poll is told from an outage.
	// Default 1 s and 5; a negative SuspicionPolls turns it off.
	Suspicion      time.Duration
	SuspicionPolls int

	// After EjectAfter failures in a row a target is polled every EjectInterval
	// only, until it answers. Zero: never.
	EjectAfter    int
	EjectInterval time.Duration

	Agent string // put on events that name none

	Now        func() time.Time      // default time.Now
	NewID      func() string         // ids of events that have none; default random
	Logger     *slog.Logger          // default: discard
	Registerer selfmetric.Registerer // default: not registered
}

func (o *Options) setDefaults() error {
	if len(o.Inputs) == 0 || o.Sink == nil {
		return errors.New("schedule: inputs and sink are required")
	}
	setDefault(&o.Interval, 15*time.Second)
	setDefault(&o.Concurrency, 64)
	setDefault(&o.MaxSamples, 100_000)
	setDefault(&o.Suspicion, time.Second)
	setDefault(&o.SuspicionPolls, 5)
	setDefault(&o.EjectInterval, 5*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Interval < 0 || o.Timeout < 0 || o.Concurrency < 0 || o.MaxSamples < 0 || o.Suspicion < 0 || o.EjectAfter < 0 {
		return errors.New("schedule: negative setting")
	}
	return nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Scheduler polls targets. SetTargets, CheckNow and Status may be called from
// any goroutine, also before Run.
type Scheduler struct {
	opts    Options
	metrics *metrics
	wake    chan struct{} // capacity 1

	mu      sync.Mutex
	jobs    map[string]*job // by target id
	due     jobHeap         // jobs waiting for their time; the rest are queued
	ready   []*job          // due, but the bound on concurrency is reached
	active  int             // jobs being polled
	running bool            // Run is at work
	polls   sync.WaitGroup  // goroutines that poll
	ctx     context.Context // of Run, for the polls it starts
}

// New makes a Scheduler without targets.
func New(o Options) (*Scheduler, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	s := &Scheduler{opts: o, wake: make(chan struct{}, 1), jobs: map[string]*job{}}
	s.metrics = newMetrics(o.Registerer)
	return s, nil
}

// SetTargets makes ts the set to poll. Targets that did not change keep their
// beat and state; a poll under way of one that left is let finish, and its
// samples are dropped. One that changed is polled anew when that poll is over. Targets that cannot be polled are named in the error and
// left out; the others are taken all the same.
func (s *Scheduler) SetTargets(ts []base.Target) error {
	var faults []error
	want := make(map[string]base.Target, len(ts))
	for _, t := range ts {
		if err := s.check(t, want); err != nil {
			faults = append(faults, err)
			continue
		}
		want[t.ID] = t
	}
	s.mu.Lock()
	before, idle := s.removeOthersLocked(want)
	now := s.opts.Now()
	for id, t := range want {
		if s.jobs[id] == nil {
			j := s.newJob(t)
			j.before = before[id]
			j.next = now.Add(firstDelay(id, j.interval))
			s.jobs[id] = j
			heap.Push(&s.due, j)
		}
	}
	s.metrics.targets.Set(float64(len(s.jobs)))
	s.metrics.left.Set(float64(s.leftLocked()))
	s.mu.Unlock()
	s.over(idle...)
	s.nudge()
	return errors.Join(faults...)
}

// removeOthersLocked takes out all jobs whose target is not wanted as it is. It
// returns which have to be over before another takes their place, by id, and which
// of those that are not polled are yet to be ended.
func (s *Scheduler) removeOthersLocked(want map[string]base.Target) (before map[string]*job, idle []*job) {
	before = map[string]*job{}
	for id, j := range s.jobs {
		t, ok := want[id]
		if ok && j.same(t) {
			continue
		}
		s.removeLocked(j)
		if j.before != nil { // it was never polled
			j = j.before
		}
		j.goesOn = ok && j.sameSeries(t)
		if !j.running && !j.ending && !j.goesOn {
			j.ending = true
			idle = append(idle, j)
		}
		if j.running || j.ending {
			before[id] = j
		}
	}
	return before, idle
}

func (s *Scheduler) check(t base.Target, known map[string]base.Target) error {
	in := s.opts.Inputs[t.Input]
	switch {
	case t.ID == "":
		return fmt.Errorf("target %s %s: no id", t.Input, t.Address)
	case in == nil:
		return fmt.Errorf("target %s: no input %q; there are %s", t.ID, t.Input, strings.Join(s.inputNames(), ", "))
	case t.Interval < 0 || t.Timeout < 0:
		return fmt.Errorf("target %s: negative interval or timeout", t.ID)
	}
	if _, twice := known[t.ID]; twice {
		return fmt.Errorf("target %s: id is there twice", t.ID)
	}
	if c, ok := in.(input.Checker); ok {
		if err := c.CheckTarget(t); err != nil {
			return fmt.Errorf("target %s: %w", t.ID, err)
		}
	}
	return nil
}

func (s *Scheduler) inputNames() []string {
	var names []string
	for n := range s.opts.Inputs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (s *Scheduler) removeLocked(j *job) {
	delete(s.jobs, j.target.ID)
	j.gone = true
	if j.heapAt >= 0 {
		heap.Remove(&s.due, j.heapAt)
	}
	if i := slices.Index(s.ready, j); i >= 0 {
		s.ready = slices.Delete(s.ready, i, i+1)
		j.queued = false
	}
	j.finishWaiters()
}

// nudge makes Run look again; it never blocks.
func (s *Scheduler) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run polls until ctx ends, then waits for the polls under way. It is called once.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return errors.New("schedule: already running")
	}
	s.running, s.ctx = true, ctx
	s.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, stuck := s.tick()
		if len(stuck) > 0 {
			s.opts.Sink(base.Batch{Samples: stuck}, nil)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			s.stop()
			return ctx.Err()
		case <-timer.C:
		case <-s.wake:
		}
	}
}

// stop waits for all polls and frees whoever waits for a check.
func (s *Scheduler) stop() {
	s.mu.Lock()
	s.running = false
	s.mu.Unlock()
	s.polls.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = nil
	for _, j := range s.jobs {
		j.finishWaiters()
	}
}

// tick starts what is due. It returns how long nothing will be, and what to say
// in place of polls that do not return.
func (s *Scheduler) tick() (wait time.Duration, stuck []base.Sample) {
	const idle = time.Minute
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	for len(s.due) > 0 {
		j := s.due[0]
		if wait = j.next.Sub(now); wait > 0 {
			return min(wait, idle), stuck
		}
		j.next = j.nextBeat(now)
		heap.Fix(&s.due, 0)
		s.dispatchLocked(j, now)
		polled := j
		if j.before != nil {
			polled = j.before
		}
		if polled.running && now.After(polled.deadline.Add(stuckGrace)) {
			stuck = append(stuck, j.stuckSample(now))
		}
	}
	return idle, stuck
}

// dispatchLocked starts the job, queues it when too many are under way, or
// skips this beat when it has not finished the last one.
func (s *Scheduler) dispatchLocked(j *job, now time.Time) {
	switch {
	case j.running, j.queued:
		s.metrics.skipped.WithLabelValues(j.target.Input).Inc()
	case j.before != nil, j.ending:
		j.late = true
	case s.active >= s.opts.Concurrency:
		s.metrics.delayed.Inc()
		j.queued = true
		s.ready = append(s.ready, j)
	default:
		s.startLocked(j, now)
	}
}

// stuckGrace is how long after its deadline a poll that does not return is
// taken for dead: up 0 is written in its place at every beat.
const stuckGrace = time.Second

func (s *Scheduler) startLocked(j *job, now time.Time) {
	j.running, j.queued = true, false
	j.deadline = now.Add(j.timeout)
	j.current, j.waiting = j.waiting, nil
	s.active++
	s.metrics.running.Set(float64(s.active))
	ctx := s.ctx
	s.polls.Go(func() { s.poll(ctx, j) })
}

// finished takes a job back after its poll and starts the next that waits.
func (s *Scheduler) finished(j *job, good bool) {
	s.mu.Lock()
	now := s.opts.Now()
	j.running = false
	for _, done := range j.current {
		close(done)
	}
	j.current = nil
	s.active--
	over := j.gone || j.left != ""
	if over {
		j.empty()
		j.ending = true
	} else {
		s.judgeLocked(j, good, now)
		if len(j.waiting) > 0 { // asked for while this poll was under way: it must be a fresh one
			j.queued = true
			s.ready = append(s.ready, j)
		}
	}
	s.startReadyLocked(now)
	s.metrics.running.Set(float64(s.active))
	s.mu.Unlock()
	if over {
		s.over(j)
	}
	s.nudge()
}

// judgeLocked decides when the job is polled next: at its beat, sooner when its
// health seems to have changed, later when it is dead and may be left alone.
func (s *Scheduler) judgeLocked(j *job, good bool, now time.Time) {
	if good {
		j.failures = 0
	} else {
		j.failures++
	}
	next := j.next
	if j.suspect(good, s.opts.SuspicionPolls) && s.opts.Suspicion < j.interval {
		next = minTime(now.Add(s.opts.Suspicion), next)
	}
	if s.opts.EjectAfter > 0 && j.failures >= s.opts.EjectAfter && s.opts.EjectInterval > j.interval {
		next = now.Add(s.opts.EjectInterval)
	}
	if next != j.next && j.heapAt >= 0 {
		j.next = next
		heap.Fix(&s.due, j.heapAt)
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
