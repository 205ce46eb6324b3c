package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseHours(t *testing.T) {
	all := [7]bool{true, true, true, true, true, true, true}
	week := [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}
	for text, want := range map[string]Hours{
		"": {}, "7x24": {}, "7×24": {}, "24 x 7": {}, "全天": {}, "7x24小时": {},
		"工作时间": {Work: true}, "5×8": {Work: true}, "office hours": {Work: true},
		"工作日 8:30-17:30":                            {Spans: []DaySpan{{Workdays: true, From: 510, To: 1050}}},
		"工作日8：30至12：00、13：30至17：30":                 {Spans: []DaySpan{{Workdays: true, From: 510, To: 720}, {Workdays: true, From: 810, To: 1050}}},
		"周一至周五 9:00-18:00；周六 9点-12点":                {Spans: []DaySpan{{Days: week, From: 540, To: 1080}, {Days: [7]bool{6: true}, From: 540, To: 720}}},
		"周一至五 9-18":                                 {Spans: []DaySpan{{Days: week, From: 540, To: 1080}}},
		"Mon-Fri 09:00–18:00; Sat, Sun 10:00-12:00": {Spans: []DaySpan{{Days: week, From: 540, To: 1080}, {Days: [7]bool{0: true, 6: true}, From: 600, To: 720}}},
		"18:00-08:00":      {Spans: []DaySpan{{Days: all, From: 1080, To: 480}}},
		"节假日":              {Spans: []DaySpan{{Freedays: true, To: 1440}}},
		"周五-周一 0:00-24:00": {Spans: []DaySpan{{Days: [7]bool{0: true, 1: true, 5: true, 6: true}, To: 1440}}},
	} {
		got, err := ParseHours(text)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%q: %v\n%s", text, err, cmp.Diff(want, got))
		}
	}
	for _, text := range []string{"白天", "9:00-25:00", "9:61-10:00", "24:00-9:00", "9:00-9:00", "周八 9-12", "Mon-Xyz 9-12", "9-12 except lunch", "工作日 8:30-", "-", ";;", "Monday to Friday"} {
		if got, err := ParseHours(text); err == nil {
			t.Errorf("%q was taken: %+v", text, got)
		}
	}
}

func FuzzParseHours(f *testing.F) {
	f.Add("工作日 8:30-17:30; 周六 9-12")
	f.Add("Mon-Fri 09:00-18:00, 20:00-22:00")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHours(s)
		if err == nil && len(h.Spans) > maxSpans {
			t.Errorf("%q: %d spans", s, len(h.Spans))
		}
		for _, x := range h.Spans {
			if x.From < 0 || x.From >= 1440 || x.To < 0 || x.To > 1440 {
				t.Errorf("%q: %+v", s, x)
			}
		}
	})
}
