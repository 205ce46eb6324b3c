package sla

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// What an entry of the ledger says.
const (
	EntryStart    = "start"    // Clock begins, anew if it ran before; Target for a contract's
	EntryStop     = "stop"     // Clock ends; "" all
	EntryPause    = "pause"    // Wait begins: Reason, Owner; it holds every clock whose limit names the reason, those that start later too
	EntryResume   = "resume"   // Wait ends, for Clocks only where they are named
	EntryContinue = "continue" // Clock that was stopped goes on where it was
	EntryTarget   = "target"   // Clock has another Target from now on; its waits stay what they were
	EntryCalendar = "calendar" // a correction of the calendars takes effect; By says whose
)

// Entry is one line of an incident's ledger. Nothing else is stored about its
// clocks: no deadline and no remaining time.
type Entry struct {
	Seq     int64         `json:"seq"` // order; wall stamps may jump, this does not
	At      time.Time     `json:"at"`
	Since   time.Duration `json:"since,omitempty"` // monotonic time since the entry before, from the same run of the program; 0 unknown
	What    string        `json:"what"`
	Clock   string        `json:"clock,omitempty"`
	Clocks  []string      `json:"clocks,omitempty"` // of a pause: clocks it holds, by the limits in force when it was written; of a resume: those it lets go, none is all
	Wait    string        `json:"wait,omitempty"`   // id of the wait that begins or ends
	Reason  string        `json:"reason,omitempty"`
	Owner   string        `json:"owner,omitempty"` // who is waited for: role or vendor
	By      string        `json:"by,omitempty"`    // who wrote it
	Target  string        `json:"target,omitempty"`
	Hours   string        `json:"hours,omitempty"`   // of a contract's start: calendar it counts on, where that is not the limit's
	Version string        `json:"version,omitempty"` // of the calendars in force; "" the newest
	Text    lang.Text     `json:"text,omitzero"`
	// Measured is when it was so, where measurements told that at another time
	// than when it was written: the beginning and the end of an outage.
	Measured time.Time `json:"measured,omitzero"`
}

// counts is when the entry counts for its own clock.
func (e Entry) counts() time.Time {
	if e.Measured.IsZero() {
		return e.At
	}
	return e.Measured
}

// Ledger is an incident's entries, one list for all of its clocks. The zero
// value is empty. It is a value: Add returns another one.
type Ledger struct{ entries []Entry }

// jump is how far a wall stamp may be from the monotonic time before it is
// taken for a clock that was set.
const jump = 2 * time.Second

// Replay reads entries that were stored. They are taken as they stand: reasons
// and limits that a company changed since do not change an old incident.
func Replay(entries []Entry) (Ledger, error) {
	var l Ledger
	for _, e := range entries {
		if n := len(l.entries); n > 0 {
			if e.Seq <= l.entries[n-1].Seq {
				return l, fmt.Errorf("ledger entry %d (%s): it follows entry %d", e.Seq, e.What, l.entries[n-1].Seq)
			}
			e.At = settle(l.entries[n-1].At, e)
		}
		l.entries = append(l.entries, e)
	}
	return l, nil
}

// Entries returns the entries with the times they count at: in order of Seq,
// never backwards, and by the monotonic time where the wall clock was set.
func (l Ledger) Entries() []Entry { return slices.Clone(l.entries) }

// Add appends an entry. A wait needs a reason from the list and an owner; a
// clock and a wait can only end when they go on.
func (l Ledger) Add(limits Limits, e Entry) (Ledger, error) {
	fault := func(format string, args ...any) (Ledger, error) {
		return l, fmt.Errorf("ledger entry %d (%s): %s", e.Seq, e.What, fmt.Sprintf(format, args...))
	}
	if n := len(l.entries); n > 0 {
		last := l.entries[n-1]
		if e.Seq <= last.Seq {
			return fault("entry %d is written already", last.Seq)
		}
		e.At = settle(last.At, e)
	}
	switch e.What {
	case EntryStart, EntryTarget:
		lim, ok := limits.Of(e.Clock)
		if !ok {
			return fault("no limit %q", e.Clock)
		}
		if lim.Target == Contract && e.Target == "" {
			return fault("the vendor's contract sets the target of %s: name it", e.Clock)
		}
		if e.Target == "" {
			e.Target = lim.Target
		}
		if _, err := ParseSpan(e.Target); err != nil {
			return fault("%v", err)
		}
		if e.Hours != "" && lim.Target != Contract {
			return fault("only a contract names its own calendar")
		}
	case EntryPause:
		reason, ok := limits.Reason(e.Reason)
		switch {
		case !ok:
			return fault("reason %q is not on the list", e.Reason)
		case e.Wait == "" || l.open(e.Wait):
			return fault("wait %q has no id of its own", e.Wait)
		case e.By == "":
			return fault("nobody answers for the pause")
		case e.Owner == "":
			e.Owner = reason.Owner
		}
		e.Clocks = nil
		for _, lim := range limits.Limits {
			if slices.Contains(lim.PausedBy, e.Reason) {
				e.Clocks = append(e.Clocks, lim.ID)
			}
		}
	case EntryResume:
		if !l.open(e.Wait) {
			return fault("no wait %q goes on", e.Wait)
		}
	case EntryStop, EntryContinue:
	case EntryCalendar:
		if e.By == "" || e.Version == "" {
			return fault("a correction names its author and its version")
		}
	default:
		return fault("unknown")
	}
	return Ledger{append(slices.Clip(l.entries), e)}, nil
}

