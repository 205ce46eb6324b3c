package sla

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var shanghai = mustZone("Asia/Shanghai")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return z
}

func shipped(t testing.TB) *Calendars {
	t.Helper()
	c, err := Load(shippedFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func calendar(t testing.TB, id string) *Calendar {
	t.Helper()
	c, ok := shipped(t).Get(id)
	if !ok {
		t.Fatalf("no calendar %s", id)
	}
	return c
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", s, shanghai)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func span(t testing.TB, s string) Span {
	t.Helper()
	v, err := ParseSpan(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOfficialYears(t *testing.T) {
	cal := calendar(t, "cn-workday")
	for _, c := range []struct {
		year, works, exchanged, weekdaysOff int
	}{{2025, 248, 5, 18}, {2026, 248, 6, 19}} {
		works, exchanged, off := 0, 0, 0
		for d := time.Date(c.year, 1, 1, 12, 0, 0, 0, shanghai); d.Year() == c.year; d = d.AddDate(0, 0, 1) {
			w, _, err := cal.Day(d)
			if err != nil {
				t.Fatal(err)
			}
			weekend := d.Weekday() == time.Saturday || d.Weekday() == time.Sunday
			switch {
			case w && weekend:
				exchanged++
			case !w && !weekend:
				off++
			}
			if w {
				works++
			}
		}
		if works != c.works || exchanged != c.exchanged || off != c.weekdaysOff {
			t.Errorf("%d: %d working days, %d exchanged, %d weekdays off; want %d, %d, %d", c.year, works, exchanged, off, c.works, c.exchanged, c.weekdaysOff)
		}
	}
}

func TestDay(t *testing.T) {
	cal := calendar(t, "cn-workday")
	for s, want := range map[string]struct {
		works bool
		name  string
	}{
		"2026-02-14 10:00": {true, "调休上班"}, "2026-02-17 10:00": {false, "春节"}, "2026-11-20 10:00": {true, ""}, "2026-11-21 10:00": {false, ""},
	} {
		works, name, err := cal.Day(at(t, s))
		if err != nil || works != want.works || name.ZH != want.name {
			t.Errorf("Day(%s) = %v %q, %v", s, works, name.ZH, err)
		}
	}
}

func TestDue(t *testing.T) {
	shipped := shipped(t)
	for name, c := range map[string]struct{ cal, from, span, want string }{
		"make-up Saturday before the Spring Festival": {"cn-workday", "2026-02-13 16:30", "4h", "2026-02-14 13:30"},
		"lunch break":                              {"cn-workday", "2026-11-20 11:55", "10m", "2026-11-20 13:05"},
		"ends with the day":                        {"cn-workday", "2026-11-20 16:00", "1h", "2026-11-20 17:00"},
		"at night, response in the morning":        {"cn-workday", "2026-11-19 23:00", "10m", "2026-11-20 09:10"},
		"over the weekend":                         {"cn-workday", "2026-11-20 16:55", "10m", "2026-11-23 09:05"},
		"over National Day":                        {"cn-workday", "2026-09-30 16:00", "4h", "2026-10-08 12:00"},
		"one working day":                          {"cn-workday", "2026-11-20 10:00", "1d", "2026-11-23 10:00"},
		"one working day over National Day":        {"cn-workday", "2026-09-30 10:00", "1d", "2026-10-08 10:00"},
		"one working day, make-up Saturday is one": {"cn-workday", "2026-02-13 10:00", "1d", "2026-02-14 10:00"},
		"one working day from the evening":         {"cn-workday", "2026-11-19 20:00", "1d", "2026-11-23 09:00"},
		"two days":                                 {"cn-workday", "2026-11-19 15:00", "2d", "2026-11-23 15:00"},
		"around the clock":                         {"24x7", "2026-11-20 23:00", "4h", "2026-11-21 03:00"},
		"a day around the clock":                   {"24x7", "2026-11-20 23:00", "1d", "2026-11-21 23:00"},
	} {
		t.Run(name, func(t *testing.T) {
			cal, _ := shipped.Get(c.cal)
			got, err := Due(cal, at(t, c.from), span(t, c.span))
			if err != nil || !got.Equal(at(t, c.want)) {
				t.Fatalf("Due = %v, %v, want %s", got.In(shanghai), err, c.want)
			}
		})
	}
}

func TestElapsedOutsideHoursIsNothing(t *testing.T) {
	got, err := Elapsed(calendar(t, "cn-workday"), at(t, "2026-11-20 18:00"), at(t, "2026-11-23 08:00"))
	if err != nil || got != 0 {
		t.Fatalf("Elapsed = %v, %v", got, err)
	}
}

func TestUnknownYearIsSaid(t *testing.T) {
	cal := calendar(t, "cn-workday")
	_, errDue := Due(cal, at(t, "2026-12-31 16:30"), span(t, "4h"))
	_, errElapsed := Elapsed(cal, at(t, "2026-12-31 16:30"), at(t, "2027-01-04 10:00"))
	for _, err := range []error{errDue, errElapsed} {
		var unknown *UnknownYear
		if !errors.As(err, &unknown) || unknown.Year != 2027 {
			t.Fatalf("error = %v, want unknown year 2027", err)
		}
	}
	if got, err := Due(cal, at(t, "2026-12-31 16:30"), span(t, "30m")); err != nil || !got.Equal(at(t, "2026-12-31 17:00")) {
		t.Fatalf("Due within the year = %v, %v", got, err)
	}
}

func TestReadPauseOverNationalDay(t *testing.T) {
	cal := calendar(t, "cn-workday")
	marks := []Mark{{at(t, "2026-09-30 13:00"), "start"}, {at(t, "2026-09-30 14:00"), "pause"}}
	r, err := Read(cal, span(t, "4h"), marks, at(t, "2026-10-05 10:00"))
	if err != nil || !r.Paused || r.Elapsed != time.Hour || !r.Due.IsZero() {
		t.Fatalf("paused: %+v, %v", r, err)
	}
	marks = append(marks, Mark{at(t, "2026-10-08 10:00"), "resume"})
	r, err = Read(cal, span(t, "4h"), marks, at(t, "2026-10-08 11:00"))
	if err != nil || !r.Running || r.Elapsed != 2*time.Hour || !r.Due.Equal(at(t, "2026-10-08 14:00")) {
		t.Fatalf("resumed: %+v (due %v), %v", r, r.Due.In(shanghai), err)
	}
	warn, err := Share(cal, span(t, "4h"), marks, 0.75)
	if err != nil || !warn.Equal(at(t, "2026-10-08 12:00")) {
		t.Fatalf("75 %% at %v, %v", warn.In(shanghai), err)
	}
}

func TestReadDayTarget(t *testing.T) {
	cal := calendar(t, "cn-workday")
	start := Mark{at(t, "2026-11-20 09:00"), "start"}
	r, err := Read(cal, span(t, "1d"), []Mark{start}, start.At)
	if err != nil || !r.Due.Equal(at(t, "2026-11-23 09:00")) || r.Work != 7*time.Hour {
		t.Fatalf("plain: %+v, %v", r, err)
	}
	paused := []Mark{start, {at(t, "2026-11-20 10:00"), "pause"}, {at(t, "2026-11-20 15:00"), "resume"}}
	r, err = Read(cal, span(t, "1d"), paused, at(t, "2026-11-20 15:00"))
	if err != nil || !r.Due.Equal(at(t, "2026-11-23 14:00")) {
		t.Fatalf("with a pause: due %v, %v", r.Due.In(shanghai), err)
	}
	again := append(paused, Mark{at(t, "2026-11-20 16:00"), "stop"}, Mark{at(t, "2026-11-23 10:00"), "start"})
	r, err = Read(cal, span(t, "1d"), again, at(t, "2026-11-23 11:00"))
	if err != nil || r.Elapsed != time.Hour || !r.Due.Equal(at(t, "2026-11-24 10:00")) {
		t.Fatalf("started again: %+v, %v", r, err)
	}
	if _, err := Read(cal, span(t, "1d"), []Mark{{start.At, "jump"}}, start.At); err == nil {
		t.Fatal("an unknown mark is taken")
	}
}

func TestSpan(t *testing.T) {
	for _, s := range []string{"10m", "4h", "1h30m", "90s", "1d", "10d", "16h"} {
		v, err := ParseSpan(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if back, err := ParseSpan(v.String()); err != nil || back != v {
			t.Errorf("%s reads back as %s", s, v)
		}
	}
	for _, s := range []string{"", "d", "0d", "-1h", "1w", "1.5d", "0s", "999999h"} {
		if v, err := ParseSpan(s); err == nil {
			t.Errorf("ParseSpan(%q) = %v", s, v)
		}
	}
	if _, err := Due(calendar(t, "cn-workday"), at(t, "2026-11-20 10:00"), span(t, "24h")); err == nil {
		t.Error("24h on a working calendar is taken")
	}
	if _, err := Due(calendar(t, "24x7"), at(t, "2026-11-20 10:00"), span(t, "24h")); err != nil {
		t.Errorf("24h around the clock: %v", err)
	}
}

func TestLayers(t *testing.T) {
	fsys := shippedFiles(t)
	fsys["branch.yaml"] = &fstest.MapFile{Data: []byte(`
apiVersion: faultline/v1
kind: Calendar
id: branch-3
title: {zh-CN: 三分公司, en: Branch 3}
extends: cn-workday
days:
  - {date: "2026-11-20", hours: ["09:00-12:00"], name: {zh-CN: 半天, en: half day}}
  - {date: "2026-11-21", hours: ["09:00-12:00"]}
  - {date: "2026-11-23"}
`)}
	c, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	cal, _ := c.Get("branch-3")
	if got, err := Due(cal, at(t, "2026-11-20 11:00"), span(t, "5h")); err != nil || !got.Equal(at(t, "2026-11-24 10:00")) {
		t.Fatalf("Due = %v, %v", got.In(shanghai), err)
	}
	base, _ := c.Get("cn-workday")
	if got, err := Due(base, at(t, "2026-11-20 11:00"), span(t, "5h")); err != nil || !got.Equal(at(t, "2026-11-20 17:00")) {
		t.Fatalf("the branch's days changed the company's: %v, %v", got.In(shanghai), err)
	}
}

func shippedFiles(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	names, err := fs.Glob(os.DirFS("../../rules/calendars"), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		data, err := os.ReadFile("../../rules/calendars/" + n)
		if err != nil {
			t.Fatal(err)
		}
		out[n] = &fstest.MapFile{Data: data}
	}
	data, err := os.ReadFile("testdata/limits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out["limits.yaml"] = &fstest.MapFile{Data: data}
	return out
}

func TestLoadReportsEveryFault(t *testing.T) {
	bad := `apiVersion: faultline/v1
kind: Calendar
id: bad
zone: Nowhere/Land
country: atlantis
week:
  monday: ["09:00-12:00", "11:00-13:00"]
  blursday: ["09:00-12:00"]
exchange: ["12:00-09:00"]
days:
  - {date: "2026-13-01"}
`
	badYear := `apiVersion: faultline/v1
kind: CalendarYear
country: cn
year: 2026
source: {number: x}
closed:
  - {from: "2026-05-05", to: "2026-05-01"}
worked: ["2026-11-20", "2025-02-08"]
`
	fsys := shippedFiles(t)
	fsys["bad.yaml"] = &fstest.MapFile{Data: []byte(bad)}
	fsys["bad-year.yaml"] = &fstest.MapFile{Data: []byte(badYear)}
	fsys["key.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: faultline/v1\nkind: Calendar\nid: k\nholidays: []\n")}
	fsys["loop.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: faultline/v1\nkind: Calendar\nid: loop\nextends: loop\n")}
	_, err := Load(fsys)
	if err == nil {
		t.Fatal("bad calendars are taken")
	}
	for _, want := range []string{"bad.yaml:4:", "bad.yaml:5:", "bad.yaml:7:", `"blursday"`, "bad.yaml:9:", "bad.yaml:11:",
		"bad-year.yaml:7:", "bad-year.yaml:8: worked[0]", "bad-year.yaml:8: worked[1]", "cn-2026.yaml:", "key.yaml:4:", "loop.yaml:4:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %s in:\n%v", want, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, file := range shippedFiles(f) {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Load(fstest.MapFS{"x.yaml": {Data: data}})
		if err != nil {
			return
		}
		for _, cal := range c.byID {
			_, _ = Due(cal, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Span{Days: 1})
		}
	})
}

func BenchmarkDue8h(b *testing.B) {
	cal := calendar(b, "cn-workday")
	from := at(b, "2026-11-20 10:00")
	for b.Loop() {
		_, _ = Due(cal, from, Span{Time: 8 * time.Hour})
	}
}

func BenchmarkElapsedYear(b *testing.B) {
	cal := calendar(b, "cn-workday")
	from, to := at(b, "2026-01-01 00:00"), at(b, "2026-12-31 23:59")
	for b.Loop() {
		_, _ = Elapsed(cal, from, to)
	}
}
