package ical

import (
	"slices"
	"time"
)

// maxPeriods bounds how many days, weeks, months or years are looked at: a rule
// that never matches (30 February) ends there.
const maxPeriods = 40_000

// Each calls visit with the rule's occurrences in order, from start on, until
// visit returns false or the rule ends. A start that does not match its own
// rule is no occurrence. Zone is the start's, for an UNTIL in UTC.
func (r *Rule) Each(start Wall, zone *time.Location, visit func(Wall) bool) {
	r.each(start, zone, 0, visit)
}

// EachFrom is Each from a later time on; it does not walk through the years
// before, unless the rule counts its occurrences.
func (r *Rule) EachFrom(start, from Wall, zone *time.Location, visit func(Wall) bool) {
	skip := 0
	if days := int(from.Sub(start) / (24 * time.Hour)); r.Count == 0 && days > 0 {
		length := map[string]int{Daily: 1, Weekly: 7, Monthly: 31, Yearly: 366}[r.Freq] * max(r.Interval, 1)
		skip = max(days/length-1, 0) // the longest a period can be: never too far
	}
	r.each(start, zone, skip, func(w Wall) bool { return w.Before(from) || visit(w) })
}

func (r *Rule) each(start Wall, zone *time.Location, skip int, visit func(Wall) bool) {
	count := 0
	for period := skip; period < skip+maxPeriods; period++ {
		first, days := r.period(start, period)
		days = r.positions(days)
		for _, d := range days {
			w := Wall{d.Year(), d.Month(), d.Day(), start.Second}
			if w.Before(start) {
				continue
			}
			if r.past(w, zone) {
				return
			}
			count++
			if !visit(w) || count == r.Count {
				return
			}
		}
		if first.Year() > start.Year+200 {
			return
		}
	}
}

func (r *Rule) past(w Wall, zone *time.Location) bool {
	switch {
	case r.Until == (Wall{}):
		return false
	case r.UntilDate:
		return !w.Before(r.Until.Add(1, -r.Until.Second))
	case r.UntilUTC:
		return w.In(zone).After(r.Until.utc())
	}
	return r.Until.Before(w)
}

// period returns the n-th period's first day and its matching days in order.
func (r *Rule) period(start Wall, n int) (time.Time, []time.Time) {
	day := time.Date(start.Year, start.Month, start.Day, 0, 0, 0, 0, time.UTC)
	n *= max(r.Interval, 1)
	switch r.Freq {
	case Daily:
		d := day.AddDate(0, 0, n)
		return d, r.filter([]time.Time{d}, true)
	case Weekly:
		back := (int(day.Weekday()) - int(r.WeekStart) + 7) % 7
		first := day.AddDate(0, 0, 7*n-back)
		var days []time.Time
		for k := range 7 {
			d := first.AddDate(0, 0, k)
			if len(r.ByDay) > 0 || d.Weekday() == day.Weekday() {
				days = append(days, d)
			}
		}
		return first, r.filter(days, true)
	case Monthly:
		first := time.Date(start.Year, start.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
		return first, r.month(first, start.Day)
	}
	first := time.Date(start.Year+n, 1, 1, 0, 0, 0, 0, time.UTC)
	return first, r.year(first, start)
}

// month returns the days of a month the rule names; without any, the start's.
func (r *Rule) month(first time.Time, startDay int) []time.Time {
	if len(r.ByMonth) > 0 && !slices.Contains(r.ByMonth, int(first.Month())) {
		return nil
	}
	last := first.AddDate(0, 1, -1).Day()
	var out []time.Time
	for d := 1; d <= last; d++ {
		t := first.AddDate(0, 0, d-1)
		switch {
		case len(r.ByMonthDay) == 0 && len(r.ByDay) == 0:
			if d == startDay {
				out = append(out, t)
			}
		case r.monthDay(t) && (len(r.ByDay) == 0 || r.numbered(t.Weekday(), (d-1)/7+1, -((last-d)/7+1))):
			out = append(out, t)
		}
	}
	return out
}

func (r *Rule) year(first time.Time, start Wall) []time.Time {
	var out []time.Time
	switch {
	case len(r.ByDay) > 0 && len(r.ByMonth) == 0: // numbered within the year
		last := first.AddDate(1, 0, -1).YearDay()
		for n := 1; n <= last; n++ {
			t := first.AddDate(0, 0, n-1)
			if r.monthDay(t) && r.numbered(t.Weekday(), (n-1)/7+1, -((last-n)/7+1)) {
				out = append(out, t)
			}
		}
	case len(r.ByMonth) == 0 && len(r.ByMonthDay) == 0:
		return r.month(time.Date(first.Year(), start.Month, 1, 0, 0, 0, 0, time.UTC), start.Day)
	default:
		for m := range 12 {
			out = append(out, r.month(first.AddDate(0, m, 0), start.Day)...)
		}
	}
	return out
}

func (r *Rule) filter(days []time.Time, byDay bool) []time.Time {
	return slices.DeleteFunc(days, func(t time.Time) bool {
		return len(r.ByMonth) > 0 && !slices.Contains(r.ByMonth, int(t.Month())) ||
			!r.monthDay(t) || byDay && len(r.ByDay) > 0 && !r.numbered(t.Weekday(), 0, 0)
	})
}

func (r *Rule) monthDay(t time.Time) bool {
	if len(r.ByMonthDay) == 0 {
		return true
	}
	last := time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return slices.Contains(r.ByMonthDay, t.Day()) || slices.Contains(r.ByMonthDay, t.Day()-last-1)
}

func (r *Rule) numbered(day time.Weekday, n, fromEnd int) bool {
	return slices.ContainsFunc(r.ByDay, func(d DayNum) bool {
		return d.Day == day && (d.N == 0 || d.N == n || d.N == fromEnd)
	})
}

// positions keeps the BYSETPOS-th of a period's days.
func (r *Rule) positions(days []time.Time) []time.Time {
	if len(r.BySetPos) == 0 {
		return days
	}
	var out []time.Time
	for n, d := range days {
		if slices.Contains(r.BySetPos, n+1) || slices.Contains(r.BySetPos, n-len(days)) {
			out = append(out, d)
		}
	}
	return out
}
