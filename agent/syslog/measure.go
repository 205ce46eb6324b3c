package syslog

import (
	"context"
	"slices"
	"sync"
	"time"
)

// atOnce is how many calls of Check run together.
const atOnce = 4

// wanted is a device that is to be measured.
type wanted struct {
	targets []string // still to be measured
	running bool
	ended   time.Time // of the last measuring
}

// wantLocked notes that the device's targets of these inputs be measured.
func (r *Receiver) wantLocked(d Device, inputs []string) {
	if r.opts.Check == nil {
		return
	}
	for _, t := range d.Targets {
		if !slices.Contains(inputs, t.Input) {
			continue
		}
		w := r.pending[d.Name]
		if w == nil {
			w = &wanted{}
			r.pending[d.Name] = w
		}
		if !slices.Contains(w.targets, t.ID) {
			w.targets = append(w.targets, t.ID)
		}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// measure has devices measured until ctx ends, each at most so often, a few at
// a time. What is wanted meanwhile is measured once more afterwards.
func (r *Receiver) measure(ctx context.Context) {
	if r.opts.Check == nil {
		return
	}
	var under sync.WaitGroup
	defer under.Wait()
	slots := make(chan struct{}, atOnce)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		}
		names, targets, wait := r.due(r.opts.Now())
		timer.Reset(wait)
		if len(targets) == 0 {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		under.Go(func() {
			if err := r.opts.Check(ctx, targets); err != nil && ctx.Err() == nil {
				r.opts.Logger.Warn("measure after a log line", "err", err)
			}
			r.measured(names)
			<-slots
		})
	}
}

// due returns what is to be measured now, and how long until there is more.
func (r *Receiver) due(now time.Time) (names, targets []string, wait time.Duration) {
	wait = time.Hour
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, w := range r.pending {
		rest := w.ended.Add(r.opts.CheckEvery).Sub(now)
		switch {
		case w.running:
		case len(w.targets) == 0 && rest <= 0:
			delete(r.pending, name)
		case len(w.targets) == 0:
		case rest > 0:
			wait = min(wait, rest)
		default:
			names = append(names, name)
			targets = append(targets, w.targets...)
			w.targets, w.running = nil, true
			r.meters.checks.Inc()
		}
	}
	return names, targets, wait
}

func (r *Receiver) measured(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if w := r.pending[name]; w != nil {
			w.running, w.ended = false, r.opts.Now()
		}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
