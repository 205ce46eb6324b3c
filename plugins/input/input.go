// Package input is the contract of everything that measures: built-in inputs
// and external plugins implement it alike, and the agent cannot tell them apart.
package input

import (
	"context"

	"github.com/faultline/faultline/plugins/base"
)

// Sink takes what a Gather finds. It is used from one goroutine at a time and
// must not be kept after Gather returns. It never blocks for long: what does
// not fit is counted and dropped by the owner of the Sink.
type Sink interface {
	// Sample takes one value. The target's own labels are added by the caller of
	// Gather; a label that the input sets itself wins.
	Sample(s base.Sample)
	// Block takes the samples of one reading of a table. The Sink may keep and
	// change the block's slices, but not the labels in them.
	Block(b base.Block)
	// Event takes one event; ID, Agent and Site may be left empty and are filled in.
	Event(e base.Event)
}

// Input measures targets of one kind.
type Input interface {
	// Name is the word targets name the input by. It never changes.
	Name() string
	// Gather reads the target once, within ctx's deadline, and hands everything
	// it could read to sink, each sample with the time of its own measuring. It
	// returns an error when the target did not answer or answered in part only;
	// what was already handed over stays valid. It may be called for different
	// targets at once, never twice at once for the same target. `up` and the
	// scrape_* series are written by the caller from the outcome.
	Gather(ctx context.Context, t base.Target, sink Sink) error
}

// Checker is implemented by inputs that can refuse a target before polling it.
type Checker interface {
	// CheckTarget returns what is wrong with the target's settings, or nil.
	CheckTarget(t base.Target) error
}

// Partial is an error that says the target answered, but not all of it could
// be read: the target counts as up.
type Partial struct{ Err error }

// Error returns the text of the wrapped error.
func (p Partial) Error() string { return "partial: " + p.Err.Error() }

// Unwrap returns the wrapped error.
func (p Partial) Unwrap() error { return p.Err }