// settle returns when the entry counts.
func settle(last time.Time, e Entry) time.Time {
	if e.Since > 0 {
		if off := e.At.Sub(last.Add(e.Since)); off > jump || off < -jump {
			return last.Add(e.Since)
		}
	}
	return later(e.At, last)
}

// open tells whether the wait goes on.
func (l Ledger) open(wait string) bool {
	return slices.ContainsFunc(l.Waits(), func(w Wait) bool { return w.ID == wait && w.To.IsZero() })
}

// Stamp returns the time to use for something an outside program says happened
// at told: told, unless it is further than tolerance from when it was received.
func Stamp(told, received time.Time, tolerance time.Duration) (at time.Time, refused bool) {
	if off := received.Sub(told); told.IsZero() || off > tolerance || off < -tolerance {
		return received, true
	}
	return told, false
}

// Wait is one stretch that somebody was waited for.
type Wait struct {
	ID     string
	Clocks []string // those it holds
	Reason string
	Owner  string
	By     string
	From   time.Time
	To     time.Time // zero while it goes on
	Text   lang.Text
}

// Waits returns all waits in order of their beginning. A stop of all clocks ends
// those that go on.
func (l Ledger) Waits() []Wait {
	var out []Wait
	held := map[string][]string{} // by wait: clocks it still holds
	for _, e := range l.entries {
		switch {
		case e.What == EntryPause:
			out = append(out, Wait{ID: e.Wait, Clocks: e.Clocks, Reason: e.Reason, Owner: e.Owner, By: e.By, From: e.At, Text: e.Text})
			held[e.Wait] = slices.Clone(e.Clocks)
		case e.What == EntryResume || e.What == EntryStop && e.Clock == "":
			for n := range out {
				if !out[n].To.IsZero() || out[n].ID != e.Wait && e.What != EntryStop {
					continue
				}
				left := slices.DeleteFunc(held[out[n].ID], func(c string) bool { return e.lets(c) })
				if held[out[n].ID] = left; len(left) == 0 {
					out[n].To = e.At
				}
			}
		}
	}
	return out
}

// lets tells whether a resume, or the end of all, lets the clock go on.
func (e Entry) lets(clock string) bool {
	return e.What == EntryStop || len(e.Clocks) == 0 || slices.Contains(e.Clocks, clock)
}

// Marks returns the clock's own starts, pauses, resumes and stops, as Read
// takes them: a pause begins with the first wait that holds it and ends with
// the last.
func (l Ledger) Marks(lim Limit) []Mark {
	var out []Mark
	waits := map[string]bool{}
	started, paused := false, false
	for _, e := range l.entries {
		switch {
		case e.What == EntryStart && e.Clock == lim.ID:
			out, started, paused = append(out, Mark{e.counts(), EntryStart}), true, false
		case e.What == EntryContinue && e.Clock == lim.ID:
			if !started && len(out) > 0 {
				out, started, paused = append(out, Mark{e.At, EntryResume}), true, false
			}
		case e.What == EntryStop && (e.Clock == lim.ID || e.Clock == ""):
			if started {
				out = append(out, Mark{later(e.counts(), out[len(out)-1].At), EntryStop})
			}
			started, paused = false, false
			if e.Clock == "" {
				clear(waits)
			}
		case e.What == EntryPause && slices.Contains(e.Clocks, lim.ID):
			waits[e.Wait] = true
		case e.What == EntryResume && e.lets(lim.ID):
			delete(waits, e.Wait)
		}
		if now := len(waits) > 0; started && now != paused {
			paused = now
			what := EntryResume
			if paused {
				what = EntryPause
			}
			out = append(out, Mark{later(e.At, out[len(out)-1].At), what})
		}
	}
	return out
}

// hours returns the calendar word the clock counts on: the limit's, or the one
// its newest start names.
func (l Ledger) hours(lim Limit) string {
	out := lim.Calendar
	for _, e := range l.entries {
		if e.Clock == lim.ID && e.What == EntryStart {
			out = lim.Calendar
			if e.Hours != "" {
				out = e.Hours
			}
		}
	}
	return out
}

// target returns the clock's target as of its newest entry.
func (l Ledger) target(lim Limit) Span {
	out := lim.target
	for _, e := range l.entries {
		if e.Clock == lim.ID && e.Target != "" && (e.What == EntryStart || e.What == EntryTarget) {
			out, _ = ParseSpan(e.Target)
		}
	}
	return out
}
