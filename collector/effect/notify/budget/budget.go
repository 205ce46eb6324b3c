// Package budget decides when a robot may speak: so many messages in any minute,
// some of them kept for priority 1, and digests when more is waiting than there
// are messages left. It is pure: limits, state, what waits and now go in, a
// decision comes out. It knows no robot and no text (packages robot and chat do).
package budget

import (
	"slices"
	"time"
)

// Window is the time over which messages are counted.
const Window = time.Minute

// Limits bound a robot's messages in any Window.
type Limits struct {
	PerMinute int           // all messages; at least 3
	Reserve   int           // of them, for urgent ones alone
	Digests   int           // of the others, for digests alone; they are Window/Digests apart
	Gap       time.Duration // between any two messages
	Mute      time.Duration // how long a refusal lasts that names no time
}

// Send is one message that was sent, or may have been.
type Send struct {
	At     time.Time `json:"at"`
	Urgent bool      `json:"urgent,omitempty"`
	Digest bool      `json:"digest,omitempty"`
}

// State is what has to outlive a restart. The zero value is a fresh robot.
type State struct {
	Sent       []Send    `json:"sent,omitempty"` // within the last Window, oldest first
	MutedSince time.Time `json:"muted_since,omitzero"`
	MutedUntil time.Time `json:"muted_until,omitzero"`
	Refusals   int       `json:"refusals,omitempty"` // in a row
}

// What says what to send.
type What int

// The decisions.
const (
	Nothing What = iota
	Single       // the first that waits
	Digest       // all that wait and fit, in one message
)

// Decision is what to do now.
type Decision struct {
	What   What
	Urgent bool          // of the urgent ones
	Wait   time.Duration // with Nothing: look again after this time; 0: when something new arrives
}

// Decide says what to do when so many urgent and other notices wait.
func Decide(l Limits, s State, urgent, other int, now time.Time) Decision {
	if urgent+other == 0 {
		return Decision{}
	}
	if d := s.MutedUntil.Sub(now); d > 0 {
		return Decision{Wait: d}
	}
	s = s.pruned(now)
	if n := len(s.Sent); n > 0 {
		if d := s.Sent[n-1].At.Add(l.Gap).Sub(now); d > 0 {
			return Decision{Wait: d}
		}
	}
	if urgent > 0 {
		if d := decideUrgent(l, s, urgent, other, now); d.What != Nothing {
			return d
		}
	}
	if other > 0 {
		if d := decideOther(l, s, now); d.What != Nothing {
			return d
		}
	}
	return Decision{Wait: s.nextChange(l, now)}
}

// decideUrgent lets urgent notices use every message but one, which is left to
// the others while they wait, so that even a storm of priority 1 starves nobody.
func decideUrgent(l Limits, s State, urgent, other int, now time.Time) Decision {
	room := l.PerMinute - len(s.Sent)
	if other > 0 && s.count(false) == 0 {
		room--
	}
	switch {
	case room <= 0:
		return Decision{}
	case urgent == 1 || room > l.Digests:
		return Decision{What: Single, Urgent: true}
	case s.digestDue(l, true, now):
		return Decision{What: Digest, Urgent: true}
	}
	return Decision{}
}

// decideOther leaves the reserve alone. The first messages of a minute go out
// one by one, the rest as digests.
func decideOther(l Limits, s State, now time.Time) Decision {
	mine := s.count(false)
	switch room := l.PerMinute - l.Reserve; {
	case len(s.Sent) >= l.PerMinute, mine >= room:
		return Decision{}
	case mine < room-l.Digests:
		return Decision{What: Single}
	case s.digestDue(l, false, now):
		return Decision{What: Digest}
	}
	return Decision{}
}

// digestDue tells whether the last digest of the lane is long enough ago.
func (s State) digestDue(l Limits, urgent bool, now time.Time) bool {
	for _, x := range slices.Backward(s.Sent) {
		if x.Digest && x.Urgent == urgent {
			return now.Sub(x.At) >= spacing(l)
		}
	}
	return true
}

// spacing is the time between two digests of a lane.
func spacing(l Limits) time.Duration { return Window / time.Duration(max(1, l.Digests)) }

// nextChange is the time until the first message leaves the window or a digest
// becomes due. s is pruned.
func (s State) nextChange(l Limits, now time.Time) time.Duration {
	next := Window
	for _, x := range s.Sent {
		next = min(next, x.At.Add(Window).Sub(now))
		if d := x.At.Add(spacing(l)).Sub(now); x.Digest && d > 0 {
			next = min(next, d)
		}
	}
	return max(next, time.Millisecond)
}

func (s State) count(urgent bool) int {
	n := 0
	for _, x := range s.Sent {
		if x.Urgent == urgent {
			n++
		}
	}
	return n
}

// pruned drops what is older than the window. A time in the future (our clock
// was set back) counts as now, so that nothing blocks for ever.
func (s State) pruned(now time.Time) State {
	var kept []Send
	for _, x := range s.Sent {
		if x.At.After(now) {
			x.At = now
		}
		if now.Sub(x.At) < Window {
			kept = append(kept, x)
		}
	}
	s.Sent = kept
	return s
}

// Record returns the state after a message was begun. It counts whether or not
// it arrives: the robot's owner counts it too.
func (s State) Record(d Decision, now time.Time) State {
	s = s.pruned(now)
	s.Sent = append(s.Sent, Send{At: now, Urgent: d.Urgent, Digest: d.What == Digest})
	return s
}

// maxMute is the longest we stay silent without trying.
const maxMute = 30 * time.Minute

// Refuse returns the state after the robot said "too fast". Without a time of
// its own the limit's counts, twice as long after every further refusal.
func (s State) Refuse(l Limits, d time.Duration, now time.Time) State {
	if d <= 0 {
		d = min(l.Mute<<min(s.Refusals, 8), max(maxMute, l.Mute))
	}
	if s.MutedSince.IsZero() {
		s.MutedSince = now
	}
	s.MutedUntil, s.Refusals = now.Add(d), s.Refusals+1
	return s
}

// Accepted returns the state after the robot took a message.
func (s State) Accepted() State {
	s.MutedSince, s.MutedUntil, s.Refusals = time.Time{}, time.Time{}, 0
	return s
}

// Muted tells whether the robot refuses, as far as we know.
func (s State) Muted() bool { return !s.MutedSince.IsZero() }
