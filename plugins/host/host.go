// Package host runs plugins: programs that serve the contracts of plugins/input,
// ticket, notify and remedy from a process of their own. It starts them when their
// checksums are the pinned ones, watches what they cost and say, ends and
// restarts them, and makes each look like a built-in implementation. A plugin
// that crashes, hangs, floods or lies costs nothing but itself.
//
// This package links gRPC: the resident agent uses plugins/host/pipe instead and
// leaves this one to the program faultline-plugin-host.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/remedy"
	"github.com/faultline/faultline/plugins/ticket"
)

// Options configure a Host.
type Options struct {
	Plugins []spec.Plugin
	Values  map[string]map[string]string // settings by plugin's name; a plugin that is not in it has those of its spec
	Dir     string                       // of our own, for copies of the programs; must allow programs to be started
	Logger  *slog.Logger
	Cgroup  string // below which plugins get cgroups of their own; "" is found out, "none" is none
	Pace    Pace
}

// Pace is how fast a host reacts. Zero fields have the defaults named.
type Pace struct {
	Least, Most time.Duration // between an end and the next start: 1 s, doubling to 5 min
	Steady      time.Duration // a run of this length is no failure: 10 min
	Health      time.Duration // between questions whether the plugin is well: 10 s
	Answer      time.Duration // that such an answer may take: 5 s
	Watch       time.Duration // between looks at its memory: 250 ms
	Grace       time.Duration // between being asked to end and being ended: 2 s
}

func (p Pace) filled() Pace {
	d := Pace{Least: time.Second, Most: 5 * time.Minute, Steady: 10 * time.Minute, Health: 10 * time.Second, Answer: 5 * time.Second, Watch: 250 * time.Millisecond, Grace: 2 * time.Second}
	for _, f := range []struct{ v, d *time.Duration }{{&p.Least, &d.Least}, {&p.Most, &d.Most}, {&p.Steady, &d.Steady}, {&p.Health, &d.Health}, {&p.Answer, &d.Answer}, {&p.Watch, &d.Watch}, {&p.Grace, &d.Grace}} {
		if *f.v == 0 {
			*f.v = *f.d
		}
	}
	return p
}

// Host runs plugins. Its methods may be called from several goroutines.
type Host struct {
	units []*unit
	dir   string
}

// New makes a Host; nothing is started before Run.
func New(o Options) (*Host, error) {
	if err := spec.Validate(o.Plugins); err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	if o.Dir == "" {
		return nil, errors.New("plugins: no directory for copies of the programs")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch o.Cgroup {
	case "":
		o.Cgroup = ownGroup()
	case "none":
		o.Cgroup = ""
	}
	h := &Host{dir: o.Dir}
	for _, p := range o.Plugins {
		values, ok := o.Values[p.Name]
		if !ok {
			var err error
			if values, err = p.Values(); err != nil {
				return nil, err
			}
		}
		h.units = append(h.units, newUnit(p, values, filepath.Join(o.Dir, p.Contract+"-"+p.Name), o))
	}
	return h, nil
}

// Run keeps the plugins running until ctx ends; when it returns, none is left.
func (h *Host) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, u := range h.units {
		all.Go(func() { u.run(ctx) })
	}
	all.Wait()
	return ctx.Err()
}

func (h *Host) unit(contract, name string) *unit {
	for _, u := range h.units {
		if u.spec.Contract == contract && u.spec.Name == name {
			return u
		}
	}
	return nil
}

// Input returns the input of this name, whether or not its plugin runs now.
func (h *Host) Input(name string) (input.Input, bool) {
	u := h.unit(spec.Input, name)
	return inputPlugin{u}, u != nil
}

// Desk returns the ticket desk of this name. It is a ticket.Follower, whose
// Updates are none when the plugin serves none.
func (h *Host) Desk(name string) (ticket.Desk, bool) {
	u := h.unit(spec.Ticket, name)
	return deskPlugin{u}, u != nil
}

// Channel returns the channel of this name.
func (h *Host) Channel(name string) (notify.Channel, bool) {
	u := h.unit(spec.Notify, name)
	return channelPlugin{u}, u != nil
}

// Runner returns the runner of remedies of this name.
func (h *Host) Runner(name string) (remedy.Runner, bool) {
	u := h.unit(spec.Remedy, name)
	return runnerPlugin{u}, u != nil
}

// Inputs returns all inputs.
func (h *Host) Inputs() []input.Input {
	var all []input.Input
	for _, u := range h.units {
		if u.spec.Contract == spec.Input {
			all = append(all, inputPlugin{u})
		}
	}
	return all
}

// Status tells how every plugin is.
func (h *Host) Status() []spec.Status {
	all := make([]spec.Status, len(h.units))
	for i, u := range h.units {
		all[i] = u.status()
	}
	return all
}

// Await returns when the plugin runs, or with the reason why it does not when
// ctx ends before.
func (h *Host) Await(ctx context.Context, contract, name string) error {
	u := h.unit(contract, name)
	if u == nil {
		return fmt.Errorf("plugin %s: not configured", name)
	}
	for {
		u.mu.Lock()
		state, problem, changed, ready := u.state, u.problem, u.changed, u.client != nil && !u.proc.over()
		u.mu.Unlock()
		if state == spec.Running && ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("plugin %s is %s: %s", name, state, problem)
		}
	}
}
