package sla

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// Levels of a calendar's status.
const (
	LevelGreen  = "green"
	LevelYellow = "yellow"
	LevelRed    = "red"
)

// YearStatus says whether a country's holidays are entered.
type YearStatus struct {
	Country  string
	Year     int
	Known    bool
	Level    string
	Document string // notice the dates come from, with its number where it is known
	Used     []string
	Text     lang.Text
}

// Status says of every country that a calendar follows whether this and the
// next year are entered: a missing next year is yellow from 1 November and red
// from 15 December on, a missing present year is red. Dates are those of the
// calendar's zone. The result is in order of country and year.
func (c *Calendars) Status(now time.Time) []YearStatus {
	var out []YearStatus
	for _, country := range slices.Sorted(maps.Keys(c.years)) {
		used, zone := c.followers(country)
		today := dateOf(now.In(zone))
		for _, year := range []int{today.year, today.year + 1} {
			out = append(out, c.yearStatus(country, year, today, used))
		}
	}
	return out
}

// followers are the calendars over a country's years, and the zone of the first.
func (c *Calendars) followers(country string) (ids []string, zone *time.Location) {
	zone = time.UTC
	for _, id := range slices.Backward(c.IDs()) {
		if cal := c.byID[id]; !cal.Always && cal.country == country {
			ids, zone = append([]string{id}, ids...), cal.Zone
		}
	}
	return ids, zone
}

func (c *Calendars) yearStatus(country string, year int, today date, used []string) YearStatus {
	s := YearStatus{Country: country, Year: year, Level: LevelGreen, Used: used}
	y, n := c.years[country][year], strconv.Itoa(year)
	if y != nil {
		s.Known, s.Document = true, y.source.name()
		s.Text = lang.Text{ZH: n + " 年放假安排已录入：" + s.Document, EN: "holidays of " + n + " are entered: " + s.Document}
		return s
	}
	missing := lang.Text{ZH: n + " 年放假安排尚未录入", EN: "holidays of " + n + " are not entered"}
	switch {
	case year == today.year:
		s.Level = LevelRed
		s.Text = lang.Text{ZH: missing.ZH + "：时限状态未知", EN: missing.EN + ": clocks are unknown"}
	case !today.before(date{today.year, time.December, 15}):
		s.Level = LevelRed
		s.Text = lang.Text{ZH: missing.ZH + "：跨年的时限已无法计算，请立即录入通知", EN: missing.EN + ": limits that reach into it cannot be told; enter the notice now"}
	case !today.before(date{today.year, time.November, 1}):
		s.Level = LevelYellow
		s.Text = lang.Text{ZH: missing.ZH + "：通知通常在 11 月发布，请录入", EN: missing.EN + ": the notice usually appears in November; enter it"}
	default:
		s.Text = lang.Text{ZH: missing.ZH + "，通知尚未到发布时间", EN: missing.EN + "; the notice is not expected yet"}
	}
	return s
}

// name is the notice with its number.
func (s source) name() string {
	name := s.Document.In(lang.ZH)
	if s.Number != "" {
		name += "（" + s.Number + "）"
	}
	return name
}

// Why is what decides a day.
type Why struct {
	Works  bool
	Hours  []string // 09:00-12:00
	Layer  string   // calendar that decided: a layer's own date, or this calendar's week
	Name   lang.Text
	Source string // the official notice, when it decided
}

// Why tells which layer decides the date of t, and how.
func (c *Calendar) Why(t time.Time) (Why, error) {
	works, name, err := c.Day(t)
	if err != nil {
		return Why{}, err
	}
	w := Why{Works: works, Name: name, Layer: c.ID}
	if c.Always {
		return w, nil
	}
	d := dateOf(t.In(c.Zone))
	spans, err := c.hours(d)
	for _, h := range spans {
		w.Hours = append(w.Hours, fmt.Sprintf("%02d:%02d-%02d:%02d", h.from/60, h.from%60, h.to/60, h.to%60))
	}
	if s, ok := c.days[d]; ok {
		w.Layer = s.layer
		return w, err
	}
	y := c.years[d.year]
	if _, closed := y.closed[d]; closed || y.worked[d] {
		w.Source = y.source.name()
	}
	return w, err
}

// Layers returns the calendars this one is made of, from wide to narrow.
func (c *Calendar) Layers() []string { return slices.Clone(c.layers) }
