package wire

import (
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/host/spec"
)

// Work is the collector's answer to an agent's long poll. Version grows with
// every change of Targets; Targets is nil when the agent has that version.
type Work struct {
	Version  int64         `json:"version"`
	Interval time.Duration `json:"interval,omitempty"` // default of the targets, nanoseconds
	Targets  []base.Target `json:"targets,omitempty"`
	Checks   []Check       `json:"checks,omitempty"`

	Settings *Settings `json:"settings,omitempty"` // of the agent itself; nil: its own file's
	Secrets  string    `json:"secrets,omitempty"`  // the targets' secret options, sealed to the agent's key (package seal); "": they stand in the targets
	Program  *Program  `json:"program,omitempty"`  // the release the agent is to run; nil: the one it runs. Not part of Version
}

// Settings are what head office says of the agent itself. What the agent's own
// file names counts more.
type Settings struct {
	Concurrency int               `json:"concurrency,omitempty"`  // measurements at once
	BacklogRate float64           `json:"backlog_rate,omitempty"` // samples a second sent from the backlog
	Profiles    map[string]string `json:"profiles,omitempty"`     // device profiles: file name → YAML
	Plugins     []spec.Plugin     `json:"plugins,omitempty"`      // inputs in programs of their own
}

// Program is a release of the agent: its signed manifest, as it was signed.
type Program struct {
	Version   string `json:"version"`
	Offer     string `json:"offer"`     // another one for each time it is offered: an agent tries each once
	Manifest  []byte `json:"manifest"`  // JSON of package release
	Signature []byte `json:"signature"` // Ed25519, of Manifest
}

// AgentState is what an agent says of itself, to PathAgentState.
type AgentState struct {
	Version   int64    `json:"version"`             // of the work in force; 0: none
	Rejected  int64    `json:"rejected,omitempty"`  // version it would not take
	Problem   string   `json:"problem,omitempty"`   // why not
	Own       []string `json:"own,omitempty"`       // settings that its own file decides
	Targets   int      `json:"targets"`             // it measures
	Up        int      `json:"up"`                  // of these answered last time
	Measured  int      `json:"measured"`            // of these were measured at least once since the version is in force
	Failing   []string `json:"failing,omitempty"`   // ids of those that did not answer, or whose probe did not succeed, last time; at most MostNamed
	Pending   []string `json:"pending,omitempty"`   // ids of those not measured since the version is in force; at most MostNamed
	Acked     bool     `json:"acked"`               // the collector acknowledged something since the version is in force
	Program   string   `json:"program"`             // version of the program that runs
	Refused   string   `json:"refused,omitempty"`   // release it would not run or that failed its trial
	Why       string   `json:"why,omitempty"`       // why it was refused
	Updatable bool     `json:"updatable,omitempty"` // it can replace its own program
}

// MostNamed bounds the targets that an AgentState names in each of its lists; a
// list of that length may not be whole.
const MostNamed = 200

// PathAgentState is where agents put their AgentState.
const PathAgentState = "/api/v1/agents/self/state"

// PathAgentProgram is where agents fetch programs: PathAgentProgram + SHA-256.
const PathAgentProgram = "/api/v1/agents/self/program/"

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

// HeaderBacklog marks a write of samples that were kept through a cut. A collector
// that many send them to at once asks for patience, and the sender goes on with
// what is live meanwhile.
const HeaderBacklog = "Faultline-Backlog"
