package sla

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/internal/lang"
)

func yamlOf(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// TestFeedsAgreeWithShippedYear reads real feeds of 2026 into a company that
// knows only 2025, accepts every day, and gets the shipped year back.
func TestFeedsAgreeWithShippedYear(t *testing.T) {
	fsys := shippedFiles(t)
	delete(fsys, "cn-2026.yaml")
	before, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(string, []byte) (Proposal, error){"feed-2026.json": before.ProposeJSON, "feed-2026.ics": before.ProposeICS} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := read("cn", data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a := Acceptance{By: "wang", At: at(t, "2025-11-05 09:00"), Document: lang.Text{ZH: "通知", EN: "notice"}}
		for _, d := range p.Days {
			if !d.Doubt.IsZero() || d.Stands != ProposalNew {
				t.Errorf("%s: %+v is doubted", name, d)
			}
			a.Dates = append(a.Dates, d.Date)
		}
		text, err := p.Accept(a)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if strings.Contains(string(text), "number:") {
			t.Errorf("%s: a notice number was made up:\n%s", name, text)
		}
		fsys["accepted.yaml"] = &fstest.MapFile{Data: text}
		after, err := Load(fsys)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := after.Get("cn-workday")
		want := calendar(t, "cn-workday")
		for d := time.Date(2026, 1, 1, 12, 0, 0, 0, shanghai); d.Year() == 2026; d = d.AddDate(0, 0, 1) {
			g, _, err1 := got.Day(d)
			w, _, err2 := want.Day(d)
			if g != w || err1 != nil || err2 != nil {
				t.Errorf("%s: %s: %v, want %v (%v)", name, d.Format(time.DateOnly), g, w, err1)
			}
		}
	}
}

func TestProposalsAgainstWhatIsEntered(t *testing.T) {
	c := shipped(t)
	p, err := c.ProposeJSON("cn", []byte(`{"holidays":{"2026-10-01":"National Day,国庆节,3","2026-10-08":"National Day,国庆节,3","not-a-day":"x"},"workdays":{"2026-10-10":"National Day,国庆节,3","2026-10-12":"National Day,国庆节,3"}}`))
	if err != nil || p.Left != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	var got []string
	for _, d := range p.Days {
		got = append(got, d.Date+" "+d.Stands)
	}
	want := []string{"2026-10-01 same", "2026-10-08 contradicts", "2026-10-10 same", "2026-10-12 same"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if p.Days[3].Doubt.IsZero() {
		t.Error("a Monday worked in exchange is not doubted")
	}
	for name, a := range map[string]Acceptance{
		"nobody":       {Document: lang.Same("x"), Dates: []string{"2026-10-01"}},
		"no notice":    {By: "wang", Dates: []string{"2026-10-01"}},
		"not proposed": {By: "wang", Document: lang.Same("x"), Dates: []string{"2026-10-02"}},
		"weekday":      {By: "wang", Document: lang.Same("x"), Dates: []string{"2026-10-12"}},
	} {
		if text, err := p.Accept(a); err == nil {
			t.Errorf("%s: accepted\n%s", name, text)
		}
	}
}

func TestFeedsRefused(t *testing.T) {
	c := shipped(t)
	for _, text := range []string{"", "{}", "[]", `{"days":[{"name":"x","date":"2027-01-01"}]}`} {
		if p, err := c.ProposeJSON("cn", []byte(text)); err == nil {
			t.Errorf("JSON %q: %+v", text, p)
		}
	}
	for _, text := range []string{"", "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20270101T000000Z\nEND:VEVENT\nEND:VCALENDAR\n"} {
		if p, err := c.ProposeICS("cn", []byte(text)); err == nil {
			t.Errorf("ICS %q: %+v", text, p)
		}
	}
	if _, err := c.ProposeJSON("cn", make([]byte, maxFeed+1)); err == nil {
		t.Error("an endless feed is read")
	}
}

func TestVersions(t *testing.T) {
	first := shipped(t)
	again, err := Restore(first.Files())
	if err != nil || again.Version() != first.Version() {
		t.Fatalf("restored as %s, %v", again.Version(), err)
	}
	files := first.Files()
	files["cn-workday.yaml"] += "days: [{date: \"2026-11-23\"}]\n"
	second, err := Restore(files)
	if err != nil || second.Version() == first.Version() {
		t.Fatalf("a corrected calendar has version %s, %v", second.Version(), err)
	}
	h := NewHistory(Published{At: at(t, "2026-01-01 00:00"), Calendars: first})
	h = h.Publish(Published{At: at(t, "2026-02-01 00:00"), Calendars: again}) // the same: nothing new
	h = h.Publish(Published{At: at(t, "2026-03-01 00:00"), Calendars: second})
	for when, want := range map[string]*Calendars{"2025-01-01 00:00": first, "2026-02-15 00:00": first, "2026-03-01 00:00": second} {
		if p, ok := h.At(at(t, when)); !ok || p.Calendars != want {
			t.Errorf("in force at %s: %s", when, p.Calendars.Version())
		}
	}
	if p, ok := h.Version(first.Version()); !ok || p.Calendars != first {
		t.Error("the first version is gone")
	}
	b := newBook(t)
	b.add("2026-11-20 09:00", Entry{What: EntryStart, Clock: "branch", Version: "0000000000000000"})
	if s := b.read("branch", "2026-11-20 09:00"); s.Phase != PhaseUnknown || !strings.Contains(s.Problem.Error(), "not kept here") {
		t.Errorf("a version nobody has: %+v", s)
	}
}

func TestLimitsFaults(t *testing.T) {
	fsys := shippedFiles(t)
	fsys["limits.yaml"] = yamlOf(`apiVersion: faultline/v1
kind: Limits
reasons:
  - {id: user, title: {zh-CN: 用户, en: user}, owner: ""}
  - {id: window, title: {zh-CN: 窗口, en: window}, owner: x, limit: soon}
limits:
  - {id: a, title: {zh-CN: 甲, en: A}, target: 24h, calendar: work}
  - {id: a, title: {zh-CN: 甲, en: A}, target: soon, calendar: work}
  - {id: b, title: {zh-CN: 乙, en: B}, target: 1h, calendar: moon, paused_by: [mood], warn: [0.8]}
`)
	_, err := Load(fsys)
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"limits.yaml:4:", "limits.yaml:5:", "limits.yaml:7: limits[0].target: span 24h", "limits.yaml:8:", `no reason "mood"`, `no calendar "moon"`, "limits.yaml:9: limits[2]: share"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in\n%v", want, err)
		}
	}
}
