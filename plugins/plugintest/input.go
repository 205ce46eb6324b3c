package plugintest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// InputCase is an input with something to measure.
type InputCase struct {
	Input   input.Input
	Targets []base.Target // that answer; two or more of them are also read at once
	Silent  base.Target   // takes what is sent to it and never answers
	Closed  base.Target   // refuses connections
	Bad     []base.Target // whose settings cannot work: an input.Checker refuses them
	Timeout time.Duration // of one reading; zero: 10 s
	// Patience is how long a silent target is waited for; zero: 1.5 s.
	Patience time.Duration
}

// slack is how long after its deadline a reading may come back.
const slack = 2 * time.Second

var (
	metricForm = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelForm  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// Input is the suite of inputs.
func Input(c InputCase) []Check {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 1500 * time.Millisecond
	}
	return []Check{
		named(c.Input.Name),
		{"a target that answers is read", c.reads},
		{"samples are in form", c.form},
		{"the same target gives the same series", c.stable},
		{"targets are read at once", c.atOnce},
		{"a target that refuses is an error", c.closed},
		{"a target that is silent is an error in time", c.silent},
		{"a reading that is given up ends", c.givenUp},
		{"nothing is handed over after the end", c.sinkLetGo},
		{"secrets come out nowhere", c.secrets},
		{"settings that cannot work are refused", c.bad},
	}
}

// reading is what one Gather handed over.
type reading struct {
	base.Batch
	events []base.Event
	closed atomic.Bool
	late   atomic.Int64
	mu     sync.Mutex
}

