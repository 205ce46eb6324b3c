package ical

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestAgainstDateutil compares 400 random rules with an independent
// implementation's occurrences.
func TestAgainstDateutil(t *testing.T) {
	data, err := os.ReadFile("testdata/recurrences.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, l := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if strings.HasPrefix(l, "#") {
			continue
		}
		cases++
		f := strings.SplitN(l, " ", 3)
		start, err := ParseWall(f[0])
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseRule(f[1])
		if err != nil {
			t.Errorf("%s: %v", f[1], err)
			continue
		}
		var got []string
		r.Each(start, time.UTC, func(w Wall) bool {
			if w.Year > start.Year+40 {
				return false
			}
			got = append(got, w.Format()[:8])
			return len(got) < 12
		})
		if s := strings.Join(got, ","); s != f[2] {
			t.Errorf("%s from %s:\n got %s\nwant %s", f[1], f[0], s, f[2])
		}
		skipped(t, r, start)
		if again, err := ParseRule(r.String()); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%s is written as %s and read as %+v, %v", f[1], r, again, err)
		}
	}
	if cases < 400 {
		t.Fatalf("%d cases", cases)
	}
}

// skipped compares what comes from a later time on with all of it.
func skipped(t *testing.T, r *Rule, start Wall) {
	t.Helper()
	for _, days := range []int{-5, 1, 29, 800} {
		from := start.Add(days, 3600)
		var want, got []Wall
		r.Each(start, time.UTC, func(w Wall) bool {
			if !w.Before(from) {
				want = append(want, w)
			}
			return len(want) < 5 && w.Year < start.Year+5
		})
		r.EachFrom(start, from, time.UTC, func(w Wall) bool {
			got = append(got, w)
			return len(got) < 5 && w.Year < start.Year+5
		})
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s from day %d on: %v, want %v", r, days, got, want)
		}
	}
}

func TestRuleRefuses(t *testing.T) {
	for _, s := range []string{"", "FREQ=HOURLY", "FREQ=DAILY;BYHOUR=9", "FREQ=WEEKLY;BYWEEKNO=3", "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000", "FREQ=DAILY;COUNT=0",
		"FREQ=WEEKLY;BYDAY=1MO", "FREQ=WEEKLY;BYDAY=XX", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;INTERVAL=99999", "FREQ=DAILY;BYSETPOS=1"} {
		if r, err := ParseRule(s); err == nil {
			t.Errorf("%q is taken as %s", s, r)
		}
	}
}

// TestWallOverClockChanges: a time on the wall is one instant, also where it
// comes twice or never.
func TestWallOverClockChanges(t *testing.T) {
	for _, c := range []struct{ zone, wall, want string }{
		{"America/New_York", "2026-03-08T02:30", "2026-03-08T07:30:00Z"}, // skipped: 03:30 EDT
		{"America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z"}, // twice: the first, EDT
		{"America/New_York", "2026-11-01T02:00", "2026-11-01T07:00:00Z"},
		{"Europe/London", "2026-03-29T01:30", "2026-03-29T01:30:00Z"}, // skipped: 02:30 BST
		{"Europe/London", "2026-10-25T01:30", "2026-10-25T00:30:00Z"}, // twice: the first, BST
		{"Asia/Shanghai", "2026-03-29T01:30", "2026-03-28T17:30:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00:00Z"}, // a day that never was
		{"UTC", "2026-11-01T24:00", ""},
	} {
		w, err := ParseWall(c.wall)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s is taken", c.wall)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := w.In(zone(t, c.zone)).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%s %s = %s, want %s", c.zone, c.wall, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY;X=\"a:b;c\":值班\\, 一\r\n 线\\n第二\r\nDTSTART;TZID=Asia/Shanghai:20261122T090000\r\nEXDATE:20261123T010000Z,20261124T010000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	ev := c.Children[0]
	if got := ev.Text("SUMMARY"); got != "值班, 一线\n第二" {
		t.Errorf("SUMMARY = %q", got)
	}
	p, _ := ev.Prop("SUMMARY")
	if p.Param("X") != "a:b;c" {
		t.Errorf("parameter = %q", p.Param("X"))
	}
	start, _ := ev.Prop("DTSTART")
	m, err := start.Moment()
	if err != nil || m.Instant(time.UTC).UTC().Format(time.RFC3339) != "2026-11-22T01:00:00Z" {
		t.Errorf("DTSTART = %v, %v", m, err)
	}
	again, err := Parse(c.Encode())
	if err != nil || again.Children[0].Text("SUMMARY") != "值班, 一线\n第二" {
		t.Errorf("round trip: %v", err)
	}
	for _, l := range strings.Split(string(c.Encode()), "\r\n") {
		if len(l) > 75 {
			t.Errorf("line of %d bytes", len(l))
		}
	}
}

func TestParseNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "no BEGIN:VCALENDAR",
		"BEGIN:VEVENT\nEND:VEVENT":             "line 1",
		"BEGIN:VCALENDAR\nX":                   "line 2",
		"BEGIN:VCALENDAR\nEND:VEVENT":          "line 2",
		"BEGIN:VCALENDAR\nBEGIN:VEVENT\nA:b\n": "line 2: VEVENT is never ended",
		"BEGIN:VCALENDAR\nEND:VCALENDAR\nA:b":  "line 3",
		"A:b":                                  "line 1",
		"BEGIN:VCALENDAR\nA;B:c":               "line 2: parameter",
		"BEGIN:VCALENDAR\n\xff":                "UTF-8",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	p := Property{Name: "DTSTART", Params: []Param{{"TZID", "Mars/Base"}}, Value: "20260101T000000", Line: 7}
	if _, err := p.Moment(); err == nil || !strings.Contains(err.Error(), "line 7") || !strings.Contains(err.Error(), "Mars/Base") {
		t.Errorf("unknown zone: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VEVENT\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nDTSTART:20260101\nEND:VEVENT\nEND:VCALENDAR\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		if _, err := Parse(c.Encode()); err != nil {
			t.Fatalf("written text is not read: %v", err)
		}
		for _, ev := range c.Children {
			if p, ok := ev.Prop("RRULE"); ok {
				if r, err := ParseRule(p.Value); err == nil {
					n := 0
					r.Each(Wall{2026, 1, 1, 0}, time.UTC, func(Wall) bool { n++; return n < 10 })
				}
			}
			if p, ok := ev.Prop("DTSTART"); ok {
				_, _ = p.Moments()
			}
		}
	})
}
