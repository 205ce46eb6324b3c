package sla

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/collector/sla/ical"
	"github.com/faultline/faultline/internal/lang"
)

// maxFeed bounds a feed that is imported.
const maxFeed = 2 << 20

// How a proposed day stands to what is entered.
const (
	ProposalNew         = "new"         // nothing is entered for its year
	ProposalSame        = "same"        // agrees
	ProposalContradicts = "contradicts" // something else is entered
)

// ProposedDay is one day of a feed. It changes nothing until a person accepts it.
type ProposedDay struct {
	Date   string    `json:"date"` // 2027-01-01
	Works  bool      `json:"works"`
	Name   lang.Text `json:"name"`
	Stands string    `json:"stands"`
	Doubt  lang.Text `json:"doubt,omitzero"` // why it may be no holiday at all
}

// Proposal is what a feed says of one country's days, in order of date.
type Proposal struct {
	Country string        `json:"country"`
	Days    []ProposedDay `json:"days"`
	Left    int           `json:"left"` // entries of the feed that are no days
}

// official are names that China's notices use; a feed's other days are doubted.
var official = []struct{ zh, en string }{
	{"元旦", "New Year"}, {"春节", "Spring Festival"}, {"清明", "Qingming"}, {"清明", "Tomb"}, {"劳动节", "Labour Day"}, {"劳动节", "Labor Day"}, {"端午", "Dragon Boat"},
	{"中秋", "Mid-Autumn"}, {"国庆", "National Day"}, {"抗战胜利", "Victory"},
}

// ProposeJSON reads a feed as JSON: chinese-days ({"holidays": {date: "en,zh,n"},
// "workdays": ...}) or a list of days ({"days": [{"name", "date", "isOffDay"}]}).
func (c *Calendars) ProposeJSON(country string, data []byte) (Proposal, error) {
	if len(data) > maxFeed {
		return Proposal{}, fmt.Errorf("feed has %d bytes, at most %d are read", len(data), maxFeed)
	}
	var feed struct {
		Holidays map[string]string `json:"holidays"`
		Workdays map[string]string `json:"workdays"`
		Days     []struct {
			Name string `json:"name"`
			Date string `json:"date"`
			Off  *bool  `json:"isOffDay"`
		} `json:"days"`
	}
	if err := json.Unmarshal(data, &feed); err != nil {
		return Proposal{}, fmt.Errorf("read feed: %w", err)
	}
	b := proposer{c: c, out: Proposal{Country: country}, seen: map[string]bool{}}
	for _, day := range slices.Sorted(maps.Keys(feed.Holidays)) {
		b.day(day, false, feedName(feed.Holidays[day]))
	}
	for _, day := range slices.Sorted(maps.Keys(feed.Workdays)) {
		b.day(day, true, feedName(feed.Workdays[day]))
	}
	for _, d := range feed.Days {
		if d.Off == nil {
			b.out.Left++
			continue
		}
		b.day(d.Date, !*d.Off, lang.Text{ZH: d.Name})
	}
	return b.done("no holidays, workdays or days")
}

// feedName reads "Spring Festival,春节,4".
func feedName(s string) lang.Text {
	f := strings.Split(s, ",")
	if len(f) > 1 {
		return lang.Text{ZH: f[1], EN: f[0]}
	}
	return lang.Same(s)
}

// ProposeICS reads a calendar feed: whole-day events; those that say 班, work or
// 调休 in their summary or description are worked days.
func (c *Calendars) ProposeICS(country string, data []byte) (Proposal, error) {
	root, err := ical.Parse(data)
	if err != nil {
		return Proposal{}, fmt.Errorf("read feed: %w", err)
	}
	b := proposer{c: c, out: Proposal{Country: country}, seen: map[string]bool{}}
	for _, ev := range root.Children {
		if ev.Name == "VEVENT" {
			b.event(ev)
		}
	}
	return b.done("no whole-day events")
}

type proposer struct {
	c    *Calendars
	out  Proposal
	seen map[string]bool
}

func (b *proposer) event(ev *ical.Component) {
	p, ok := ev.Prop("DTSTART")
	start, err := p.Moment()
	if !ok || err != nil || !start.Date {
		b.out.Left++
		return
	}
	days := 1
	if p, ok := ev.Prop("DTEND"); ok {
		if end, err := p.Moment(); err == nil && end.Date {
			days = int(end.Sub(start.Wall) / (24 * time.Hour))
		}
	}
	if days < 1 || days > 31 {
		b.out.Left++
		return
	}
	name := ev.Text("SUMMARY")
	about := strings.ToLower(name + " " + ev.Text("DESCRIPTION"))
	works := strings.Contains(about, "班") || strings.Contains(about, "work") || strings.Contains(about, "调休")
	for _, cut := range []string{"(Holiday)", "(Workday)", "(休)", "(班)", "（休）", "（班）"} {
		name = strings.TrimSpace(strings.TrimSuffix(name, cut))
	}
	for n := range days {
		b.day(start.Add(n, 0).String()[:10], works, lang.Same(name))
	}
}

