// Package modbus is the input that reads registers of Modbus TCP devices, or of
// serial ones behind a gateway: temperature, humidity and leak sensors, meters,
// cooling. It only reads (functions 3 and 4) and names every value as the target's
// options say. Sensors of a room are told under the names that the rules for rooms
// judge.
package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/option"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Options are the settings of an Input.
type Options struct {
	Now func() time.Time // default time.Now
}

// Input reads Modbus devices.
type Input struct {
	opts     Options
	failures failure.Memory

	mu    sync.Mutex               // guards gates
	gates map[string]chan struct{} // by address: gateways serve one connection at a time
}

// New makes an Input.
func New(o Options) *Input {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Input{opts: o, gates: map[string]chan struct{}{}}
}

// Name is "modbus".
func (in *Input) Name() string { return "modbus" }

// settings are a target's options, checked.
type settings struct {
	address   string
	unit      byte
	registers []register
}

func parseSettings(t base.Target) (s settings, err error) {
	o := option.New("modbus", t.Options)
	_, s.address = o.HostPort(t.Address, 502)
	s.unit = byte(o.Number("unit", 1, 0, 255))
	text, profile := o.Text("registers", ""), o.Text("profile", "")
	at, sensor := o.Text("at", ""), o.Text("sensor", "")
	switch {
	case text == "" && profile == "":
		o.Fault("one of registers and profile is needed")
	case text == "" || profile == "":
	default:
		o.Fault("only one of registers and profile may be given")
	}
	if profile == "" && (at != "" || sensor != "") {
		o.Fault("at and sensor belong to a profile: registers name their own")
	}
	if profile != "" {
		s.registers, err = fromProfile(profile, at, sensor)
	} else {
		s.registers, err = parseRegisters(text)
	}
	if err != nil {
		o.Fault("%w", err)
	}
	return s, o.Err()
}

// CheckTarget reports what is wrong with the target's options.
func (in *Input) CheckTarget(t base.Target) error {
	_, err := parseSettings(t)
	return err
}

// Gather reads the target's registers once, over a connection of its own. What
// cannot be read is left out; that is Partial while anything could be.
func (in *Input) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	at := in.opts.Now().UnixMilli()
	s, err := parseSettings(t)
	if err == nil {
		if err = in.gather(ctx, s, at, sink); err != nil && !errors.As(err, new(input.Partial)) {
			err = fmt.Errorf("modbus %s unit %d: %w", s.address, s.unit, err)
		}
	}
	return in.failures.Put(sink, in.Name(), t, at, err)
}

// enter waits until nobody else of this agent asks the address.
func (in *Input) enter(ctx context.Context, address string) (leave func(), err error) {
	in.mu.Lock()
	gate := in.gates[address]
	if gate == nil {
		gate = make(chan struct{}, 1)
		in.gates[address] = gate
	}
	in.mu.Unlock()
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("another target of this address was being read all the time: %w", ctx.Err())
	}
}

func (in *Input) gather(ctx context.Context, s settings, at int64, sink input.Sink) error {
	leave, err := in.enter(ctx, s.address)
	if err != nil {
		return err
	}
	defer leave()
	c := &client{address: s.address, unit: s.unit}
	defer c.close()
	var faults []error
	read := 0
	for _, span := range spans(s.registers) {
		words, err := c.read(ctx, span.function, span.first, span.count)
		if err != nil {
			err = fmt.Errorf("%s: %w", span, err)
			if !errors.As(err, new(exception)) {
				if read == 0 {
					return err
				}
				faults = append(faults, err)
				break // a connection that failed twice is not tried for the rest
			}
			faults = append(faults, err)
			continue
		}
		for _, r := range span.registers {
			if v, ok := r.value(words[r.address-span.first:]); ok {
				r.emit(v, at, sink)
			}
			read++
		}
	}
	switch {
	case len(faults) == 0:
		return nil
	case read > 0:
		return input.Partial{Err: errors.Join(faults...)}
	}
	return failure.As(failure.Status, errors.Join(faults...))
}
