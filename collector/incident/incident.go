// Package incident is the heart's data: the incident, the events it is a fold
// of, and its words. It does no I/O, reads no clock and decides nothing;
// process.Step decides, engine writes, sqlstore keeps.
package incident

import (
	"time"

	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Classes of faults (classification.md).
const (
	ClassCarrierLine   = "carrier_line"
	ClassDevice        = "device"
	ClassPower         = "power"
	ClassConfiguration = "configuration"
	ClassServer        = "server"
	ClassDatabase      = "database"
	ClassEnvironment   = "environment"
	ClassSecurity      = "security"
	ClassRequest       = "request" // no fault: what people ask for, changes included
)

// Kinds of vendors; VendorNone says nobody outside is called.
const (
	VendorCarrier  = "carrier"
	VendorSupplier = "equipment supplier"
	VendorUPS      = "UPS maintainer"
	VendorDB       = "db vendor"
	VendorNone     = "none"
)

// States of an incident.
const (
	StateOpen     = "open"
	StateVerified = "verified" // measurements proved recovery; waits for its confirmation
	StateClosed   = "closed"
)

// Severities.
const (
	SeverityCritical = "critical"
	SeverityMajor    = "major"
	SeverityMinor    = "minor"
)

// Actor is who did something. Kind is system, person, agent, vendor or program.
type Actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	Role string `json:"role,omitempty"` // role id of processes.md, for persons
}

// System is the actor of everything the collector does by itself.
var System = Actor{Kind: "system"}

// Observation is one element of the evidence as it stood when a diagnosis was made.
type Observation struct {
	Element string    `json:"element"`           // letter of classification.md: A, L, W, P, D, S, N, U, T, R, H, V, C, B
	Subject string    `json:"subject"`           // inventory name, or name:component
	Vantage string    `json:"vantage,omitempty"` // the agent that saw it
	Truth   string    `json:"truth"`             // ok, bad, unknown
	Value   *float64  `json:"value,omitempty"`
	Unit    string    `json:"unit,omitempty"`
	At      time.Time `json:"at"`             // of the observation
	Since   time.Time `json:"since,omitzero"` // since when it has been so
	Last    bool      `json:"last,omitempty"` // last known before the outage, not current
	Text    lang.Text `json:"text"`           // what it says, in words, with its age
}

// Diagnosis is what failed, what kind of fault it is, and how we know.
type Diagnosis struct {
	Cause       string        `json:"cause"` // stable key of the cause: rule-independent root, e.g. "line/carrier-a:line-2"
	Class       string        `json:"class"`
	Site        string        `json:"site"`
	Device      string        `json:"device"` // inventory name of the root
	Component   string        `json:"component,omitempty"`
	Circuit     string        `json:"circuit,omitempty"`
	Process     string        `json:"process"`
	VendorKind  string        `json:"vendor_kind"`
	Severity    string        `json:"severity"`
	Title       lang.Text     `json:"title"`
	Proof       lang.Text     `json:"proof"` // the proof line
	Affected    []string      `json:"affected"`
	Provisional bool          `json:"provisional"`
	Decides     lang.Text     `json:"decides,omitzero"` // what would decide, while provisional
	Rule        string        `json:"rule"`
	Rank        int           `json:"rank,omitempty"` // how specific and certain the rule is; a lower one never replaces a higher one below it
	RunnerUp    string        `json:"runner_up,omitempty"`
	Against     lang.Text     `json:"against,omitzero"` // what speaks against the runner-up
	Evidence    []Observation `json:"evidence,omitempty"`
	Recovery    string        `json:"recovery,omitempty"` // PromQL that is true (non-empty, non-zero) while the cause is proven gone
	Alerts      []string      `json:"alerts,omitempty"`   // fingerprints it explains
}

