package incident

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Kind says what an event reports. Facts come from outside (alerts, people,
// vendors, effects, timers); consequences are what process.Step makes of them.
type Kind string

// Event kinds.
const (
	Opened          Kind = "opened"           // Diagnosis, Process, ProcessVersion, Number, Practice, PreviousID
	Diagnosed       Kind = "diagnosed"        // Diagnosis: first, confirmed or changed
	AlertJoined     Kind = "alert_joined"     // Alert fires and belongs here
	AlertResolved   Kind = "alert_resolved"   // Alert
	AlertUnknown    Kind = "alert_unknown"    // Alert: no data about it
	AlertLeft       Kind = "alert_left"       // Alert, ChildID, Reason: it has a cause of its own and belongs to that incident now
	AlertsJoined    Kind = "alerts_joined"    // Alerts: many at once
	AlertsResolved  Kind = "alerts_resolved"  // Alerts: many at once
	Entered         Kind = "entered"          // Step, From, Reason, Role
	Acked           Kind = "acked"            // a person takes it
	Decided         Kind = "decided"          // Choice, Suggested, Comment
	Approved        Kind = "approved"         //
	Rejected        Kind = "rejected"         // Comment
	Done            Kind = "done"             // a person says the step's work is done
	Commented       Kind = "commented"        // Comment
	Attached        Kind = "attached"         // Attachment
	ClockStarted    Kind = "clock_started"    // Clock (Name, Title, Target, Calendar, Role)
	ClockPaused     Kind = "clock_paused"     // Clock.Name, Reason
	ClockResumed    Kind = "clock_resumed"    // Clock.Name
	ClockStopped    Kind = "clock_stopped"    // Clock.Name
	ClockWarned     Kind = "clock_warned"     // Clock.Name
	ClockBreached   Kind = "clock_breached"   // Clock.Name
	ClockComputed   Kind = "clock_computed"   // Clock: due, elapsed or problem changed, its marks did not (a calendar was loaded or corrected)
	TimerSet        Kind = "timer_set"        // Timer
	TimerFired      Kind = "timer_fired"      // Timer, LateBy
	EffectQueued    Kind = "effect_queued"    // Effect
	EffectDone      Kind = "effect_done"      // Effect: its outcome
	EffectFailed    Kind = "effect_failed"    // Effect: gave up, with the problem
	TicketChanged   Kind = "ticket_changed"   // Ticket
	VendorReported  Kind = "vendor_reported"  // Choice: accepted, reported_fixed, returned; Comment, Expected
	VendorEscalated Kind = "vendor_escalated" // Choice: the level of the vendor's contact who is told now (Reason: his name; Expected: when his answer is due), or NobodyOnDuty; Comment: who, and why
	VendorViewed    Kind = "vendor_viewed"    // Comment: somebody looked at the vendor's page of a ticket
	RecoverySeen    Kind = "recovery_seen"    // all alerts gone (RecoveredAt)
	RecoveryLost    Kind = "recovery_lost"    // it fails again before verification ended
	Verified        Kind = "verified"         // measurements proved recovery; Proof
	Closed          Kind = "closed"           // Reason
	Reopened        Kind = "reopened"         // Reason
	Folded          Kind = "folded"           // ParentID: it turned out to be part of another incident
	Adopted         Kind = "adopted"          // ChildID
	Rerouted        Kind = "rerouted"         // Process, ProcessVersion: re-classified into another process
)

// Event is one entry of an incident's log. Which fields are set depends on Kind.
type Event struct {
	IncidentID string    `json:"incident_id"`
	Seq        int64     `json:"seq"` // 1, 2, 3, ... without gaps
	ID         string    `json:"id"`  // idempotence key of facts from outside; "" for consequences
	At         time.Time `json:"at"`
	Kind       Kind      `json:"kind"`
	Actor      Actor     `json:"actor"`

	Diagnosis      *Diagnosis    `json:"diagnosis,omitempty"`
	Alert          *AlertRef     `json:"alert,omitempty"`
	Alerts         []AlertRef    `json:"alerts,omitempty"` // of a storm: one event for all of a round
	Number         string        `json:"number,omitempty"`
	Process        string        `json:"process,omitempty"`
	ProcessVersion string        `json:"process_version,omitempty"`
	Practice       bool          `json:"practice,omitempty"`
	Drill          string        `json:"drill,omitempty"` // id of the drill it belongs to, in Opened
	FaultAt        time.Time     `json:"fault_at,omitzero"`
	PreviousID     string        `json:"previous_id,omitempty"`
	ParentID       string        `json:"parent_id,omitempty"`
	ChildID        string        `json:"child_id,omitempty"`
	Step           string        `json:"step,omitempty"`
	From           string        `json:"from,omitempty"`
	Role           string        `json:"role,omitempty"`
	Choice         string        `json:"choice,omitempty"`
	Suggested      string        `json:"suggested,omitempty"`
	Comment        string        `json:"comment,omitempty"`
	Reason         string        `json:"reason,omitempty"`
	Proof          lang.Text     `json:"proof,omitzero"`
	Clock          *Clock        `json:"clock,omitempty"`
	Timer          *Timer        `json:"timer,omitempty"`
	LateBy         time.Duration `json:"late_by,omitempty"`
	Effect         *Effect       `json:"effect,omitempty"`
	Ticket         *Ticket       `json:"ticket,omitempty"`
	Attachment     *Attachment   `json:"attachment,omitempty"`
	VendorID       string        `json:"vendor_id,omitempty"`
	VendorName     string        `json:"vendor_name,omitempty"` // VendorID, VendorName: who is called, in Opened and Diagnosed
	Remedy         *Remedy       `json:"remedy,omitempty"`
	Expected       time.Time     `json:"expected,omitzero"` // when the vendor expects it repaired, or is there

	PrevHash string `json:"prev_hash"`
	Hash     string `json:"hash"`
}

// Effect kinds.
// NobodyOnDuty is the Choice of a VendorEscalated that reaches nobody now.
const NobodyOnDuty = "nobody"

const (
	EffectTicket = "ticket"          // tell the vendor: Payload ticket message
	EffectNotify = "notify"          // tell our own people
	EffectVerify = "verify_recovery" // hold the guard, then report
	EffectReport = "report_row"      // write the incident's row of the report
	EffectAsk    = "ask_evidence"    // ask an agent for checks now
)

// Effect is something to be done outside, at least once, known by its Key.
type Effect struct {
	Key        string            `json:"key"` // unique for all time: incident/seq/kind/...
	IncidentID string            `json:"incident_id"`
	Kind       string            `json:"kind"`
	Step       string            `json:"step,omitempty"`   // for effects that end with the step
	Params     map[string]string `json:"params,omitempty"` // template, role, guard, hold, vendor, reason, ...
	NotBefore  time.Time         `json:"not_before,omitzero"`
	// Outcome, set in EffectDone and EffectFailed.
	Outcome string            `json:"outcome,omitempty"` // verify: recovered, failed; ticket: sent; ...
	Result  map[string]string `json:"result,omitempty"`  // ref, url, subject, message_key, ...
	Problem string            `json:"problem,omitempty"`
	Repeat  bool              `json:"repeat,omitempty"`
}

// Seal gives the event its place in the chain: Seq, PrevHash and Hash.
func (e Event) Seal(seq int64, prevHash string) (Event, error) {
	e.Seq, e.PrevHash, e.Hash = seq, prevHash, ""
	b, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("seal event %s/%d: %w", e.IncidentID, seq, err)
	}
	// Text that is not UTF-8 is written as an escape and read back as the rune
	// itself: both must hash alike.
	h := sha256.Sum256(bytes.ReplaceAll(b, []byte(`\ufffd`), []byte("\uFFFD")))
	e.Hash = hex.EncodeToString(h[:])
	return e, nil
}

// VerifyChain returns an error naming the first event whose hash, order or
// predecessor is not what it says. Events are of one incident, from Seq 1.
func VerifyChain(events []Event) error {
	prev := ""
	for i, e := range events {
		if e.Seq != int64(i+1) || e.PrevHash != prev {
			return fmt.Errorf("incident %s: event %d does not follow its predecessor", e.IncidentID, e.Seq)
		}
		s, err := e.Seal(e.Seq, prev)
		if err != nil {
			return err
		}
		if s.Hash != e.Hash {
			return fmt.Errorf("incident %s: event %d was changed after it was written", e.IncidentID, e.Seq)
		}
		prev = e.Hash
	}
	return nil
}
