package sla

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// book is a ledger under test with the shipped limits and calendars.
type book struct {
	t      testing.TB
	clocks Clocks
	limits Limits
	l      Ledger
}

func newBook(t testing.TB) *book {
	cals := shipped(t)
	return &book{t: t, limits: cals.Limits(), clocks: Clocks{History: NewHistory(Published{At: at(t, "2025-01-01 00:00"), By: "start", Calendars: cals})}}
}

// add writes an entry at the time, under the newest calendars.
func (b *book) add(when string, e Entry) {
	b.t.Helper()
	newest, _ := b.clocks.History.Newest()
	e.Seq, e.At = int64(len(b.l.entries)+1), at(b.t, when)
	if e.Version == "" {
		e.Version = newest.Calendars.Version()
	}
	var err error
	if b.l, err = b.l.Add(b.limits, e); err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) read(clock, now string) State {
	b.t.Helper()
	lim, ok := b.limits.Of(clock)
	if !ok {
		b.t.Fatalf("no limit %s", clock)
	}
	return b.clocks.Read(b.l, lim, at(b.t, now))
}

func (b *book) due(clock, now, want string) {
	b.t.Helper()
	s := b.read(clock, now)
	if s.Problem != nil || !s.Due.Equal(at(b.t, want)) {
		b.t.Errorf("%s is due %s (%v), want %s", clock, s.Due.In(shanghai), s.Problem, want)
	}
}

func start(clock string) Entry { return Entry{What: EntryStart, Clock: clock} }

func wait(id, reason string) Entry {
	return Entry{What: EntryPause, Wait: id, Reason: reason, By: "li"}
}

func resume(id string) Entry { return Entry{What: EntryResume, Wait: id} }

// Row: pause added to the deadline as wall time.
func TestPitfallPauseOverNationalDayIsReplayed(t *testing.T) {
	b := newBook(t)
	b.add("2026-09-30 13:00", start("branch"))
	b.add("2026-09-30 14:00", wait("w", "carrier"))
	b.add("2026-10-08 10:00", resume("w"))
	b.due("branch", "2026-10-08 10:00", "2026-10-08 14:00")
}

// Row: a changed target loses earlier pauses.
func TestPitfallTargetChangedKeepsPauses(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-20 09:00", start("branch"))
	b.add("2026-11-20 10:00", wait("w", "user"))
	b.add("2026-11-20 11:00", resume("w"))
	b.due("branch", "2026-11-20 11:00", "2026-11-20 15:00")
	b.add("2026-11-20 11:30", Entry{What: EntryTarget, Clock: "branch", Target: "2h", By: "chief"})
	b.due("branch", "2026-11-20 11:30", "2026-11-20 12:00")
}

// Row: warnings computed outside the calendar.
func TestPitfallWarningsByTheSameArithmetic(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-20 16:00", start("branch"))
	if w := b.read("branch", "2026-11-20 16:00").Warnings; len(w) != 1 || !w[0].At.Equal(at(t, "2026-11-23 11:00")) {
		t.Errorf("75 %% of 4 h from Friday 16:00: %v, want Monday 11:00", w)
	}
	b.add("2026-11-23 09:30", wait("w", "supplier"))
	if w := b.read("branch", "2026-11-23 09:30").Warnings; !w[0].At.IsZero() {
		t.Errorf("a paused clock warns at %v", w[0].At)
	}
	b.add("2026-11-23 14:00", resume("w"))
	if w := b.read("branch", "2026-11-23 14:00").Warnings; !w[0].At.Equal(at(t, "2026-11-23 15:30")) {
		t.Errorf("after the wait: %v, want 15:30", w[0].At.In(shanghai))
	}
}

