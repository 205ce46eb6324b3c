package inspection

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/rules"
)

var shanghai = time.FixedZone("CST", 8*3600)

func daily(t *testing.T) List {
	t.Helper()
	sub, err := fs.Sub(rules.FS(), "inspection")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(sub)
	if err != nil || len(all) != 1 {
		t.Fatalf("shipped lists: %d, %v", len(all), err)
	}
	return all[0]
}

// weekdays works Monday to Friday of 2026.
func weekdays(at time.Time) (bool, error) {
	if at.Year() != 2026 {
		return false, errors.New("nobody knows")
	}
	return at.In(shanghai).Weekday()%6 != 0, nil
}

func TestLoadFaults(t *testing.T) {
	text := `kind: Inspection
id: x
title: {en: X}
role: r
due: "25:00"
escalate: soon
items:
  - {id: a, area: cellar, title: {en: A}}
  - {id: a, area: room, title: {en: A}}
  - {id: b, area: room, title: {en: B}, measure: up, min: 1}
  - {id: c, area: room, title: {en: C}, measure: 'up{site="$site"}'}
`
	_, err := Load(fstest.MapFS{"x.yaml": {Data: []byte(text)}})
	for _, want := range []string{"x.yaml:5", "x.yaml:6", "x.yaml:8", "x.yaml:9", "x.yaml:10", "x.yaml:11"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault at %s in %v", want, err)
		}
	}
}

func answers(l List, change func(map[string]Answer)) map[string]Answer {
	given := map[string]Answer{}
	for _, x := range l.Items {
		given[x.ID] = Answer{Said: OK}
	}
	change(given)
	return given
}

func TestSign(t *testing.T) {
	l := daily(t)
	due := time.Date(2026, 11, 20, 11, 0, 0, 0, shanghai)
	hot := []Reading{{Subject: "s", Value: 34}}
	for name, c := range map[string]struct {
		change func(map[string]Answer)
		bad    string // item
	}{
		"all in order":       {func(map[string]Answer) {}, ""},
		"one not answered":   {func(g map[string]Answer) { delete(g, "fire") }, "fire"},
		"other word":         {func(g map[string]Answer) { g["fire"] = Answer{Said: "perhaps"} }, "fire"},
		"abnormal, no note":  {func(g map[string]Answer) { g["fire"] = Answer{Said: Abnormal, Note: " "} }, "fire"},
		"overruled, no note": {func(g map[string]Answer) { g["temperature"] = Answer{Said: OK, Measured: hot} }, "temperature"},
		"overruled with note": {func(g map[string]Answer) {
			g["temperature"] = Answer{Said: OK, Measured: hot, Note: "探头在阳光下"}
		}, ""},
		"endless note": {func(g map[string]Answer) { g["fire"] = Answer{Said: OK, Note: strings.Repeat("长", 501)} }, "fire"},
	} {
		r, err := l.Sign(Record{Site: "b1", Day: "2026-11-20", SignedBy: "li", SignedAt: due}, answers(l, c.change), due)
		var inc *Incomplete
		if c.bad != "" {
			if !errors.As(err, &inc) || inc.Item != c.bad || inc.Text.ZH == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || r.Late || !r.Whole() || len(r.Answers) != len(l.Items) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		forged := r
		forged.SignedBy = "wang"
		if forged.Whole() {
			t.Errorf("%s: a forged record counts as whole", name)
		}
	}
	r, err := l.Sign(Record{SignedAt: due.Add(time.Second)}, answers(l, func(map[string]Answer) {}), due)
	if err != nil || !r.Late {
		t.Errorf("after its time: %+v, %v", r.Late, err)
	}
}

func TestStatesAndTellings(t *testing.T) {
	l := daily(t)
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, shanghai) // a Friday
	at := func(h, m int) time.Time { return day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute) }
	for _, c := range []struct {
		day, now time.Time
		r        *Record
		want     string
		told     string
	}{
		{day, at(8, 0), nil, Open, ""},
		{day, at(11, 0), nil, Overdue, "remind"},
		{day, at(12, 59), nil, Overdue, "remind"},
		{day, at(13, 0), nil, Overdue, "remind escalate"},
		{day, at(24, 0), nil, Missed, "remind escalate missed"},
		{day, at(24, 0), &Record{}, Signed, ""},
		{day, at(24, 0), &Record{Late: true}, Late, ""},
		{day.AddDate(0, 0, 1), at(40, 0), nil, Free, ""},
		{day.AddDate(1, 0, 0), day.AddDate(1, 0, 2), nil, Unknown, ""},
	} {
		got := l.StateOf(c.day, c.r, weekdays, shanghai, c.now)
		var told []string
		for _, x := range l.Tellings(c.day, c.r, weekdays, shanghai, c.now) {
			told = append(told, x.Stage)
		}
		if got != c.want || strings.Join(told, " ") != c.told {
			t.Errorf("%s at %s: %s, told %v; want %s, %s", c.day.Format(time.DateOnly), c.now, got, told, c.want, c.told)
		}
	}
}

func TestChooseAndCount(t *testing.T) {
	var week []Record
	for i := range 11 {
		week = append(week, Record{Site: fmt.Sprint("b", i), Day: "2026-11-20", Hash: fmt.Sprint(i)})
	}
	one, two := Choose(week, "salt"), Choose(week, "salt")
	if len(one) != 3 || cmp.Diff(one, two) != "" || cmp.Equal(one, Choose(week, "pepper")) {
		t.Errorf("chosen %v", one)
	}
	if len(Choose(week[:1], "salt")) != 1 || len(Choose(nil, "salt")) != 0 {
		t.Error("one of one, none of none")
	}
	r := &Record{Answers: []Answer{{Said: Abnormal}, {Said: OK}}}
	got := Count("b1", []Day{{State: Signed, Record: r, Checks: []Check{{Agrees: true}, {Agrees: false}}}, {State: Late, Record: r}, {State: Missed}, {State: Free}, {State: Open}})
	want := Month{Site: "b1", Due: 3, Signed: 1, Late: 1, Missed: 1, Abnormal: 2, Checked: 1, Differs: 1, Rate: 1.0 / 3}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestQueryTakesNoStrangeSite(t *testing.T) {
	x := Item{Measure: `up{site="$site"}`}
	if x.Query("branch-2") != `up{site="branch-2"}` || x.Query(`a"} or up{x="`) != "" {
		t.Error("the site's name is not safe in the query")
	}
}
