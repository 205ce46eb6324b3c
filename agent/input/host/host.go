// Package host is the input that measures the machine the agent runs on, with
// the metric and label names of node_exporter, so that its boards and rules run
// unchanged. On Linux it reads /proc and /sys beside gopsutil; elsewhere it
// gives the subset that gopsutil knows. It starts no program and needs no root.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Options are the settings of an Input; the roots are for tests and containers.
type Options struct {
	Proc string // default /proc
	Sys  string // default /sys
	Root string // where /etc is; default /

	Now func() time.Time // default time.Now
}

// Input measures this machine.
type Input struct {
	opts       Options
	collectors []collector

	mu    sync.Mutex // held while measuring; guards what follows
	cache *labelCache
	buf   []byte
}

// collector reads one kind of thing, as node_exporter divides them.
type collector struct {
	name string
	read func(ctx context.Context, e *emitter) error
}

// New makes an Input.
func New(o Options) *Input {
	for _, d := range []struct {
		v         *string
		otherwise string
	}{{&o.Proc, "/proc"}, {&o.Sys, "/sys"}, {&o.Root, "/"}} {
		if *d.v == "" {
			*d.v = d.otherwise
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	in := &Input{opts: o, cache: newLabelCache(), buf: make([]byte, 16<<10)}
	in.collectors = collectors(o, gopsutil{})
	return in
}

// Name is "host".
func (in *Input) Name() string { return "host" }

// CheckTarget refuses options: there are none.
func (in *Input) CheckTarget(t base.Target) error {
	for name := range t.Options {
		return fmt.Errorf("option %q is not known: input host has no options", name)
	}
	return nil
}

// Gather measures the machine once. What does not exist here is left out; what
// exists and cannot be read makes the result partial.
func (in *Input) Gather(ctx context.Context, _ base.Target, sink input.Sink) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	e := &emitter{sink: sink, cache: in.cache, buf: &in.buf, now: in.opts.Now}
	in.cache.poll++
	var faults []error
	for _, c := range in.collectors {
		if err := ctx.Err(); err != nil {
			return input.Partial{Err: err}
		}
		start := in.opts.Now()
		e.at = start.UnixMilli()
		err := c.read(ctx, e)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		e.put("node_scrape_collector_duration_seconds", in.opts.Now().Sub(start).Seconds(), "collector", c.name)
		e.put("node_scrape_collector_success", truth(err == nil), "collector", c.name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %s", c.name, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
	}
	in.cache.sweep()
	if len(faults) > 0 {
		return input.Partial{Err: errors.Join(faults...)}
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