// Row: day-stepping by 86,400 s.
func TestPitfallDaysAreCalendarDates(t *testing.T) {
	for _, cal := range zones(t)[1:] { // London and New York change their clocks
		for _, day := range []string{"2026-03-06", "2026-03-27", "2026-10-23", "2026-10-30"} {
			from, err := time.ParseInLocation("2006-01-02 15:04", day+" 10:00", cal.Zone)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Due(cal, from, Span{Days: 2})
			if local := got.In(cal.Zone); err != nil || local.Hour() != 10 || local.Weekday() != time.Monday && local.Weekday() != time.Tuesday {
				t.Errorf("%s: 2d from %s is %s, %v; want 10:00", cal.ID, from, local, err)
			}
		}
	}
}

// Row: opened outside hours has a duration of 0.
func TestPitfallOutsideHoursIsSaid(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-20 18:00", start("respond"))
	b.add("2026-11-20 18:20", Entry{What: EntryStop, Clock: "respond"})
	s := b.read("respond", "2026-11-21 09:00")
	if s.Elapsed != 0 || !s.Outside || s.Breached {
		t.Fatalf("%+v", s)
	}
	if text := b.clocks.Explain(b.l, s); !strings.Contains(text.ZH, "全部在工作时间以外") || !strings.Contains(text.EN, "none (all outside hours)") {
		t.Errorf("%s\n%s", text.ZH, text.EN)
	}
}

// Row: "1 day" means 24 h or one shift?
func TestPitfallBareDayOfHoursIsRefused(t *testing.T) {
	cal := calendar(t, "cn-workday")
	for _, s := range []string{"24h", "48h"} {
		if _, err := Due(cal, at(t, "2026-11-20 10:00"), span(t, s)); err == nil || !strings.Contains(err.Error(), "d for working days") {
			t.Errorf("%s on a working calendar: %v", s, err)
		}
	}
	b := newBook(t)
	b.add("2026-11-20 10:00", start("hq"))
	b.due("hq", "2026-11-20 10:00", "2026-11-23 10:00")
	b.add("2026-11-20 10:01", Entry{What: EntryTarget, Clock: "hq", Target: "24h"})
	if s := b.read("hq", "2026-11-20 10:01"); s.Phase != PhaseUnknown || s.Problem == nil {
		t.Errorf("24h given later: %+v", s)
	}
}

// Row: a holiday feed contains non-holidays.
func TestPitfallFeedDaysAreOnlyProposed(t *testing.T) {
	feed := `{"days":[{"name":"国庆节","date":"2027-10-01","isOffDay":true},{"name":"Volkstrauertag","date":"2027-11-14","isOffDay":true},{"name":"St. Martin","date":"2027-11-11","isOffDay":true}]}`
	cals := shipped(t)
	p, err := cals.ProposeJSON("cn", []byte(feed))
	if err != nil || len(p.Days) != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	if !p.Days[0].Doubt.IsZero() || p.Days[1].Doubt.IsZero() || p.Days[2].Doubt.IsZero() {
		t.Errorf("doubts: %+v", p.Days)
	}
	cal, _ := cals.Get("cn-workday")
	if _, _, err := cal.Day(time.Date(2027, 10, 1, 12, 0, 0, 0, shanghai)); err == nil {
		t.Error("a proposal made the year known")
	}
}

// Row: the holiday list is edited while an incident is open.
func TestPitfallCalendarEditedMidIncident(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-20 16:00", start("branch")) // Friday
	b.due("branch", "2026-11-20 16:00", "2026-11-23 12:00")
	files := shipped(t).Files()
	files["cn-workday.yaml"] += "days: [{date: \"2026-11-23\", name: {zh-CN: 停电, en: power cut}}]\n"
	corrected, err := Restore(files)
	if err != nil {
		t.Fatal(err)
	}
	b.clocks.History = b.clocks.History.Publish(Published{At: at(t, "2026-11-23 10:00"), By: "wang", Calendars: corrected})
	s := b.read("branch", "2026-11-23 10:30")
	if !s.Due.Equal(at(t, "2026-11-23 12:00")) {
		t.Fatalf("a publication without an event moved the due time to %s", s.Due.In(shanghai))
	}
	b.add("2026-11-23 11:00", Entry{What: EntryCalendar, By: "wang", Version: corrected.Version()})
	s = b.read("branch", "2026-11-23 11:00")
	// 1 h on Friday and 9 to 11 on Monday counted by the version then in force.
	if s.Elapsed != 3*time.Hour || !s.Due.Equal(at(t, "2026-11-24 10:00")) {
		t.Errorf("after the correction: %s used, due %s", s.Elapsed, s.Due.In(shanghai))
	}
	if s.Restated == nil || s.Restated.Elapsed != time.Hour || !s.Restated.Due.Equal(at(t, "2026-11-24 12:00")) {
		t.Fatalf("restated: %+v", s.Restated)
	}
	text := b.clocks.Explain(b.l, s)
	if !strings.Contains(text.ZH, "wang") || !strings.Contains(text.ZH, "2026-11-24（周二）10:00") || !strings.Contains(text.ZH, "2026-11-24（周二）12:00") {
		t.Errorf("both results and the author are to be shown: %s", text.ZH)
	}
	if _, err := b.l.Add(b.limits, Entry{Seq: 99, What: EntryCalendar, Version: "x"}); err == nil {
		t.Error("a correction without an author is taken")
	}
}

