package sla

import (
	"fmt"
	"time"
)

// Mark is a start, pause, resume or stop of a clock.
type Mark struct {
	At   time.Time
	What string // start, pause, resume, stop
}

// Reading is a clock at one moment.
type Reading struct {
	Running bool
	Paused  bool
	Elapsed time.Duration // working time used, up to the moment
	Work    time.Duration // working time the target allows
	Due     time.Time     // when Elapsed reaches Work, if the clock is not paused or stopped before; else zero
}

// Read replays the marks since the clock's last start. Nothing but the marks
// is kept anywhere: a moved deadline is never stored, so a pause over a holiday
// and a corrected calendar come out right. Where the calendar ends before the
// due time, Elapsed is set beside the error.
func Read(c *Calendar, target Span, marks []Mark, now time.Time) (Reading, error) {
	return read(c, target, marks, now)
}

func read(c schedule, target Span, marks []Mark, now time.Time) (Reading, error) {
	runs, r, err := replay(marks)
	if err != nil || len(runs) == 0 {
		return r, err
	}
	for _, run := range runs {
		e, err := elapsed(c, run.from, endOf(run, now))
		if err != nil {
			return r, err
		}
		r.Elapsed += e
	}
	plain, err := due(c, runs[0].from, target)
	if err != nil {
		return r, err
	}
	if r.Work, err = allowed(c, runs[0].from, plain, target); err != nil {
		return r, err
	}
	at, reached, err := reach(c, runs, r.Work)
	if err == nil && reached {
		r.Due = later(at, plain)
	}
	return r, err
}

// allowed is the target in working time; a day's depends on where it begins.
func allowed(c schedule, from, due time.Time, target Span) (time.Duration, error) {
	if target.Days == 0 {
		return target.Time, nil
	}
	return elapsed(c, from, due)
}

// Share returns when the clock reaches the share (0.8) of its target, by the
// same arithmetic as Due; zero when it does not, as it stands.
func Share(c *Calendar, target Span, marks []Mark, share float64) (time.Time, error) {
	return shareAt(c, target, marks, share)
}

func shareAt(c schedule, target Span, marks []Mark, share float64) (time.Time, error) {
	runs, _, err := replay(marks)
	if err != nil || len(runs) == 0 {
		return time.Time{}, err
	}
	plain, err := due(c, runs[0].from, target)
	if err != nil {
		return time.Time{}, err
	}
	work, err := allowed(c, runs[0].from, plain, target)
	if err != nil {
		return time.Time{}, err
	}
	at, _, err := reach(c, runs, time.Duration(share*float64(work)))
	return at, err
}

// replay turns marks into the intervals the clock ran; the last one has no end
// while it runs.
func replay(marks []Mark) ([]interval, Reading, error) {
	var runs []interval
	var r Reading
	for _, m := range marks {
		switch m.What {
		case "start":
			runs, r = []interval{{from: m.At}}, Reading{Running: true}
		case "pause", "stop":
			if r.Running {
				runs[len(runs)-1].to = m.At
			}
			r.Running, r.Paused = false, m.What == "pause" && len(runs) > 0
		case "resume":
			if !r.Running && len(runs) > 0 {
				runs, r = append(runs, interval{from: m.At}), Reading{Running: true}
			}
		default:
			return nil, Reading{}, fmt.Errorf("clock mark %q: want start, pause, resume or stop", m.What)
		}
	}
	return runs, r, nil
}

// reach finds when the runs add up to the working time.
func reach(c schedule, runs []interval, work time.Duration) (time.Time, bool, error) {
	for _, run := range runs {
		if run.to.IsZero() {
			at, err := dueTime(c, run.from, work)
			return at, err == nil, err
		}
		e, err := elapsed(c, run.from, run.to)
		if err != nil {
			return time.Time{}, false, err
		}
		if e >= work {
			at, err := dueTime(c, run.from, work)
			return at, err == nil, err
		}
		work -= e
	}
	return time.Time{}, false, nil
}

// endOf returns when the run ended, or now while it goes on.
func endOf(run interval, now time.Time) time.Time {
	if run.to.IsZero() {
		return now
	}
	return earlier(run.to, now)
}
