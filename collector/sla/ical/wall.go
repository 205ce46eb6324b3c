package ical

import (
	"fmt"
	"strings"
	"time"
)

// Wall is a time as a clock on the wall shows it, without a zone. It is what a
// rota means by "Monday 09:00", also in the week the clocks change.
type Wall struct {
	Year   int
	Month  time.Month
	Day    int
	Second int // since midnight by the wall: 0 to 86,400
}

// WallOf is what the wall clock of the zone shows at t.
func WallOf(t time.Time, zone *time.Location) Wall {
	t = t.In(zone)
	y, m, d := t.Date()
	return Wall{y, m, d, t.Hour()*3600 + t.Minute()*60 + t.Second()}
}

// utc is the wall time read as if it were UTC: for counting days.
func (w Wall) utc() time.Time {
	return time.Date(w.Year, w.Month, w.Day, 0, 0, w.Second, 0, time.UTC)
}

func wallUTC(t time.Time) Wall { return WallOf(t, time.UTC) }

// Add returns the wall time that many days and seconds later on the wall.
func (w Wall) Add(days, seconds int) Wall {
	return wallUTC(w.utc().AddDate(0, 0, days).Add(time.Duration(seconds) * time.Second))
}

// Sub returns the difference by the wall.
func (w Wall) Sub(o Wall) time.Duration { return w.utc().Sub(o.utc()) }

// Before tells whether w is earlier on the wall than o.
func (w Wall) Before(o Wall) bool { return w.utc().Before(o.utc()) }

// Weekday returns the day of the week.
func (w Wall) Weekday() time.Weekday { return w.utc().Weekday() }

// In returns the instant at which the zone's wall clock shows w. A time that
// comes twice is its first; one that is skipped is read with the offset before
// the gap (RFC 5545, 3.3.5): 02:30 becomes 03:30.
func (w Wall) In(zone *time.Location) time.Time {
	naive := w.utc()
	for _, near := range []time.Time{naive.Add(-24 * time.Hour), naive.Add(24 * time.Hour)} {
		_, offset := near.In(zone).Zone()
		t := naive.Add(-time.Duration(offset) * time.Second)
		if WallOf(t, zone) == wallUTC(naive) {
			return t
		}
	}
	_, before := naive.Add(-24 * time.Hour).In(zone).Zone()
	return naive.Add(-time.Duration(before) * time.Second)
}

// String writes 2026-11-22T09:00:00.
func (w Wall) String() string { return w.utc().Format("2006-01-02T15:04:05") }

// Format writes the wall time as DTSTART does: 20261122T090000.
func (w Wall) Format() string { return w.utc().Format("20060102T150405") }

// ParseWall reads 2026-11-22T09:00, with seconds or without, or a date.
func ParseWall(s string) (Wall, error) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return wallUTC(t), nil
		}
	}
	return Wall{}, fmt.Errorf("%q: want a wall time like 2026-11-22T09:00", s)
}

// Moment is a DATE or DATE-TIME value with its zone.
type Moment struct {
	Wall
	Zone *time.Location // nil: floating, the reader's own zone
	Date bool           // a whole day
}

// Instant returns the instant; fallback is the zone of floating times.
func (m Moment) Instant(fallback *time.Location) time.Time {
	if m.Zone != nil {
		fallback = m.Zone
	}
	return m.Wall.In(fallback)
}

// Moments reads the property as a list of DATE or DATE-TIME values.
func (p Property) Moments() ([]Moment, error) {
	var zone *time.Location
	if id := p.Param("TZID"); id != "" {
		z, err := time.LoadLocation(strings.TrimPrefix(id, "/"))
		if err != nil || id == "Local" {
			return nil, faultf(p.Line, "%s: zone %q is not known here; use an IANA name like Asia/Shanghai", p.Name, id)
		}
		zone = z
	}
	var out []Moment
	for _, s := range strings.Split(p.Value, ",") {
		m, err := moment(s, zone)
		if err != nil {
			return nil, faultf(p.Line, "%s: %v", p.Name, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// Moment reads the property as one DATE or DATE-TIME value.
func (p Property) Moment() (Moment, error) {
	all, err := p.Moments()
	if err != nil {
		return Moment{}, err
	}
	if len(all) != 1 {
		return Moment{}, faultf(p.Line, "%s has %d values, want one", p.Name, len(all))
	}
	return all[0], nil
}

func moment(s string, zone *time.Location) (Moment, error) {
	if t, err := time.Parse("20060102", s); err == nil {
		return Moment{Wall: wallUTC(t), Zone: zone, Date: true}, nil
	}
	if t, err := time.Parse("20060102T150405Z", s); err == nil {
		return Moment{Wall: wallUTC(t), Zone: time.UTC}, nil
	}
	t, err := time.Parse("20060102T150405", s)
	if err != nil {
		return Moment{}, fmt.Errorf("%.40q: want 20261122T090000 or 20261122", s)
	}
	return Moment{Wall: wallUTC(t), Zone: zone}, nil
}

// AddWall appends a property with a wall time in a zone.
func (c *Component) AddWall(name string, w Wall, zone string) {
	if zone == "UTC" {
		c.Add(name, w.Format()+"Z")
		return
	}
	c.Add(name, w.Format(), Param{"TZID", zone})
}
