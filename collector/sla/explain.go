package sla

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

// sayDays bounds how many days a sentence lists one by one.
const sayDays = 6

// Explain answers "why is this due then?" in one sentence of both languages:
// from when, how much of which day counts, what does not and why, who was
// waited for, and what a correction of the calendar would change.
func (c Clocks) Explain(l Ledger, s State) lang.Text {
	if s.Phase == PhaseIdle {
		return both("「%s」尚未开始计时。", "%s has not begun.", s.Limit.Title)
	}
	if s.Problem != nil {
		return c.explainUnknown(s)
	}
	parts := []lang.Text{s.head()}
	if body := s.body(); !body.IsZero() {
		parts = append(parts, body)
	}
	parts = append(parts, s.waited(l, c)...)
	if s.Restated != nil {
		parts = append(parts, s.restated(l))
	}
	return lang.Text{ZH: join(parts, "；", lang.ZH) + "。", EN: join(parts, "; ", lang.EN) + "."}
}

func (c Clocks) explainUnknown(s State) lang.Text {
	why := lang.Same(s.Problem.Error())
	var unknown *UnknownYear
	if errors.As(s.Problem, &unknown) {
		y := strconv.Itoa(unknown.Year)
		why = lang.Text{ZH: "日历 " + unknown.Calendar + " 没有 " + y + " 年的放假安排，请日历负责人录入该年通知",
			EN: "calendar " + unknown.Calendar + " has no holidays of " + y + "; its owner has to enter that year's notice"}
	}
	return lang.Text{ZH: "「" + s.Limit.Title.ZH + "」何时到期未知：" + why.ZH + "；已用 " + sayZH(s.Elapsed) + "。",
		EN: "When " + s.Limit.Title.EN + " is due is not known: " + why.EN + "; " + sayEN(s.Elapsed) + " used so far."}
}

// head says when and what the limit is.
func (s State) head() lang.Text {
	zone := s.line.zone()
	cal := s.line.parts[len(s.line.parts)-1].cal
	limit := lang.Text{ZH: s.amount().ZH + "（" + cal.Title.ZH + "），自 " + stampZH(s.Started, zone) + " 起算",
		EN: s.amount().EN + " on the calendar " + cal.Title.EN + " from " + stampEN(s.Started, zone)}
	switch {
	case s.Phase == PhasePaused:
		left := max(s.Work-s.Elapsed, 0)
		return lang.Text{ZH: "「" + s.Limit.Title.ZH + "」已暂停：限时" + limit.ZH + "，已用 " + sayZH(s.Elapsed) + "，恢复后还剩 " + sayZH(left),
			EN: s.Limit.Title.EN + " is paused: " + limit.EN + ", " + sayEN(s.Elapsed) + " used, " + sayEN(left) + " left once it goes on"}
	case s.Due.IsZero():
		return lang.Text{ZH: "「" + s.Limit.Title.ZH + "」已在限时内停止：限时" + limit.ZH + "，用时 " + s.used().ZH,
			EN: s.Limit.Title.EN + " ended in time: " + limit.EN + ", took " + s.used().EN}
	}
	return lang.Text{ZH: "「" + s.Limit.Title.ZH + "」于 " + stampZH(s.Due, zone) + " 到期：限时" + limit.ZH,
		EN: s.Limit.Title.EN + " is due " + stampEN(s.Due, zone) + ": " + limit.EN}
}

// used is the time taken, in words: nothing worked is not "0 s".
func (s State) used() lang.Text {
	if s.Outside {
		return lang.Text{ZH: "0（全部在工作时间以外）", EN: "none (all outside hours)"}
	}
	return lang.Text{ZH: sayZH(s.Elapsed), EN: sayEN(s.Elapsed)}
}

func (s State) amount() lang.Text {
	switch {
	case s.Target.Days > 0 && s.line.around():
		return lang.Text{ZH: fmt.Sprintf(" %d 天", s.Target.Days), EN: plural(s.Target.Days, "day")}
	case s.Target.Days == 1:
		return lang.Text{ZH: " 1 个工作日（下一工作日同一时刻）", EN: "1 working day (the next one, same time)"}
	case s.Target.Days > 0:
		return lang.Text{ZH: fmt.Sprintf(" %d 个工作日", s.Target.Days), EN: plural(s.Target.Days, "working day")}
	case s.line.around():
		return lang.Text{ZH: " " + sayZH(s.Target.Time), EN: sayEN(s.Target.Time) + " of elapsed time"}
	}
	return lang.Text{ZH: "工作时间 " + sayZH(s.Target.Time), EN: sayEN(s.Target.Time) + " of working time"}
}

