package wire

import (
	"time"

	"github.com/faultline/faultline/plugins/base"
)

// Work is the collector's answer to an agent's long poll. Version grows with
// every change of Targets; Targets is nil when the agent has that version.
type Work struct {
	Version  int64         `json:"version"`
	Interval time.Duration `json:"interval,omitempty"` // default of the targets, nanoseconds
	Targets  []base.Target `json:"targets,omitempty"`
	Checks   []Check       `json:"checks,omitempty"`
}

// Check asks an agent to poll targets now. It is idempotent by ID and not
// carried out after Expires. The answer is an event check_result with
// Attrs["request"] = ID, after the samples it is about.
type Check struct {
	ID      string    `json:"id"`
	Targets []string  `json:"targets"` // target ids
	Expires time.Time `json:"expires"`
}

// Headers of the collector's answers to writes, by which an agent knows when a
// sample is safe: it keeps what it sent until Durable has reached the Sequence
// it was answered, and sends again what was not durable when Epoch changes.
const (
	HeaderEpoch    = "Faultline-Epoch"
	HeaderSequence = "Faultline-Sequence"
	HeaderDurable  = "Faultline-Durable"
)
