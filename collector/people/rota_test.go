package people

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func rotaIn(t testing.TB, zone, body string) (*Directory, *Rota) {
	t.Helper()
	d, err := parse(t, `people: [{id: a, name: Ann, email: a@x.example}, {id: b, name: Bob, email: b@x.example}, {id: c, name: Cy}]
rotas:
  - id: r
    title: {zh-CN: 值班, en: duty}
    role: hq_network
    zone: `+zone+"\n"+body)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := d.Rota("r")
	return d, r
}

// TestShiftsOverClockChanges: hand-overs stay at the same wall time, with
// neither gap nor overlap, where clocks are put forward and back.
func TestShiftsOverClockChanges(t *testing.T) {
	for _, name := range []string{"Asia/Shanghai", "Europe/London", "America/New_York", "Australia/Lord_Howe"} {
		_, r := rotaIn(t, name, `    shifts:
      - {person: a, start: "2026-01-01T08:00", end: "2026-01-01T20:00", rule: FREQ=DAILY}
      - {person: b, start: "2026-01-01T20:00", end: "2026-01-02T08:00", rule: FREQ=DAILY}
`)
		z := zone(t, name)
		from, to := time.Date(2026, 1, 1, 8, 0, 0, 0, z), time.Date(2027, 1, 1, 8, 0, 0, 0, z)
		if gaps := r.Gaps(from, to); len(gaps) > 0 {
			t.Errorf("%s: gaps %v", name, gaps)
		}
		plan := r.Plan(from, to)
		if len(plan) != 730 {
			t.Errorf("%s: %d duties", name, len(plan))
		}
		odd := 0
		for n, d := range plan {
			if h := d.From.In(z).Hour(); h != 8 && h != 20 || d.From.In(z).Minute() != 0 {
				t.Errorf("%s: hand-over at %s", name, d.From.In(z))
			}
			if n > 0 && !plan[n-1].To.Equal(d.From) {
				t.Errorf("%s: %s does not follow %s", name, d.From, plan[n-1].To)
			}
			if d.To.Sub(d.From) != 12*time.Hour {
				odd++
			}
		}
		if want := map[bool]int{true: 0, false: 2}[name == "Asia/Shanghai"]; odd != want {
			t.Errorf("%s: %d nights of another length, want %d", name, odd, want)
		}
	}
}

func TestOverridesAndGaps(t *testing.T) {
	_, r := rotaIn(t, "Asia/Shanghai", `    shifts:
      - {person: a, start: "2026-11-16T09:00", end: "2026-11-16T18:00", rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", except: ["2026-11-18T09:00"]}
      - {person: c, start: "2026-11-16T09:00", end: "2026-11-16T18:00", rule: FREQ=DAILY, level: 2}
    overrides:
      - {id: o1, person: b, from: "2026-11-17T12:00", to: "2026-11-17T14:00", by: c}
      - {id: o2, person: b, from: "2026-11-18T10:00", to: "2026-11-18T11:00", by: c}
      - {id: o3, person: b, from: "2026-11-19T09:00", to: "2026-11-19T18:00", instead_of: c, level: 1, by: c}
`)
	for when, want := range map[string]string{
		"2026-11-16 09:00": "a c", "2026-11-16 18:00": "", "2026-11-17 11:59": "a c", "2026-11-17 12:00": "b c", "2026-11-17 14:00": "a c",
		"2026-11-18 09:30": "c", "2026-11-18 10:30": "b c", "2026-11-19 10:00": "a c", "2026-11-21 10:00": "c",
	} {
		var got []string
		for _, d := range r.OnCall(at(t, when)) {
			got = append(got, d.Person)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", when, s, want)
		}
	}
	gaps := r.Gaps(at(t, "2026-11-18 09:00"), at(t, "2026-11-18 18:00"))
	if len(gaps) != 2 || !gaps[0].To.Equal(at(t, "2026-11-18 10:00")) || !gaps[1].From.Equal(at(t, "2026-11-18 11:00")) {
		t.Errorf("gaps %v", gaps)
	}
	o := r.OnCall(at(t, "2026-11-17 12:30"))[0]
	if o.Instead != "a" || o.Override != "o1" || !o.To.Equal(at(t, "2026-11-17 14:00")) {
		t.Errorf("%+v", o)
	}
}