// counted is what one date gives to the clock.
type counted struct {
	day  date
	work time.Duration
	name lang.Text // of the day, where it is not an ordinary one
}

// body lists what counts day by day, and the days that do not.
func (s State) body() lang.Text {
	if s.line.around() || s.Due.IsZero() && s.Phase != PhasePaused {
		return lang.Text{}
	}
	runs, _, err := replay(s.marks)
	if err != nil || len(runs) == 0 {
		return lang.Text{}
	}
	var worked, free []counted
	until := s.Due
	if until.IsZero() {
		until = runs[len(runs)-1].to
	}
	last := dateOf(until.In(s.line.zone()))
	for d := dateOf(s.Started.In(s.line.zone())); !last.before(d); d = d.next() {
		c := s.count(runs, d, until)
		_, errDay := s.line.intervals(d, nil)
		switch {
		case c.work > 0:
			worked = append(worked, c)
		case errDay == nil && s.closed(d):
			free = append(free, c)
		}
	}
	out := sayWorked(worked)
	if skipped := sayFree(free); !skipped.IsZero() {
		out = lang.Text{ZH: out.ZH + "；不计 " + skipped.ZH, EN: out.EN + "; not counted " + skipped.EN}
	}
	return out
}

func (s State) closed(d date) bool {
	day, err := s.line.intervals(d, nil)
	return err == nil && len(day) == 0
}

func (s State) count(runs []interval, d date, until time.Time) counted {
	c := counted{day: d}
	day, _ := s.line.intervals(d, nil)
	for _, v := range day {
		for _, run := range runs {
			a, b := later(v.from, run.from), earlier(v.to, endOf(run, until))
			if b.After(a) {
				c.work += b.Sub(a)
			}
		}
	}
	noon := d.at(12*60, s.line.zone())
	for _, p := range s.line.parts {
		if !p.from.After(noon) || c.name.IsZero() {
			_, c.name, _ = p.cal.Day(noon)
		}
	}
	return c
}

func sayWorked(days []counted) lang.Text {
	var out []lang.Text
	for n, c := range days {
		if len(days) > sayDays && n == sayDays-2 {
			var sum time.Duration
			for _, m := range days[n : len(days)-1] {
				sum += m.work
			}
			k := len(days) - 1 - n
			out = append(out, lang.Text{ZH: fmt.Sprintf("其后 %d 个工作日计 %s", k, sayZH(sum)), EN: sayEN(sum) + " on the next " + plural(k, "working day")})
		}
		if len(days) > sayDays && n >= sayDays-2 && n < len(days)-1 {
			continue
		}
		t := lang.Text{ZH: dayZH(c.day) + " 计 " + sayZH(c.work), EN: sayEN(c.work) + " on " + dayEN(c.day)}
		if !c.name.IsZero() {
			t.ZH, t.EN = dayZH(c.day)+"（"+c.name.In(lang.ZH)+"）计 "+sayZH(c.work), t.EN+" ("+c.name.In(lang.EN)+")"
		}
		out = append(out, t)
	}
	return lang.Text{ZH: join(out, "、", lang.ZH), EN: join(out, ", ", lang.EN)}
}

// sayFree joins days off that follow each other.
func sayFree(days []counted) lang.Text {
	var out []lang.Text
	for n := 0; n < len(days); {
		m, name := n, days[n].name
		for m+1 < len(days) && days[m].day.next() == days[m+1].day {
			m++
			if name.IsZero() {
				name = days[m].name
			}
		}
		if name.IsZero() {
			name = lang.Text{ZH: "非工作日", EN: "not worked"}
		}
		t := lang.Text{ZH: dayZH(days[n].day), EN: dayEN(days[n].day)}
		if m > n {
			t = lang.Text{ZH: t.ZH + " 至 " + dayZH(days[m].day), EN: t.EN + " to " + dayEN(days[m].day)}
		}
		out = append(out, lang.Text{ZH: t.ZH + "（" + name.In(lang.ZH) + "）", EN: t.EN + " (" + name.In(lang.EN) + ")"})
		n = m + 1
	}
	return lang.Text{ZH: join(out, "、", lang.ZH), EN: join(out, ", ", lang.EN)}
}