// AlertRef is an alert that belongs to the incident.
type AlertRef struct {
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Summary     lang.Text         `json:"summary,omitzero"`
	Firing      bool              `json:"firing"`
	Unknown     bool              `json:"unknown,omitempty"` // no data now; says nothing
	Since       time.Time         `json:"since"`
	ResolvedAt  time.Time         `json:"resolved_at,omitzero"`
	Times       int               `json:"times"` // how often it fired: flapping
	// Element and Symptom are the words of its rule by which diagnosis reads it,
	// also when it is over; "" of incidents older than these fields.
	Element string `json:"element,omitempty"`
	Symptom string `json:"symptom,omitempty"`
}

// Clock is a running or stopped limit. Only starts, pauses, resumes and stops
// are stored; elapsed and due times are computed by package sla.
type Clock struct {
	Name     string        `json:"name"` // respond, handle, vendor, outage, ...
	Title    lang.Text     `json:"title"`
	Target   string        `json:"target"`   // as written in the process: 10m, 4h, 1d
	Calendar string        `json:"calendar"` // work or always, or a calendar's id
	Role     string        `json:"role,omitempty"`
	Marks    []ClockMark   `json:"marks"`           // in order of time
	DueAt    time.Time     `json:"due_at,omitzero"` // as computed at the last event; zero when stopped, paused or unknown
	State    string        `json:"state"`           // running, paused, stopped, unknown
	Breached bool          `json:"breached,omitempty"`
	Warned   bool          `json:"warned,omitempty"`
	Elapsed  time.Duration `json:"elapsed"`             // working time used, at the last event
	Problem  string        `json:"problem,omitempty"`   // why State is unknown: no calendar for 2027
	Version  string        `json:"calendars,omitempty"` // of the calendars in force when this was computed
}

// ClockMark is one start, pause, resume or stop.
type ClockMark struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // start, pause, resume, stop
	Reason string    `json:"reason,omitempty"`
	Owner  string    `json:"owner,omitempty"` // role that is waited for
	Text   lang.Text `json:"text,omitzero"`   // the reason in words
	By     string    `json:"by,omitempty"`    // person who answers for a pause; "" the process
}

// EffectRef is an effect whose outcome is not known yet.
type EffectRef struct {
	Key  string `json:"key"`
	Kind string `json:"kind"`
	Step string `json:"step,omitempty"` // ends with this step; "" lasts
}

// Ticket is one ticket at a vendor.
type Ticket struct {
	Key        string          `json:"key"`
	VendorKind string          `json:"vendor_kind"`
	Vendor     string          `json:"vendor"` // inventory id
	VendorName string          `json:"vendor_name"`
	Desk       string          `json:"desk"`
	State      string          `json:"state"` // queued, sent, failed, answered, closed, withdrawn
	Ref        string          `json:"ref,omitempty"`
	URL        string          `json:"url,omitempty"`
	Messages   []TicketMessage `json:"messages,omitempty"`
	OpenedAt   time.Time       `json:"opened_at"`
	Expected   time.Time       `json:"expected,omitzero"` // when the vendor expects it repaired, or is there
}