// Row: windows stored in UTC.
func TestPitfallHoursAreWallTimeAndZone(t *testing.T) {
	for _, cal := range zones(t)[1:] {
		for _, day := range []string{"2026-02-25", "2026-07-15"} { // winter and summer time
			from, _ := time.ParseInLocation("2006-01-02 15:04", day+" 08:00", cal.Zone)
			got, err := Due(cal, from, Span{Time: time.Hour})
			if local := got.In(cal.Zone); err != nil || local.Format("15:04") != "10:00" {
				t.Errorf("%s: %s + 1 h = %s, %v", cal.ID, from, local, err)
			}
		}
	}
}

// Row: week shapes that break the loop: none worked, one minute a week, all day.
func TestPitfallOddWeeks(t *testing.T) {
	for week, ends := range map[string]string{
		"{}": "", `{sunday: ["23:59-24:00"]}`: "2026-01-18 23:59:30", `{monday: ["00:00-24:00"], sunday: ["00:00-24:00"]}`: "2026-01-05 00:01:30",
	} {
		fsys := shippedFiles(t)
		fsys["odd.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: faultline/v1\nkind: Calendar\nid: odd\nzone: Asia/Shanghai\ncountry: cn\nweek: " + week + "\n")}
		c, err := Load(fsys)
		if err != nil {
			t.Fatal(err)
		}
		cal, _ := c.Get("odd")
		got, err := Due(cal, at(t, "2026-01-05 00:00"), Span{Time: 90 * time.Second})
		var unknown *UnknownYear
		switch {
		case ends == "" && !errors.As(err, &unknown):
			t.Errorf("a week without work: %v, %v", got, err)
		case ends != "" && (err != nil || got.In(shanghai).Format(time.DateTime) != ends):
			t.Errorf("%s: %v, %v; want %s", week, got.In(shanghai), err, ends)
		}
	}
}

// Row: the collector's wall clock jumps.
func TestPitfallWallClockJumps(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-20 09:00", start("branch"))
	// The clock was set back 3 h: the stamp is before the entry it follows.
	b.add("2026-11-20 06:00", Entry{What: EntryPause, Wait: "w", Reason: "user", By: "li", Since: 30 * time.Minute})
	b.add("2026-11-20 06:30", Entry{What: EntryResume, Wait: "w", Since: 30 * time.Minute})
	if e := b.l.Entries(); !e[1].At.Equal(at(t, "2026-11-20 09:30")) || !e[2].At.Equal(at(t, "2026-11-20 10:00")) {
		t.Errorf("entries count at %v and %v", e[1].At.In(shanghai), e[2].At.In(shanghai))
	}
	b.due("branch", "2026-11-20 10:00", "2026-11-20 14:30")
	// After a restart the monotonic time is not known: never backwards all the same.
	b.add("2026-11-20 07:00", wait("x", "user"))
	if e := b.l.Entries(); !e[3].At.Equal(at(t, "2026-11-20 10:00")) {
		t.Errorf("an entry went back to %v", e[3].At.In(shanghai))
	}
	now := at(t, "2026-11-20 10:00")
	if got, refused := Stamp(now.Add(-10*time.Minute), now, 5*time.Minute); !refused || !got.Equal(now) {
		t.Errorf("a stamp 10 min off is taken: %v", got)
	}
	if got, refused := Stamp(now.Add(-time.Minute), now, 5*time.Minute); refused || got.Equal(now) {
		t.Errorf("a stamp 1 min off is refused: %v", got)
	}
}

