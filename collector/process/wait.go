package process

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/sla"
	"github.com/faultline/faultline/internal/lang"
)

// Who is waited for besides roles.
const (
	OwnerSystem = "system" // measurements
	OwnerUser   = "user"   // who reported or asked
)

// Actions with clocks; they are offered by Waits, not by Actions.
const (
	ActPause  = "pause"  // Choice is the reason's id
	ActResume = "resume" // the clocks go on
)

// TimerResume ends a person's pause; Name is the reason.
const TimerResume = "pause_ends"

// PauseFact is a person's fact that clocks wait for the reason; they go on when
// ResumeFact says so, when the reason's time is over or with the next step.
func PauseFact(reason, comment string) incident.Event {
	return incident.Event{Kind: incident.ClockPaused, Clock: &incident.Clock{}, Reason: reason, Comment: comment}
}

// ResumeFact is a person's fact that what clocks waited for is there.
func ResumeFact(comment string) incident.Event {
	return incident.Event{Kind: incident.ClockResumed, Clock: &incident.Clock{}, Comment: comment}
}

// asked tells a person's fact about clocks from the marks that follow from it.
func asked(f incident.Event) bool {
	return (f.Kind == incident.ClockPaused || f.Kind == incident.ClockResumed) && f.Clock != nil && f.Clock.Name == ""
}

// Waits returns what a person with these roles may do about clocks now: let
// some wait for a reason, or go on.
func Waits(d *Definition, i incident.Incident, roles []string) []Action {
	var out []Action
	for _, r := range d.Reasons {
		f := PauseFact(r.ID, "x")
		if CheckAction(d, i, roles, f) == nil {
			out = append(out, Action{Kind: ActPause, Choice: r.ID, Title: r.Title, NeedsComment: true})
		}
	}
	if CheckAction(d, i, roles, ResumeFact("x")) == nil {
		out = append(out, Action{Kind: ActResume, Title: lang.Text{ZH: "继续计时", EN: "Clocks go on"}, NeedsComment: true})
	}
	return out
}

// willing are the running clocks that may wait for the reason.
func willing(d *Definition, i incident.Incident, reason string) []incident.Clock {
	var out []incident.Clock
	for n := range d.Clocks {
		c, ok := i.ClockNamed(d.Clocks[n].ID)
		if ok && c.Phase() == incident.ClockRunning && slices.Contains(d.Clocks[n].Asked, reason) {
			out = append(out, c)
		}
	}
	return out
}

// waitingFor are the clocks that a person let wait; reason "" is any.
func waitingFor(d *Definition, i incident.Incident, reason string) []incident.Clock {
	var out []incident.Clock
	for n := range d.Clocks {
		c, ok := i.ClockNamed(d.Clocks[n].ID)
		if !ok || c.Phase() != incident.ClockPausing {
			continue
		}
		last := c.Marks[len(c.Marks)-1].Reason
		if (reason == "" || last == reason) && slices.Contains(d.Clocks[n].Asked, last) {
			out = append(out, c)
		}
	}
	return out
}

func allowWait(d *Definition, i incident.Incident, f incident.Event) error {
	switch {
	case !i.Open():
		return refuse("事件已关闭", "the incident is closed")
	case f.Comment == "":
		return refuse("请说明等待的具体情况", "say in a comment what is waited for")
	case f.Kind == incident.ClockResumed && len(waitingFor(d, i, "")) == 0:
		return refuse("没有由人员暂停的时限", "no clock was let wait by a person")
	case f.Kind == incident.ClockPaused && len(willing(d, i, f.Reason)) == 0:
		return refuse("没有可因该原因暂停的时限", "no clock that runs may wait for this reason")
	}
	return nil
}

// wait carries out a person's fact about clocks.
func (r *run) wait(f incident.Event) error {
	if f.Kind == incident.ClockResumed {
		return r.goOn("")
	}
	reason, ok := r.d.Reason(f.Reason)
	if !ok {
		return nil
	}
	mark := incident.ClockMark{At: r.env.Now, Reason: reason.ID, Owner: reason.Owner, Text: reason.Title, By: or(f.Actor.Name, f.Actor.ID)}
	for _, c := range willing(r.d, r.i, reason.ID) {
		if err := r.mark(c, incident.ClockPaused, mark); err != nil {
			return err
		}
	}
	return r.setTimer(TimerResume, r.i.Step, reason.ID, r.waitEnds(reason))
}

// waitEnds is when a person's pause is over. Where no calendar can tell, it is
// as long by the clock on the wall: a pause never stands for ever.
func (r *run) waitEnds(reason *Reason) time.Time {
	if cal, err := r.d.calendar(reason.Calendar, r.env); err == nil {
		if at, err := sla.Due(cal, r.env.Now, reason.atMost); err == nil {
			return at
		}
	}
	return r.env.Now.AddDate(0, 0, reason.atMost.Days).Add(reason.atMost.Time)
}

// goOn lets clocks run again that a person let wait, and takes back the timer
// by leaving it to find nothing.
func (r *run) goOn(reason string) error {
	for _, c := range waitingFor(r.d, r.i, reason) {
		if err := r.mark(c, incident.ClockResumed, incident.ClockMark{}); err != nil {
			return err
		}
	}
	return nil
}

// waitOver tells who waited that the clocks go on.
func (r *run) waitOver(reason string) error {
	if len(waitingFor(r.d, r.i, reason)) == 0 {
		return nil
	}
	if err := r.goOn(reason); err != nil {
		return err
	}
	return r.notify(r.insideRole(), ReasonWaitOver, "waited_for", reason)
}