func (r *reading) take(f func()) {
	if r.closed.Load() {
		r.late.Add(1)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// Sample implements input.Sink.
func (r *reading) Sample(s base.Sample) { r.take(func() { r.Samples = append(r.Samples, s) }) }

// Block implements input.Sink.
func (r *reading) Block(b base.Block) { r.take(func() { r.Blocks = append(r.Blocks, b) }) }

// Event implements input.Sink.
func (r *reading) Event(e base.Event) { r.take(func() { r.events = append(r.events, e) }) }

// gather reads a target once.
func (c InputCase) gather(ctx context.Context, t base.Target, timeout time.Duration) (*reading, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t.Timeout = timeout
	r := &reading{}
	var outcome error
	err := within(timeout+slack, "gather "+t.ID, func() error {
		outcome = c.Input.Gather(ctx, t, r)
		r.closed.Store(true)
		return nil
	})
	if err != nil {
		return &reading{}, err
	}
	return r, outcome
}

// readable is a reading that succeeded.
func (c InputCase) readable(ctx context.Context, t base.Target) (*reading, error) {
	r, err := c.gather(ctx, t, c.Timeout)
	if err != nil && !errors.As(err, new(input.Partial)) {
		return nil, fmt.Errorf("target %s: %w", t.ID, err)
	}
	if r.Len() == 0 {
		return nil, fmt.Errorf("target %s: no sample, and no error", t.ID)
	}
	return r, nil
}

func (c InputCase) reads(ctx context.Context) error {
	if len(c.Targets) == 0 {
		return errors.New("the case names no target that answers")
	}
	for _, t := range c.Targets {
		if _, err := c.readable(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (c InputCase) form(ctx context.Context) error {
	var faults []error
	for _, t := range c.Targets {
		began := time.Now()
		r, err := c.readable(ctx, t)
		if err != nil {
			return err
		}
		faults = append(faults, r.faults(began, time.Now())...)
	}
	if len(faults) > 10 {
		faults = append(faults[:10], fmt.Errorf("and %d more", len(faults)-10))
	}
	return errors.Join(faults...)
}

// faults are all ways in which a reading is not what a contract asks for.
func (r *reading) faults(began, ended time.Time) (faults []error) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for i := range r.Blocks {
		if !r.Blocks[i].Whole() {
			bad("block %d: its parts do not fit each other", i)
			return faults
		}
	}
	seen := map[string]bool{}
	for _, s := range r.All() {
		key := fmt.Sprint(s.Labels)
		name := s.Labels.Name()
		switch {
		case !metricForm.MatchString(name):
			bad("sample %v: name %q", s.Labels, name)
		case name == "up" || strings.HasPrefix(name, "scrape_"):
			bad("sample %s: the caller writes this one", name)
		case seen[key]:
			bad("series %v: there twice", s.Labels)
		case base.IsMissing(s.Value):
			bad("series %v: no value", s.Labels)
		}
		seen[key] = true
		faults = append(faults, labelFaults(s.Labels)...)
		// Devices keep time of their own and a reading may be of something older,
		// but not by hours.
		if at := time.UnixMilli(s.Time); at.Before(began.Add(-time.Hour)) || at.After(ended.Add(time.Minute)) {
			bad("series %v: measured at %s, read at %s", s.Labels, at, began)
		}
	}
	for _, e := range r.events {
		if e.Kind == "" {
			bad("event %q: no kind", e.Text)
		}
	}
	return faults
}

func labelFaults(ls base.Labels) (faults []error) {
	for i, l := range ls {
		if !labelForm.MatchString(l.Name) {
			faults = append(faults, fmt.Errorf("series %v: label name %q", ls, l.Name))
		}
		if l.Value == "" {
			faults = append(faults, fmt.Errorf("series %v: label %s is empty: leave it out", ls, l.Name))
		}
		if i > 0 && ls[i-1].Name >= l.Name {
			faults = append(faults, fmt.Errorf("series %v: labels are not sorted, or %s is there twice", ls, l.Name))
		}
	}
	return faults
}

func (r *reading) series() map[string]bool {
	m := map[string]bool{}
	for _, s := range r.All() {
		m[fmt.Sprint(s.Labels)] = true
	}
	return m
}

func (c InputCase) stable(ctx context.Context) error {
	for _, t := range c.Targets {
		first, err := c.readable(ctx, t)
		if err != nil {
			return err
		}
		second, err := c.readable(ctx, t)
		if err != nil {
			return err
		}
		was, is := first.series(), second.series()
		kept := 0
		for k := range was {
			if is[k] {
				kept++
			}
		}
		// Rates and the like need two readings, and a table's rows come and go.
		if kept*10 < len(was)*8 {
			return fmt.Errorf("target %s: of %d series %d are there again: something that changes stands in a label", t.ID, len(was), kept)
		}
	}
	return nil
}

func (c InputCase) atOnce(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(c.Targets))
	for i, t := range c.Targets {
		wg.Go(func() {
			for range 5 {
				if _, err := c.readable(ctx, t); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c InputCase) closed(ctx context.Context) error {
	if c.Closed.ID == "" {
		return nil
	}
	_, err := c.gather(ctx, c.Closed, c.Timeout)
	if err == nil || errors.As(err, new(input.Partial)) {
		return fmt.Errorf("a target that is not there counts as up: got %w", orNone(err))
	}
	return nil
}

func (c InputCase) silent(ctx context.Context) error {
	if c.Silent.ID == "" {
		return errors.New("the case names no target that is silent")
	}
	_, err := c.gather(ctx, c.Silent, c.Patience)
	if err == nil || errors.As(err, new(input.Partial)) {
		return fmt.Errorf("a target that never answered counts as up: got %w", orNone(err))
	}
	if strings.Contains(err.Error(), "not back after") {
		return err
	}
	return nil
}

func (c InputCase) givenUp(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(200*time.Millisecond, cancel)
	t := c.Silent
	t.Timeout = 2 * time.Second
	return within(2*time.Second+slack, "a reading that was given up", func() error {
		if err := c.Input.Gather(ctx, t, &reading{}); err == nil {
			return errors.New("a reading that was given up succeeded")
		}
		return nil
	})
}

func (c InputCase) sinkLetGo(ctx context.Context) error {
	for _, t := range append(slices.Clone(c.Targets), c.Silent) {
		r, _ := c.gather(ctx, t, c.Patience)
		select { // a straggler has this long to show itself
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		if n := r.late.Load(); n > 0 {
			return fmt.Errorf("target %s: %d samples after the reading had ended", t.ID, n)
		}
	}
	return nil
}

func (c InputCase) secrets(ctx context.Context) error {
	for _, t := range append(slices.Clone(c.Targets), c.Closed) {
		if t.ID == "" {
			continue
		}
		t.Options = maps.Clone(t.Options)
		if t.Options == nil {
			t.Options = map[string]string{}
		}
		if _, has := t.Options["password"]; !has { // an own one is needed to be let in
			t.Options["password"] = secretMark
		}
		r, err := c.gather(ctx, t, c.Timeout)
		if err != nil {
			if lerr := leaked("the error", err.Error()); lerr != nil {
				return lerr
			}
		}
		for s := range r.series() {
			if err := leaked("a label", s); err != nil {
				return err
			}
		}
		for _, e := range r.events {
			if err := leaked("an event", fmt.Sprint(e)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c InputCase) bad(context.Context) error {
	k, ok := c.Input.(input.Checker)
	if !ok {
		return nil
	}
	for _, t := range c.Targets {
		if err := k.CheckTarget(t); err != nil {
			return fmt.Errorf("target %s answers and is refused: %w", t.ID, err)
		}
	}
	for _, t := range c.Bad {
		if k.CheckTarget(t) == nil {
			return fmt.Errorf("target %s (address %q, options %v) is not refused", t.ID, t.Address, t.Options)
		}
	}
	return nil
}