func TestSwap(t *testing.T) {
	_, r := rotaIn(t, "Asia/Shanghai", `    rotations:
      - {id: w, people: [a, b, c], start: "2026-11-16T09:00", every: 1d}
`)
	s := SwapRequest{ID: "s1", First: "a", FirstAt: at(t, "2026-11-16 12:00"), Second: "b", SecondAt: at(t, "2026-11-20 12:00"), Agreed: true, By: "a"}
	out, err := r.Swap(s)
	if err != nil {
		t.Fatal(err)
	}
	on := func(r *Rota, when string) string { return r.OnCall(at(t, when))[0].Person }
	for when, want := range map[string]string{"2026-11-16 09:00": "b", "2026-11-17 08:59": "b", "2026-11-17 09:00": "b", "2026-11-20 09:00": "a", "2026-11-21 08:59": "a", "2026-11-21 09:00": "c"} {
		if got := on(out, when); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	if on(r, "2026-11-16 12:00") != "a" {
		t.Error("the rota before the swap changed")
	}
	for name, change := range map[string]func(*SwapRequest){
		"not agreed":      func(s *SwapRequest) { s.Agreed = false },
		"does not serve":  func(s *SwapRequest) { s.FirstAt = at(t, "2026-11-17 12:00") },
		"other does not":  func(s *SwapRequest) { s.SecondAt = at(t, "2026-11-21 12:00") },
		"the same person": func(s *SwapRequest) { s.Second, s.SecondAt = "a", at(t, "2026-11-19 12:00") },
	} {
		bad := s
		change(&bad)
		if _, err := r.Swap(bad); err == nil {
			t.Errorf("%s: swapped", name)
		}
	}
	if _, err := out.Swap(s); err == nil {
		t.Error("swapped twice")
	}
}

func TestHandOvers(t *testing.T) {
	d, r := rotaIn(t, "Asia/Shanghai", `    rotations:
      - {id: w, people: [a, b], start: "2026-11-16T09:00", every: 1d}
    overrides:
      - {id: o, person: b, from: "2026-11-18T09:00", to: "2026-11-18T21:00", by: c}
`)
	var got []string
	list := r.HandOvers(at(t, "2026-11-16 09:00"), at(t, "2026-11-19 09:01"))
	for _, h := range list {
		got = append(got, h.At.In(r.zone).Format("02T15:04 ")+strings.Join(h.From, "")+">"+strings.Join(h.To, ""))
	}
	if s := strings.Join(got, ", "); s != "17T09:00 a>b, 18T21:00 b>a, 19T09:00 a>b" {
		t.Fatalf("%s", s)
	}
	h, err := list[0].WithNote(Note{By: "a", At: at(t, "2026-11-17 08:50"), Text: " 专线抖动，观察中 "})
	if err != nil {
		t.Fatal(err)
	}
	h.Open = []OpenItem{{Number: "20261116-0003", Priority: 2, Owner: "a"}}
	if text := h.Text(d, r.zone, at(t, "2026-11-17 09:05")); !strings.Contains(text.ZH, "Ann → Bob") || !strings.Contains(text.ZH, "P2 20261116-0003") || !strings.Contains(text.ZH, "Ann: 专线抖动，观察中") || !strings.Contains(text.EN, "Not taken over yet") {
		t.Errorf("%s\n%s", text.ZH, text.EN)
	}
	if _, err := h.Accept("a", h.At); err == nil {
		t.Error("taken over by who leaves")
	}
	h, err = h.Accept("b", h.At)
	if err != nil || h.Accepted != "b" {
		t.Fatal(err)
	}
	if _, err := h.Accept("b", h.At); err == nil {
		t.Error("taken over twice")
	}
	if _, err := h.WithNote(Note{By: "a", Text: "x"}); err == nil {
		t.Error("changed after it was taken over")
	}
	if _, err := h.WithNote(Note{By: "b", Text: strings.Repeat("长", maxNote+1)}); err == nil {
		t.Error("an endless note")
	}
}

// TestICSRoundTrip writes random rotas and reads them: the same people serve at
// the same times, and what is written again is the same text.
func TestICSRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"Asia/Shanghai", "Europe/London", "America/New_York", "UTC"}).Draw(rt, "zone")
		var b strings.Builder
		b.WriteString("    shifts:\n")
		for n := range rapid.IntRange(1, 4).Draw(rt, "shifts") {
			rule := rapid.SampledFrom([]string{"", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=WEEKLY;UNTIL=20261115T090000", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=DAILY;COUNT=20;WKST=SU"}).Draw(rt, "rule")
			day := rapid.IntRange(1, 28).Draw(rt, "day")
			fmt.Fprintf(&b, "      - {id: 's,%d', person: %s, start: \"2026-10-%02dT09:00\", end: \"2026-10-%02dT%02d:30\", rule: %q, level: %d, except: [\"2026-11-05T09:00\"]}\n",
				n, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "person"), day, day, rapid.IntRange(10, 23).Draw(rt, "end"), rule, rapid.IntRange(1, 2).Draw(rt, "level"))
		}
		b.WriteString("    rotations: [{id: w, people: [a, b, c], start: \"2026-10-01T08:00\", every: 1w}]\n    overrides:\n      - {id: o1, person: c, from: \"2026-10-24T20:00\", to: \"2026-10-25T09:00\", instead_of: a, by: b, reason: \"换班; 原因, 见\\n说明\", swap: s}\n")
		d, r := rotaIn(t, name, b.String())
		stamp := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		text := d.ICS(r, stamp, "zh-CN")
		again, err := d.FromICS(Rota{ID: r.ID, Title: r.Title, Role: r.Role, Zone: r.Zone}, text)
		if err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		from, to := at(t, "2026-09-25 00:00"), at(t, "2026-12-20 00:00")
		if got, want := again.Plan(from, to), r.Plan(from, to); !reflect.DeepEqual(got, want) {
			rt.Fatalf("another plan:\n%v\n%v\n%s", got, want, text)
		}
		if twice := d.ICS(again, stamp, "zh-CN"); !bytes.Equal(twice, text) {
			rt.Fatalf("written again:\n%s\nbefore:\n%s", twice, text)
		}
	})
}

