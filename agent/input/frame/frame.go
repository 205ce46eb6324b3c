// Package frame is what inputs have alike that read something of this machine:
// a target's options are read into settings, checked when the target is given and
// again at each reading, and what a reading ends with is told as a series. What
// is read is the input's own.
package frame

import (
	"context"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Work is what an input does. All fields but Now are required.
type Work[S any] struct {
	Name  string
	Now   func() time.Time // default time.Now
	Parse func(base.Target) (S, error)
	// Gather reads once; now is the time of what it tells.
	Gather func(ctx context.Context, s S, now time.Time, put Put) error
}

// Put hands over one value; pairs are label names and values in turn, and a label
// without a value is left out.
type Put func(name string, value float64, pairs ...string)

// Input is an input in the frame. It may be used from several goroutines as far
// as the Work's Gather may.
type Input[S any] struct {
	work     Work[S]
	failures failure.Memory
}

// New makes an Input.
func New[S any](w Work[S]) *Input[S] {
	if w.Now == nil {
		w.Now = time.Now
	}
	return &Input[S]{work: w}
}

// Name is the Work's.
func (in *Input[S]) Name() string { return in.work.Name }

// CheckTarget reports what is wrong with the target's options.
func (in *Input[S]) CheckTarget(t base.Target) error {
	_, err := in.work.Parse(t)
	return err
}

// Gather reads once.
func (in *Input[S]) Gather(ctx context.Context, t base.Target, sink input.Sink) error {
	now := in.work.Now()
	s, err := in.work.Parse(t)
	if err == nil {
		err = in.work.Gather(ctx, s, now, putter(sink, now))
	}
	return in.failures.Put(sink, in.work.Name, t, now.UnixMilli(), err)
}

func putter(sink input.Sink, now time.Time) Put {
	return func(name string, v float64, pairs ...string) {
		labels := make(map[string]string, len(pairs)/2)
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				labels[pairs[i]] = pairs[i+1]
			}
		}
		sink.Sample(base.Sample{Labels: base.LabelsFrom(name, labels), Time: now.UnixMilli(), Value: v})
	}
}