func (b *proposer) day(day string, works bool, name lang.Text) {
	d, err := parseDate(day)
	if err != nil || b.seen[day] {
		b.out.Left++
		return
	}
	b.seen[day] = true
	p := ProposedDay{Date: day, Works: works, Name: tidy(name), Stands: ProposalNew}
	if y := b.c.years[b.out.Country][d.year]; y != nil {
		_, closed := y.closed[d]
		weekend := d.weekday() == time.Saturday || d.weekday() == time.Sunday
		p.Stands = ProposalContradicts
		if now := y.worked[d] || !closed && !weekend; now == works {
			p.Stands = ProposalSame
		}
	}
	switch weekend := d.weekday() == time.Saturday || d.weekday() == time.Sunday; {
	case works && !weekend:
		p.Doubt = lang.Text{ZH: "平日本来就上班", EN: "a weekday is worked anyway"}
	case !known(name):
		p.Doubt = lang.Text{ZH: "不是通知所列节日的名称", EN: "no name of a holiday in the notices"}
	}
	b.out.Days = append(b.out.Days, p)
}

// tidy gives an official holiday its names in both languages.
func tidy(name lang.Text) lang.Text {
	for _, o := range official {
		if strings.Contains(name.ZH, o.zh) || strings.Contains(name.EN, o.en) {
			if name.ZH == "" || name.ZH == name.EN {
				return lang.Text{ZH: o.zh, EN: o.en}
			}
			return name
		}
	}
	return name
}

func known(name lang.Text) bool {
	return slices.ContainsFunc(official, func(o struct{ zh, en string }) bool {
		return strings.Contains(name.ZH, o.zh) || strings.Contains(name.EN, o.en)
	})
}

func (b *proposer) done(empty string) (Proposal, error) {
	if len(b.out.Days) == 0 {
		return b.out, fmt.Errorf("read feed: %s found", empty)
	}
	slices.SortFunc(b.out.Days, func(x, y ProposedDay) int { return strings.Compare(x.Date, y.Date) })
	return b.out, nil
}

// Acceptance is a person's decision on a proposal.
type Acceptance struct {
	By       string    // who accepts
	At       time.Time // when
	Document lang.Text // notice the person compared with
	Number   string    // of the notice; "" when it is not known
	Issued   string    // date of the notice
	Dates    []string  // each accepted day
}

// Accept makes the text of a year's file from the days a person accepted. All
// must be days of the proposal and of one year; the text is loaded before it is
// returned, so that it cannot be one that Load refuses.
func (p Proposal) Accept(a Acceptance) ([]byte, error) {
	if a.By == "" || a.Document.IsZero() || len(a.Dates) == 0 {
		return nil, fmt.Errorf("accept proposal: name who accepts, the notice compared with, and the days")
	}
	dates := slices.Sorted(slices.Values(a.Dates))
	var days []ProposedDay
	for _, day := range slices.Compact(dates) {
		n := slices.IndexFunc(p.Days, func(d ProposedDay) bool { return d.Date == day })
		switch {
		case n < 0:
			return nil, fmt.Errorf("accept proposal: %s is not proposed", day)
		case day[:4] != dates[0][:4]:
			return nil, fmt.Errorf("accept proposal: %s is of another year than %s: one file holds one year", day, dates[0])
		}
		days = append(days, p.Days[n])
	}
	text := p.write(a, days)
	if _, err := Restore(map[string]string{"accepted.yaml": string(text)}); err != nil {
		return nil, fmt.Errorf("accept proposal: %w", err)
	}
	return text, nil
}

func (p Proposal) write(a Acceptance, days []ProposedDay) []byte {
	var b strings.Builder
	q := func(s string) string { j, _ := json.Marshal(s); return string(j) }
	name := func(t lang.Text) string { return "{zh-CN: " + q(t.In(lang.ZH)) + ", en: " + q(t.In(lang.EN)) + "}" }
	fmt.Fprintf(&b, "apiVersion: faultline/v1\nkind: CalendarYear\ncountry: %s\nyear: %s\nsource:\n  document: %s\n", q(p.Country), days[0].Date[:4], name(a.Document))
	if a.Number != "" {
		fmt.Fprintf(&b, "  number: %s\n", q(a.Number))
	}
	if a.Issued != "" {
		fmt.Fprintf(&b, "  issued: %s\n", q(a.Issued))
	}
	fmt.Fprintf(&b, "  checked: %s\nclosed:\n", q("each day accepted by "+a.By+" on "+a.At.UTC().Format(time.DateOnly)))
	var worked []string
	for n := 0; n < len(days); n++ {
		if days[n].Works {
			worked = append(worked, q(days[n].Date))
			continue
		}
		from, m := days[n], n
		for m+1 < len(days) && !days[m+1].Works && days[m+1].Name == from.Name && follows(days[m].Date, days[m+1].Date) {
			m++
		}
		fmt.Fprintf(&b, "  - {name: %s, from: %s, to: %s}\n", name(from.Name), q(from.Date), q(days[m].Date))
		n = m
	}
	fmt.Fprintf(&b, "worked: [%s]\n", strings.Join(worked, ", "))
	return []byte(b.String())
}

func follows(a, b string) bool {
	d, err1 := parseDate(a)
	e, err2 := parseDate(b)
	return err1 == nil && err2 == nil && d.next() == e
}
