package sla

import (
	"time"
)

// schedule says when is worked: one calendar, or the versions of one that were
// in force after each other.
type schedule interface {
	around() bool // every instant counts
	zone() *time.Location
	intervals(d date, out []interval) ([]interval, error) // in order, none overlapping; may use the memory of out
}

// Elapsed returns the working time between two instants; 0 when to is not
// after from. A date whose year nobody entered is an UnknownYear error.
func Elapsed(c *Calendar, from, to time.Time) (time.Duration, error) { return elapsed(c, from, to) }

func elapsed(c schedule, from, to time.Time) (time.Duration, error) {
	if !to.After(from) {
		return 0, nil
	}
	if c.around() {
		return to.Sub(from), nil
	}
	last := dateOf(to.In(c.zone()))
	var sum time.Duration
	var day []interval
	var err error
	for d := dateOf(from.In(c.zone())); !last.before(d); d = d.next() {
		if day, err = c.intervals(d, day); err != nil {
			return 0, err
		}
		for _, v := range day {
			a, b := later(v.from, from), earlier(v.to, to)
			if b.After(a) {
				sum += b.Sub(a)
			}
		}
	}
	return sum, nil
}

// Due returns when the span of working time that begins at from has passed: the
// earliest instant for hours and minutes; for days the same time of the n-th
// next working day (the end of work before it, where that time is not worked).
func Due(c *Calendar, from time.Time, s Span) (time.Time, error) {
	if err := s.Check(c); err != nil {
		return time.Time{}, err
	}
	return due(c, from, s)
}

func due(c schedule, from time.Time, s Span) (time.Time, error) {
	if s.Days > 0 {
		return dueDays(c, from, s.Days)
	}
	return dueTime(c, from, s.Time)
}

func dueTime(c schedule, from time.Time, work time.Duration) (time.Time, error) {
	if c.around() || work <= 0 {
		return from.Add(max(work, 0)).UTC(), nil
	}
	var day []interval
	var err error
	for d := dateOf(from.In(c.zone())); ; d = d.next() {
		if day, err = c.intervals(d, day); err != nil {
			return time.Time{}, err
		}
		for _, v := range day {
			a := later(v.from, from)
			if !v.to.After(a) {
				continue
			}
			if left := v.to.Sub(a); work > left {
				work -= left
				continue
			}
			return a.Add(work).UTC(), nil
		}
	}
}

func dueDays(c schedule, from time.Time, days int) (time.Time, error) {
	if c.around() {
		return from.Add(time.Duration(days) * 24 * time.Hour).UTC(), nil
	}
	start, err := nextWork(c, from)
	if err != nil {
		return time.Time{}, err
	}
	start = start.In(c.zone())
	d := dateOf(start)
	var day []interval
	for days > 0 {
		d = d.next()
		if day, err = c.intervals(d, day); err != nil {
			return time.Time{}, err
		}
		if len(day) > 0 {
			days--
		}
	}
	same := time.Date(d.year, d.month, d.day, start.Hour(), start.Minute(), start.Second(), start.Nanosecond(), c.zone())
	return clamp(day, same).UTC(), nil
}

// clamp returns t where it is worked, else the end of work before it, else the
// day's start of work.
func clamp(day []interval, t time.Time) time.Time {
	at := day[0].from
	for _, v := range day {
		if !t.Before(v.from) {
			at = earlier(t, v.to)
		}
	}
	return at
}

// nextWork returns the first instant from t on at which work goes on.
func nextWork(c schedule, t time.Time) (time.Time, error) {
	for d := dateOf(t.In(c.zone())); ; d = d.next() {
		day, err := c.intervals(d, nil)
		if err != nil {
			return time.Time{}, err
		}
		for _, v := range day {
			if v.to.After(t) {
				return later(v.from, t), nil
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