// TestICSOfOthers reads what a common calendar program writes.
func TestICSOfOthers(t *testing.T) {
	text := `BEGIN:VCALENDAR
PRODID:-//Other//EN
BEGIN:VEVENT
UID:e1
DTSTART;TZID=America/New_York:20261026T200000
DURATION:PT12H
RRULE:FREQ=DAILY
EXDATE:20261031T000000Z
ATTENDEE;CN="Ann, the first":mailto:A@x.example
SUMMARY:Night
END:VEVENT
BEGIN:VEVENT
UID:e1
RECURRENCE-ID;TZID=America/New_York:20261102T200000
DTSTART;TZID=America/New_York:20261102T210000
DTEND;TZID=America/New_York:20261103T080000
SUMMARY:Bob
END:VEVENT
BEGIN:VEVENT
UID:e1
RECURRENCE-ID;TZID=America/New_York:20261104T200000
DTSTART;TZID=America/New_York:20261104T200000
DTEND;TZID=America/New_York:20261105T080000
STATUS:CANCELLED
SUMMARY:Night
END:VEVENT
BEGIN:VEVENT
UID:e2
DTSTART;VALUE=DATE:20261107
SUMMARY:Cy
END:VEVENT
END:VCALENDAR
`
	d, _ := rotaIn(t, "America/New_York", "    shifts: [{person: a, start: \"2026-01-01T00:00\", end: \"2026-01-02T00:00\"}]\n")
	base := Rota{ID: "r", Role: "hq_network", Zone: "America/New_York"}
	base.Title.ZH, base.Title.EN = "值班", "duty"
	r, err := d.FromICS(base, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	ny := zone(t, "America/New_York")
	for when, want := range map[string]string{
		"2026-10-26 20:00": "a", "2026-10-30 20:00": "", "2026-10-31 23:30": "a", "2026-11-01 07:59": "a", "2026-11-01 08:00": "",
		"2026-11-02 20:30": "", "2026-11-02 21:00": "b", "2026-11-03 07:59": "b", "2026-11-04 21:00": "", "2026-11-07 12:00": "c",
	} {
		w, err := time.ParseInLocation("2006-01-02 15:04", when, ny)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, d := range r.OnCall(w) {
			got += d.Person
		}
		if got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	for change, want := range map[string]string{
		"SUMMARY:Cy|SUMMARY:Stranger":                                "line 27: nobody here is \"Stranger\"",
		"RRULE:FREQ=DAILY|RRULE:FREQ=HOURLY":                         "HOURLY",
		"RRULE:FREQ=DAILY|RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30": "never comes true",
		"DURATION:PT12H|DURATION:-PT1H":                              "line 6",
		"TZID=America/New_York:20261026|TZID=Bad:2026":               `zone "Bad"`,
		"EXDATE:20261031T000000Z|RDATE:20261031":                     "RDATE is not supported",
	} {
		a, b, _ := strings.Cut(change, "|")
		if _, err := d.FromICS(base, []byte(strings.Replace(text, a, b, 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", change, err, want)
		}
	}
}

func FuzzFromICS(f *testing.F) {
	d, r := rotaIn(f, "America/New_York", "    shifts: [{person: a, start: \"2026-01-01T00:00\", end: \"2026-01-02T00:00\", rule: FREQ=WEEKLY, except: [\"2026-01-08T00:00\"]}]\n    overrides: [{id: o, person: b, from: \"2026-01-01T09:00\", to: \"2026-01-01T10:00\", by: c}]\n")
	stamp := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	f.Add(d.ICS(r, stamp, "en"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := d.FromICS(Rota{ID: "r", Title: r.Title, Role: "x", Zone: "UTC"}, data)
		if err != nil {
			return
		}
		in.OnCall(stamp)
		if _, err := d.FromICS(Rota{ID: "r", Title: r.Title, Role: "x", Zone: "UTC"}, d.ICS(in, stamp, "en")); err != nil {
			t.Fatalf("what was read is written so that it cannot be read: %v", err)
		}
	})
}

// BenchmarkOnCall asks who serves ten years after the rota began.
func BenchmarkOnCall(b *testing.B) {
	_, r := rotaIn(b, "Asia/Shanghai", "    shifts: [{person: a, start: \"2016-01-01T08:00\", end: \"2016-01-01T20:00\", rule: FREQ=DAILY}]\n    rotations: [{id: w, people: [a, b, c], start: \"2016-01-04T09:00\", every: 1w}]\n")
	now := at(b, "2026-11-22 09:30")
	for b.Loop() {
		if len(r.OnCall(now)) != 2 {
			b.Fatal("nobody")
		}
	}
}