// Row: pending abused to stop the clock.
func TestPitfallPauseNeedsReasonOwnerAndIsReported(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-16 09:00", start("branch"))
	b.add("2026-11-16 09:00", start("outage"))
	for name, e := range map[string]Entry{
		"no reason":   {Seq: 9, What: EntryPause, Wait: "w", By: "li"},
		"own words":   {Seq: 9, What: EntryPause, Wait: "w", By: "li", Reason: "because"},
		"nobody":      {Seq: 9, What: EntryPause, Wait: "w", Reason: "user"},
		"no id":       {Seq: 9, What: EntryPause, Reason: "user", By: "li"},
		"old number":  {Seq: 1, What: EntryPause, Wait: "w", Reason: "user", By: "li"},
		"not waiting": {Seq: 9, What: EntryResume, Wait: "w"},
	} {
		if _, err := b.l.Add(b.limits, e); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	b.add("2026-11-16 10:00", wait("w", "user"))
	b.add("2026-11-16 11:00", Entry{What: EntryPause, Wait: "v", Reason: "carrier", Owner: "carrier-a", By: "li"})
	b.add("2026-11-20 09:00", resume("w"))
	now := "2026-11-20 09:00"
	if s := b.read("branch", now); s.Phase != PhasePaused || s.Elapsed != time.Hour {
		t.Errorf("the carrier is still waited for: %s, %s", s.Phase, s.Elapsed)
	}
	if s := b.read("outage", now); s.Phase != PhaseRunning || s.Elapsed != 96*time.Hour || !s.Breached {
		t.Errorf("the users' clock: %s, %s", s.Phase, s.Elapsed)
	}
	shares := b.l.PauseShares(b.limits, at(t, now))
	if len(shares) != 2 || shares[0].Owner != "user" || shares[0].Elapsed != 95*time.Hour || !slices.Equal(shares[0].Over, []string{"w"}) || shares[1].Owner != "carrier-a" {
		t.Fatalf("shares: %+v", shares)
	}
	if s := shares[0].Share; s < 0.98 || s > 1 {
		t.Errorf("share %v", s)
	}
}

// A company that takes a reason off its list, or changes a limit, changes no
// incident that is under way.
func TestLaterLimitsChangeNoOldIncident(t *testing.T) {
	b := newBook(t)
	b.add("2026-11-20 09:00", start("branch"))
	b.add("2026-11-20 10:00", wait("w", "user"))
	b.add("2026-11-20 11:00", resume("w"))
	stored := b.l.Entries()
	files := shipped(t).Files()
	files["limits.yaml"] = "apiVersion: faultline/v1\nkind: Limits\nlimits: [{id: branch, title: {zh-CN: 处理, en: handling}, target: 8h, calendar: work}]\n"
	later, err := Restore(files)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Replay(stored)
	if err != nil {
		t.Fatal(err)
	}
	lim, _ := later.Limits().Of("branch")
	s := b.clocks.Read(l, lim, at(t, "2026-11-20 11:00"))
	if s.Elapsed != time.Hour || !s.Due.Equal(at(t, "2026-11-20 15:00")) {
		t.Errorf("%s used, due %s", s.Elapsed, s.Due.In(shanghai))
	}
	if _, err := l.Add(later.Limits(), Entry{Seq: 9, What: EntryPause, Wait: "x", Reason: "user", By: "li"}); err == nil {
		t.Error("a reason that is off the list is taken for a new wait")
	}
	if _, err := Replay([]Entry{stored[1], stored[0]}); err == nil {
		t.Error("entries out of order")
	}
}
