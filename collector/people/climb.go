package people

import (
	"fmt"
	"time"
)

// Call is somebody to be told now because of an escalation or an acknowledgement
// that went stale.
type Call struct {
	ID    string // unique within the incident: the same call has the same ID
	Event string // escalated or reminder
	At    time.Time
	To    []Told
	Rung  int // of an escalation, from 0
	Ack   Ack // of a reminder
}

// Calls returns everybody who is to be told by now: the rungs that are due while
// nobody holds the incident, and reminders to who took it. The caller tells each
// ID once. What is due from the time of a gap comes at once, in order.
func (d *Directory) Calls(s Snapshot, acts []Act, now time.Time) []Call {
	var out []Call
	ack := ReadAck(acts, d.Policy.Ack, now)
	for n := 1; n <= ack.Reminded; n++ {
		out = append(out, Call{ID: fmt.Sprintf("remind/%d/%d/%d", ack.At.Unix(), ack.LastWork.Unix(), n), Event: "reminder", At: now, Ack: ack,
			To: []Told{{Person: ack.By, Because: ackText}}})
	}
	if ack.StopsClimbing() {
		return out
	}
	for n := 0; ; n++ {
		rung, due := s.Next(n, now)
		if !due {
			return out
		}
		if to, nobody := d.Reach(rung, now); !nobody {
			out = append(out, Call{ID: fmt.Sprintf("escalate/%d/%d", s.TriggeredAt.Unix(), n), Event: "escalated", At: now, To: to, Rung: n})
		}
	}
}

// Standing is where an escalation is: which rung comes next and when, or why
// none does.
type Standing struct {
	Ack  Ack
	Next int // index of the next rung; -1: none
	Due  time.Time
}

// Stand tells where the escalation is at the time.
func (d *Directory) Stand(s Snapshot, acts []Act, now time.Time) Standing {
	out := Standing{Ack: ReadAck(acts, d.Policy.Ack, now), Next: -1}
	for n, rung := range s.Rungs {
		if rung.Due.After(now) {
			out.Next, out.Due = n, rung.Due
			break
		}
	}
	if out.Ack.StopsClimbing() { // it goes on when the acknowledgement is lost
		out.Due = later(out.Due, lostAt(out.Ack, d.Policy.Ack))
	}
	return out
}

// lostAt is when the acknowledgement is lost without any further sign of work.
func lostAt(a Ack, p AckPolicy) time.Time {
	p = p.orDefault()
	return a.LastWork.Add(p.Stale + time.Duration(p.Times)*p.Remind)
}