// TicketMessage is one message of a ticket.
type TicketMessage struct {
	Key     string    `json:"key"`
	At      time.Time `json:"at"`
	Subject string    `json:"subject"`
	Ref     string    `json:"ref,omitempty"` // Message-ID, once sent
	State   string    `json:"state"`         // queued, sent, failed
	Problem string    `json:"problem,omitempty"`
	Repeat  bool      `json:"repeat,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why it was written: opened, recovered, withdrawn, closed, ...
	// Of a message to one of the vendor's contacts: his level and name.
	Level   string `json:"level,omitempty"`
	Contact string `json:"contact,omitempty"`
}

// Timer fires an event at its time. Timers belong to a step unless Step is "".
type Timer struct {
	ID   string    `json:"id"`
	Kind string    `json:"kind"` // timeout, clock_warn, clock_breach, recheck, ...
	Step string    `json:"step,omitempty"`
	Name string    `json:"name,omitempty"` // the clock's name
	Due  time.Time `json:"due"`
}

// Attachment is a document handed in, e.g. an inspection report.
type Attachment struct {
	Kind string    `json:"kind"` // inspection_report, running_report, photo, other
	Name string    `json:"name"`
	Size int64     `json:"size"`
	Hash string    `json:"sha256"`
	At   time.Time `json:"at"`
	By   Actor     `json:"by"`
}

// Signature says who approved in which step.
type Signature struct {
	Step string `json:"step"`
	By   Actor  `json:"by"`
}

// Incident is the fold of its events. Every field is derived; only Apply
// changes it. The zero value is an incident before its first event.
type Incident struct {
	ID             string       `json:"id"`
	Number         string       `json:"number"`  // 20261121-0042
	Version        int64        `json:"version"` // sequence number of the last event applied
	State          string       `json:"state"`
	OpenedAt       time.Time    `json:"opened_at"`
	VerifiedAt     time.Time    `json:"verified_at,omitzero"`
	ClosedAt       time.Time    `json:"closed_at,omitzero"`
	FaultAt        time.Time    `json:"fault_at,omitzero"`     // when the fault began by the evidence, ≤ OpenedAt
	RecoveredAt    time.Time    `json:"recovered_at,omitzero"` // since when all alerts have been gone; zero while any fires
	Diagnosis      Diagnosis    `json:"diagnosis"`
	FirstClass     string       `json:"first_class"` // before any re-classification
	Reclassified   int          `json:"reclassified,omitempty"`
	Severity       string       `json:"severity"`
	Process        string       `json:"process"`
	ProcessVersion string       `json:"process_version"` // id@version#hash: the definition it opened with
	Step           string       `json:"step"`
	StepAt         time.Time    `json:"step_at"`
	StepRole       string       `json:"step_role,omitempty"`
	PrevStep       string       `json:"prev_step,omitempty"` // the step left for the present one
	Visited        []string     `json:"visited,omitempty"`   // steps entered, each once, in order
	WorkDone       bool         `json:"work_done,omitempty"` // a person said the present step's work is done
	Acked          bool         `json:"acked,omitempty"`
	AckedBy        Actor        `json:"acked_by,omitzero"`
	Choice         string       `json:"choice,omitempty"`    // the last decision in the present step
	DecidedBy      Actor        `json:"decided_by,omitzero"` // who made the last decision, in any step
	Approvals      []Actor      `json:"approvals,omitempty"`
	Signed         []Signature  `json:"signed,omitempty"` // every approval since it was opened, or opened again
	Rejected       bool         `json:"rejected,omitempty"`
	VendorSays     string       `json:"vendor_says,omitempty"` // accepted, reported_fixed, returned
	VendorSaysAt   time.Time    `json:"vendor_says_at,omitzero"`
	VendorID       string       `json:"vendor_id,omitempty"`
	VendorName     string       `json:"vendor_name,omitempty"`
	Alerts         []AlertRef   `json:"alerts,omitempty"`
	Clocks         []Clock      `json:"clocks,omitempty"`
	Ledger         []sla.Entry  `json:"ledger,omitempty"` // of all clocks: what they are read from, by the calendars in force then
	Tickets        []Ticket     `json:"tickets,omitempty"`
	Timers         []Timer      `json:"timers,omitempty"`
	Pending        []EffectRef  `json:"pending,omitempty"` // effects whose outcome is awaited
	Effects        Tally        `json:"effects,omitzero"`
	Attachments    []Attachment `json:"attachments,omitempty"`
	Remedies       []Remedy     `json:"remedies,omitempty"`
	ParentID       string       `json:"parent_id,omitempty"`
	PreviousID     string       `json:"previous_id,omitempty"`
	Children       []string     `json:"children,omitempty"`
	Practice       bool         `json:"practice,omitempty"` // 演练: shown as a watermark, judged like any other
	Drill          string       `json:"drill,omitempty"`    // the drill whose synthetic evidence opened it; "": it is none
	Reopened       int          `json:"reopened,omitempty"`
	LastHash       string       `json:"last_hash"` // hash of the last event: the chain's head
}

// Open tells whether the incident still asks for something: open or verified.
func (i Incident) Open() bool { return i.State == StateOpen || i.State == StateVerified }

// Firing tells whether any of its alerts fires.
func (i Incident) Firing() bool {
	for _, a := range i.Alerts {
		if a.Firing {
			return true
		}
	}
	return false
}
