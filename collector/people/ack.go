package people

import (
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// AckPolicy says how long an acknowledgement holds without anything done. Times
// are elapsed time; the zero value is 30, 15 and 15 minutes.
type AckPolicy struct {
	Stale  time.Duration `yaml:"stale"`  // since the last sign of work until the first reminder
	Remind time.Duration `yaml:"remind"` // between reminders
	Times  int           `yaml:"times"`  // reminders; then the acknowledgement is lost
}

func (p AckPolicy) orDefault() AckPolicy {
	if p.Stale <= 0 {
		p.Stale = 30 * time.Minute
	}
	if p.Remind <= 0 {
		p.Remind = 15 * time.Minute
	}
	if p.Times <= 0 {
		p.Times = 2
	}
	return p
}

// Act is something a person did on the incident.
type Act struct {
	At     time.Time
	Person string
	What   string // ack, release, or any sign of work: comment, decision, attachment, vendor_message
}

// ackText says why somebody is reminded.
var ackText = lang.Text{ZH: "您已接手", EN: "you took it"}

// States of an acknowledgement.
const (
	AckNone  = "none"
	AckHeld  = "held"
	AckStale = "stale" // reminded; still the person's
	AckLost  = "lost"  // the escalation goes on
)

// Ack is who took the incident and whether that still holds. It is not a
// silence: clocks run, warnings, breaches, changes of severity and the closing
// are told all the same (StopsClimbing is the only thing it does).
type Ack struct {
	State    string
	By       string
	At       time.Time
	LastWork time.Time
	Reminded int       // reminders that are due by now
	NextAt   time.Time // when the state or the number of reminders changes next; zero never
}

// StopsClimbing tells whether the escalation waits for the person.
func (a Ack) StopsClimbing() bool { return a.State == AckHeld || a.State == AckStale }

// ReadAck replays what people did up to now, in order. The newest ack counts; a
// release by its owner, or an act of ack by another, ends it. Work of anybody
// else does not refresh it.
func ReadAck(acts []Act, policy AckPolicy, now time.Time) Ack {
	policy = policy.orDefault()
	out := Ack{State: AckNone}
	for _, a := range acts {
		switch {
		case a.At.After(now):
		case a.What == "ack":
			out = Ack{State: AckHeld, By: a.Person, At: a.At, LastWork: a.At}
		case a.Person != out.By || out.State == AckNone:
		case a.What == "release":
			out = Ack{State: AckNone}
		default:
			out.LastWork = later(out.LastWork, a.At)
		}
	}
	if out.State == AckNone {
		return out
	}
	at := out.LastWork.Add(policy.Stale)
	for ; !at.After(now) && out.Reminded < policy.Times; at = at.Add(policy.Remind) {
		out.Reminded++
		out.State = AckStale
	}
	if out.Reminded == policy.Times && !at.After(now) {
		out.State = AckLost
		return out
	}
	out.NextAt = at
	return out
}
