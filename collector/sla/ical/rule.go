package ical

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Frequencies that are supported; rotas need none shorter than a day.
const (
	Daily   = "DAILY"
	Weekly  = "WEEKLY"
	Monthly = "MONTHLY"
	Yearly  = "YEARLY"
)

// Rule is a recurrence rule (RFC 5545, 3.3.10) without the parts that name
// hours, minutes, seconds, week numbers and days of the year.
type Rule struct {
	Freq       string
	Interval   int // 0 is 1
	Count      int // 0: no limit
	Until      Wall
	UntilUTC   bool // Until is in UTC, else by the wall of the start's zone
	UntilDate  bool // Until is a whole day
	ByDay      []DayNum
	ByMonthDay []int
	ByMonth    []int
	BySetPos   []int
	WeekStart  time.Weekday
}

// DayNum is a weekday; N is its place in the month or year, negative from the
// end, 0 every one.
type DayNum struct {
	N   int
	Day time.Weekday
}

var dayNames = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

// ParseRule reads an RRULE value.
func ParseRule(s string) (*Rule, error) {
	r := &Rule{Interval: 1, WeekStart: time.Monday}
	seen := map[string]bool{}
	for _, part := range strings.Split(strings.TrimSuffix(s, ";"), ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToUpper(name)
		if !ok || seen[name] {
			return nil, fmt.Errorf("rule %.80q: %q has no value or comes twice", s, name)
		}
		seen[name] = true
		if err := r.set(name, strings.ToUpper(value)); err != nil {
			return nil, fmt.Errorf("rule %.80q: %w", s, err)
		}
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("rule %.80q: %w", s, err)
	}
	return r, nil
}

func (r *Rule) set(name, value string) (err error) {
	switch name {
	case "FREQ":
		r.Freq = value
	case "INTERVAL":
		r.Interval, err = number(value, 1, 1000)
	case "COUNT":
		r.Count, err = number(value, 1, 10_000)
	case "UNTIL":
		m, err := moment(value, nil)
		if err != nil {
			return err
		}
		r.Until, r.UntilUTC, r.UntilDate = m.Wall, m.Zone == time.UTC, m.Date
	case "WKST":
		r.WeekStart, err = weekday(value)
	case "BYDAY":
		for _, s := range strings.Split(value, ",") {
			d, err := dayNum(s)
			if err != nil {
				return err
			}
			r.ByDay = append(r.ByDay, d)
		}
	case "BYMONTHDAY":
		r.ByMonthDay, err = numbers(value, 31, true)
	case "BYMONTH":
		r.ByMonth, err = numbers(value, 12, false)
	case "BYSETPOS":
		r.BySetPos, err = numbers(value, 366, true)
	default:
		return fmt.Errorf("%s is not supported", name)
	}
	return err
}

func (r *Rule) check() error {
	ordinal := slices.ContainsFunc(r.ByDay, func(d DayNum) bool { return d.N != 0 })
	switch {
	case !slices.Contains([]string{Daily, Weekly, Monthly, Yearly}, r.Freq):
		return fmt.Errorf("FREQ=%s: want DAILY, WEEKLY, MONTHLY or YEARLY", r.Freq)
	case r.Count > 0 && r.Until != (Wall{}):
		return fmt.Errorf("COUNT and UNTIL exclude each other")
	case r.Freq == Weekly && len(r.ByMonthDay) > 0:
		return fmt.Errorf("BYMONTHDAY has no meaning with WEEKLY")
	case ordinal && (r.Freq == Daily || r.Freq == Weekly):
		return fmt.Errorf("a numbered weekday has no meaning with %s", r.Freq)
	case len(r.BySetPos) > 0 && len(r.ByDay)+len(r.ByMonthDay)+len(r.ByMonth) == 0:
		return fmt.Errorf("BYSETPOS needs another BY part")
	}
	return nil
}

// String writes the rule as ParseRule reads it.
func (r *Rule) String() string {
	out := "FREQ=" + r.Freq
	add := func(name, value string) { out += ";" + name + "=" + value }
	if r.Interval > 1 {
		add("INTERVAL", strconv.Itoa(r.Interval))
	}
	if r.Count > 0 {
		add("COUNT", strconv.Itoa(r.Count))
	}
	if r.Until != (Wall{}) {
		switch {
		case r.UntilDate:
			add("UNTIL", r.Until.Format()[:8])
		case r.UntilUTC:
			add("UNTIL", r.Until.Format()+"Z")
		default:
			add("UNTIL", r.Until.Format())
		}
	}
	if len(r.ByMonth) > 0 {
		add("BYMONTH", join(r.ByMonth))
	}
	if len(r.ByMonthDay) > 0 {
		add("BYMONTHDAY", join(r.ByMonthDay))
	}
	if len(r.ByDay) > 0 {
		var days []string
		for _, d := range r.ByDay {
			s := dayNames[d.Day]
			if d.N != 0 {
				s = strconv.Itoa(d.N) + s
			}
			days = append(days, s)
		}
		add("BYDAY", strings.Join(days, ","))
	}
	if len(r.BySetPos) > 0 {
		add("BYSETPOS", join(r.BySetPos))
	}
	if r.WeekStart != time.Monday {
		add("WKST", dayNames[r.WeekStart])
	}
	return out
}

func join(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

func number(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q: want a number from %d to %d", s, low, high)
	}
	return n, nil
}

func numbers(value string, high int, negative bool) ([]int, error) {
	low := 1
	if negative {
		low = -high
	}
	var out []int
	for _, s := range strings.Split(value, ",") {
		n, err := number(s, low, high)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q: want numbers from %d to %d, not 0", value, low, high)
		}
		out = append(out, n)
	}
	return out, nil
}

func weekday(s string) (time.Weekday, error) {
	n := slices.Index(dayNames, s)
	if n < 0 {
		return 0, fmt.Errorf("%q: want MO, TU, ...", s)
	}
	return time.Weekday(n), nil
}

func dayNum(s string) (DayNum, error) {
	if len(s) < 2 {
		return DayNum{}, fmt.Errorf("%q: want MO or 1MO", s)
	}
	day, err := weekday(s[len(s)-2:])
	if err != nil || len(s) == 2 {
		return DayNum{Day: day}, err
	}
	n, err := number(s[:len(s)-2], -53, 53)
	if err != nil || n == 0 {
		return DayNum{}, fmt.Errorf("%q: want MO or 1MO", s)
	}
	return DayNum{N: n, Day: day}, nil
}
