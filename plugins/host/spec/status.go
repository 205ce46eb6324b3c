package spec

import "time"

// What a plugin may be doing.
const (
	Waiting  = "waiting"  // for its next start
	Starting = "starting" // it was started and has not answered yet
	Running  = "running"
	Refused  = "refused" // its program is not what was pinned, or not a plugin for this host
	Stopped  = "stopped"
)

// Status is a plugin as it is now, and what it did since the host began.
type Status struct {
	Name      string            `json:"name"`
	Contract  string            `json:"contract"`
	State     string            `json:"state"`
	Problem   string            `json:"problem,omitempty"` // why it does not run
	PID       int               `json:"pid,omitempty"`
	Version   string            `json:"version,omitempty"` // of the program, as it says
	Since     time.Time         `json:"since"`             // of the state
	Next      time.Time         `json:"next,omitzero"`     // start, when it waits
	Resident  int64             `json:"resident,omitempty"`
	BoundBy   string            `json:"bound_by,omitempty"` // cgroup, watch, or none: what holds its memory
	Starts    uint64            `json:"starts"`
	Ends      map[string]uint64 `json:"ends,omitempty"`    // ends of its process by reason
	Calls     map[string]uint64 `json:"calls,omitempty"`   // by outcome
	Seconds   float64           `json:"seconds"`           // spent in calls
	Samples   uint64            `json:"samples"`           // taken
	Refusals  map[string]uint64 `json:"refused,omitempty"` // samples, blocks' cells, events and answers that were not taken, by reason
	LogLines  map[string]uint64 `json:"log_lines,omitempty"`
	LogLost   uint64            `json:"log_lost"`
	LastWords []string          `json:"last_words,omitempty"` // newest log lines, secrets hidden
}
