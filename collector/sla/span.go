package sla

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span is an amount of working time as the documents write it: either whole
// days ("1d": the next working day, same time) or hours and minutes ("4h",
// "1h30m").
type Span struct {
	Days int
	Time time.Duration
}

// maxSpan bounds limits; none of the documents' is longer than a year.
const maxSpan = 366 * 24 * time.Hour

// ParseSpan reads "10m", "4h", "1h30m", "90s" or "1d".
func ParseSpan(s string) (Span, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 366 {
			return Span{}, fmt.Errorf("span %q: want 1d to 366d", s)
		}
		return Span{Days: n}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > maxSpan {
		return Span{}, fmt.Errorf("span %q: want something like 10m, 4h or 1d", s)
	}
	return Span{Time: d}, nil
}

// String writes the span as ParseSpan reads it.
func (s Span) String() string {
	if s.Days > 0 {
		return strconv.Itoa(s.Days) + "d"
	}
	out := s.Time.String()
	if strings.HasSuffix(out, "m0s") {
		out = strings.TrimSuffix(out, "0s")
	}
	if strings.HasSuffix(out, "h0m") {
		out = strings.TrimSuffix(out, "0m")
	}
	return out
}

// Check refuses a span that has two readings on the calendar: 24h of working
// time is either one day of the calendar or three and a half days of work.
func (s Span) Check(c *Calendar) error {
	if !c.Always && s.Days == 0 && s.Time%(24*time.Hour) == 0 {
		return fmt.Errorf("span %s on working calendar %s: write %dd for working days, or working hours like 7h",
			s, c.ID, int(s.Time/(24*time.Hour)))
	}
	return nil
}
