// Package snmp is the input that reads SNMP devices: v1, v2c and v3, as their
// profiles (internal/profile) say. It names the device, reads what it has, keeps
// every good row and says what it could not read. It listens to no traps and
// judges nothing.
package snmp

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	protocol "github.com/faultline/faultline/agent/snmp"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// idle is for how long the state of a device that is not polled is kept, at least:
// three of its intervals otherwise.
const idle = 30 * time.Minute

// keepEvery is how often what was learned is written down.
const keepEvery = 10 * time.Minute

// Options are the settings of an Input.
type Options struct {
	Profiles *profile.Set     // required
	State    string           // file in which what was learned about devices is kept; "": it is not
	Now      func() time.Time // default time.Now
	Logger   *slog.Logger     // default: discard
}

// Input reads SNMP devices. Each target keeps one open client and what was
// learned about the device.
type Input struct {
	opts Options
	net  *protocol.Transport

	layouts sync.Map // *layout by *profile.Table
	state   *state

	mu      sync.Mutex
	devices map[string]*device // by target id
	swept   time.Time
}

// New makes an Input.
func New(o Options) (*Input, error) {
	if o.Profiles == nil {
		return nil, errors.New("input snmp: no profiles")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	kept, err := openState(o.State)
	if err != nil {
		o.Logger.Warn("start without it", "err", err)
	}
	return &Input{opts: o, state: kept, net: protocol.NewTransport(protocol.Options{Now: o.Now}), devices: map[string]*device{}, swept: o.Now()}, nil
}

// Name is "snmp".
func (in *Input) Name() string { return "snmp" }

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := parse(t)
	return err
}

// Gather reads the device once. A device that does not answer the first request
// costs at most its retries plus one times the request's timeout.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	d, err := in.device(t)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err = d.poll(ctx, sink)
	if now := in.opts.Now(); now.Sub(d.keptAt) > keepEvery {
		d.keptAt = now
		in.state.keep(t.ID, d)
	}
	return err
}

// Close closes the clients of all devices. No Gather may be under way.
func (in *Input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for id, d := range in.devices {
		in.state.keep(id, d)
		d.close()
		delete(in.devices, id)
	}
	return errors.Join(in.state.write(), in.net.Close())
}

// Forget drops what is kept of a target that is not read any more; what was learned
// of its device stays on disk.
func (in *Input) Forget(target string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if d := in.devices[target]; d != nil && d.mu.TryLock() {
		in.state.keep(target, d)
		d.close()
		d.mu.Unlock()
		delete(in.devices, target)
	}
}

// device returns the state of the target's device; new settings start anew.
func (in *Input) device(t base.Target) (*device, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := in.opts.Now()
	in.sweepLocked(now)
	d := in.devices[t.ID]
	if d == nil || d.address != t.Address || !maps.Equal(d.options, t.Options) {
		c, err := parse(t)
		if err != nil {
			return nil, err
		}
		if d != nil && d.mu.TryLock() {
			in.state.keep(t.ID, d)
			d.close()
			d.mu.Unlock()
		}
		d = newDevice(c, t, &in.opts, in.net)
		d.layouts, d.learned = &in.layouts, in.state.device(t.ID)
		in.devices[t.ID] = d
	}
	d.until = now.Add(max(idle, 3*t.Interval))
	return d, nil
}

func (in *Input) sweepLocked(now time.Time) {
	if now.Sub(in.swept) < idle/3 {
		return
	}
	in.swept = now
	if err := in.state.write(); err != nil {
		in.opts.Logger.Warn("it is tried again", "err", err)
	}
	for id, d := range in.devices {
		if now.After(d.until) && d.mu.TryLock() {
			in.state.keep(id, d)
			d.close()
			d.mu.Unlock()
			delete(in.devices, id)
		}
	}
}
