// Package sla is working time: calendars with official holidays and the
// weekend days worked in exchange (调休), and limits that can be paused. It is
// pure: it reads no clock, and what it does not know it says instead of
// guessing. It does not decide what happens when a limit is passed.
package sla

import (
	"fmt"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Calendar says when is worked. It is immutable once loaded.
type Calendar struct {
	ID     string
	Title  lang.Text
	Always bool // every instant counts; nothing below is used then
	Zone   *time.Location

	week     [7][]hours // by time.Weekday
	exchange []hours    // of weekend days worked in exchange
	country  string     // whose years it follows
	years    map[int]*year
	days     map[date]special // the layers' own dates, the narrower layer's over the wider's; they win over years
	layers   []string         // ids from the widest calendar to this one
}

// Calendars are all calendars of one load.
type Calendars struct {
	byID    map[string]*Calendar
	years   map[string]map[int]*year // by country
	limits  Limits
	files   map[string]string // name → text, as loaded
	version string
}

// Get returns the calendar with the id.
func (c *Calendars) Get(id string) (*Calendar, bool) {
	cal, ok := c.byID[id]
	return cal, ok
}

// UnknownYear says that nobody has entered the year's holidays.
type UnknownYear struct {
	Calendar string
	Year     int
}

// Error names the calendar and what to do.
func (e *UnknownYear) Error() string {
	return fmt.Sprintf("calendar %s knows no working days of %d: add the year's file to rules/calendars", e.Calendar, e.Year)
}

// hours is a part of a day, in minutes after midnight of wall time.
type hours struct{ from, to int }

type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

func (d date) next() date {
	return dateOf(time.Date(d.year, d.month, d.day+1, 12, 0, 0, 0, time.UTC))
}

func (d date) before(o date) bool {
	if d.year != o.year {
		return d.year < o.year
	}
	if d.month != o.month {
		return d.month < o.month
	}
	return d.day < o.day
}

func (d date) weekday() time.Weekday {
	return time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC).Weekday()
}

func (d date) at(minutes int, zone *time.Location) time.Time {
	return time.Date(d.year, d.month, d.day, 0, minutes, 0, 0, zone)
}

func (d date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.year, d.month, d.day) }

type special struct {
	hours []hours // none: closed
	name  lang.Text
	layer string // calendar that says so
}

// year is what the official notice says of one year.
type year struct {
	closed map[date]lang.Text
	worked map[date]bool
	source source
}

// Day tells what the calendar says of the date of t: whether it is worked, and
// the name of the holiday or exception if there is one.
func (c *Calendar) Day(t time.Time) (works bool, name lang.Text, err error) {
	if c.Always {
		return true, lang.Text{}, nil
	}
	d := dateOf(t.In(c.Zone))
	spans, err := c.hours(d)
	if err != nil {
		return false, lang.Text{}, err
	}
	if s, ok := c.days[d]; ok {
		return len(spans) > 0, s.name, nil
	}
	y := c.years[d.year]
	if y.worked[d] {
		return len(spans) > 0, lang.Text{ZH: "调休上班", EN: "worked in exchange"}, nil
	}
	return len(spans) > 0, y.closed[d], nil
}

// hours returns the working hours of the date.
func (c *Calendar) hours(d date) ([]hours, error) {
	if s, ok := c.days[d]; ok {
		return s.hours, nil
	}
	y, ok := c.years[d.year]
	switch {
	case !ok:
		return nil, &UnknownYear{Calendar: c.ID, Year: d.year}
	case y.worked[d]:
		return c.exchange, nil
	}
	if _, closed := y.closed[d]; closed {
		return nil, nil
	}
	return c.week[d.weekday()], nil
}

func (c *Calendar) around() bool         { return c.Always }
func (c *Calendar) zone() *time.Location { return c.Zone }

// interval is a stretch of working time.
type interval struct{ from, to time.Time }

// intervals returns the date's working time as instants. Where the zone's clock
// is put forward or back they are shorter or longer, never overlapping. The
// result may use the memory of out.
func (c *Calendar) intervals(d date, out []interval) ([]interval, error) {
	spans, err := c.hours(d)
	if err != nil {
		return nil, err
	}
	out = out[:0]
	for _, h := range spans {
		v := interval{d.at(h.from, c.Zone), d.at(h.to, c.Zone)}
		if n := len(out); n > 0 && v.from.Before(out[n-1].to) {
			v.from = out[n-1].to
		}
		if v.from.Before(v.to) {
			out = append(out, v)
		}
	}
	return out, nil
}