// waited says for whom the clock waited.
func (s State) waited(l Ledger, c Clocks) []lang.Text {
	newest, _ := c.History.Newest()
	zone := s.line.zone()
	var out []lang.Text
	for _, w := range l.Waits() {
		if !slices.Contains(w.Clocks, s.Limit.ID) || !w.To.IsZero() && w.To.Before(s.Started) {
			continue
		}
		why := w.Text
		if why.IsZero() {
			why = lang.Same(w.Reason)
		}
		if newest.Calendars != nil {
			if r, ok := newest.Calendars.limits.Reason(w.Reason); ok {
				why = r.Title
			}
		}
		t := lang.Text{ZH: stampZH(w.From, zone) + " 起暂停", EN: "waiting since " + stampEN(w.From, zone)}
		if !w.To.IsZero() {
			t = lang.Text{ZH: stampZH(w.From, zone) + " 至 " + stampZH(w.To, zone) + " 暂停", EN: "waited from " + stampEN(w.From, zone) + " to " + stampEN(w.To, zone)}
		}
		owner, by := c.called(w.Owner), c.called(w.By)
		out = append(out, lang.Text{ZH: t.ZH + "（" + why.In(lang.ZH) + "，等待 " + owner.In(lang.ZH) + "，由 " + by.In(lang.ZH) + " 登记）",
			EN: t.EN + " (" + why.In(lang.EN) + ", for " + owner.In(lang.EN) + ", entered by " + by.In(lang.EN) + ")"})
	}
	return out
}

// called is what a role, a person or the system itself is called.
func (c Clocks) called(who string) lang.Text {
	if who == "system" {
		return lang.Text{ZH: "系统", EN: "the system"}
	}
	if c.Called != nil {
		if t, ok := c.Called(who); ok {
			return t
		}
	}
	return lang.Same(who)
}

func (s State) restated(l Ledger) lang.Text {
	zone, by := s.line.zone(), lang.Text{}
	for _, e := range l.entries {
		if e.What == EntryCalendar {
			by = lang.Text{ZH: "，" + e.By + " 于 " + stampZH(e.At, zone) + " 更正", EN: ", corrected by " + e.By + " at " + stampEN(e.At, zone)}
		}
	}
	t := lang.Text{ZH: "按最新日历" + by.ZH + "，全程重算用时 " + sayZH(s.Restated.Elapsed), EN: "by the newest calendar" + by.EN + ", the whole would have taken " + sayEN(s.Restated.Elapsed)}
	if !s.Restated.Due.IsZero() {
		t.ZH, t.EN = t.ZH+"、到期 "+stampZH(s.Restated.Due, zone), t.EN+" and be due "+stampEN(s.Restated.Due, zone)
	}
	return t
}

func both(zh, en string, title lang.Text) lang.Text {
	return lang.Text{ZH: fmt.Sprintf(zh, title.ZH), EN: fmt.Sprintf(en, title.EN)}
}

func join(parts []lang.Text, sep, language string) string {
	var out []string
	for _, p := range parts {
		out = append(out, p.In(language))
	}
	return strings.Join(out, sep)
}

var weekdayZH = [...]string{"周日", "周一", "周二", "周三", "周四", "周五", "周六"}

func stampZH(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	return t.Format("2006-01-02") + "（" + weekdayZH[t.Weekday()] + "）" + clock(t)
}

func stampEN(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	return t.Format("Mon 2006-01-02 ") + clock(t)
}

// clock is the time of day, with seconds when it has some.
func clock(t time.Time) string {
	if t.Second() != 0 {
		return t.Format("15:04:05")
	}
	return t.Format("15:04")
}

func dayZH(d date) string {
	return fmt.Sprintf("%02d-%02d（%s）", d.month, d.day, weekdayZH[d.weekday()])
}

func dayEN(d date) string {
	return d.weekday().String()[:3] + fmt.Sprintf(" %02d-%02d", d.month, d.day)
}

func sayZH(d time.Duration) string { return say(d, " 小时", " 分钟", " 秒") }
func sayEN(d time.Duration) string { return say(d, " h", " min", " s") }

// say writes an amount of time in at most two units; working time is never in days.
func say(d time.Duration, hour, minute, second string) string {
	h, m, s := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	var out []string
	if h > 0 {
		out = append(out, strconv.Itoa(h)+hour)
	}
	if m > 0 {
		out = append(out, strconv.Itoa(m)+minute)
	}
	if s > 0 && h == 0 || len(out) == 0 {
		out = append(out, strconv.Itoa(s)+second)
	}
	return strings.Join(out, " ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
