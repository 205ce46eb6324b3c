package exposition

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

// read writes a page's samples as lines: name{labels} value time.
func read(page string, f Format, most int) (string, error) {
	samples, err := Samples([]byte(page), f, most, nil)
	if err != nil {
		return "", err
	}
	var out []string
	for _, s := range samples {
		ls, err := Labels(s.Series)
		if err != nil {
			return "", err
		}
		text := ""
		for _, l := range ls {
			text += fmt.Sprintf("%s=%q ", l.Name, l.Value)
		}
		out = append(out, fmt.Sprintf("%s%v %d", text, s.Value, s.Time))
	}
	return strings.Join(out, "\n"), nil
}

func TestPages(t *testing.T) {
	for _, tc := range []struct {
		name, page string
		format     Format
		want       string
	}{
		{"plain", "# HELP a b\n# TYPE a counter\na 1\nb_total 2.5e3\n", Text, `__name__="a" 1 0` + "\n" + `__name__="b_total" 2500 0`},
		{"labels, sorted", `a:b{z="1",b="2"} 3`, Text, `__name__="a:b" b="2" z="1" 3 0`},
		{"spaces everywhere, a comma at the end", ` a { x = "1" , y="2", }  4  1700000000123 ` + "\r\n", Text, `__name__="a" x="1" y="2" 4 1700000000123`},
		{"escapes", `a{x="q\"\\\n\d}{ #"} 1`, Text, `__name__="a" x="q\"\\\n\\d}{ #" 1 0`},
		{"an empty label is none", `a{x="",y="1"} 1` + "\n" + `a{} 2`, Text, `__name__="a" y="1" 1 0` + "\n" + `__name__="a" 2 0`},
		{"special values", "a NaN\na +Inf\na -Inf\na 0x1p-2", Text, `__name__="a" NaN 0` + "\n" + `__name__="a" +Inf 0` + "\n" + `__name__="a" -Inf 0` + "\n" + `__name__="a" 0.25 0`},
		{"Chinese", `a{x="机房 \"一\""} 1`, Text, `__name__="a" x="机房 \"一\"" 1 0`},
		{"nothing", "", Text, ""},
		{"OpenMetrics, seconds and an exemplar", "# TYPE a counter\na_total{b=\"1\"} 5 1700000000.5 # {trace_id=\"x y\"} 0.67 1.2\na_created 1\n# EOF\n", OpenMetrics,
			`__name__="a_total" b="1" 5 1700000000500` + "\n" + `__name__="a_created" 1 0`},
		{"an exemplar without a timestamp", "a_bucket{le=\"1\"} 5 # {} 1\n# EOF", OpenMetrics, `__name__="a_bucket" le="1" 5 0`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := read(tc.page, tc.format, 100)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFaultyPages(t *testing.T) {
	for name, tc := range map[string]struct {
		page   string
		format Format
		want   string
	}{
		"no value":            {"a 1\nb\n", Text, "line 2: want a value"},
		"more than a time":    {"a 1 2 3", Text, "line 1: want a value"},
		"exemplar in text":    {"a 1 # {} 1", Text, "want a value"},
		"value":               {"a one", Text, `"one" is no number`},
		"underscores":         {"a 1_000", Text, "is no number"},
		"time":                {"a 1 1.5", Text, "milliseconds"},
		"time of OpenMetrics": {"a 1 NaN\n# EOF", OpenMetrics, "seconds"},
		"time overflows":      {"a 1 9223372036854775807", Text, "milliseconds"},
		"labels open":         {`a{x="1" 2`, Text, "no end"},
		"quote open":          {`a{x="1} 2`, Text, "no end"},
		"name":                {`1a 2`, Text, "no name of a metric"},
		"label name":          {`a{1="x"} 2`, Text, "no name of a label"},
		"label __name__":      {`a{__name__="x"} 2`, Text, "no name of a label"},
		"label twice":         {`a{x="1",x="2"} 2`, Text, "twice"},
		"no quotes":           {`a{x=1} 2`, Text, "not in quotes"},
		"no comma":            {`a{x="1" y="2"} 2`, Text, "comma"},
		"not UTF-8":           {"a{x=\"\xff\"} 2", Text, "UTF-8"},
		"HTML":                {"<html><body>401</body></html>", Text, "want a value"},
		"cut off":             {"a 1\nb 2\n", OpenMetrics, "without # EOF"},
		"text after EOF":      {"a 1\n# EOF\nb 2", OpenMetrics, "after # EOF"},
		"too long":            {"a{x=\"" + strings.Repeat("y", MaxLine) + "\"} 1", Text, "longer than"},
		"too many labels":     {"a{" + strings.Repeat("x=\"\",", 70) + "} 1", Text, ""},
		"too many":            {strings.Repeat("a 1\n", 11), Text, "line 11: more samples"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(tc.page, tc.format, 10)
			if tc.want == "" { // empty labels count for nothing
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	many := "a{"
	for i := range 70 {
		many += fmt.Sprintf("x%d=\"1\",", i)
	}
	if _, err := read(many+"} 1", Text, 10); err == nil {
		t.Error("70 labels are taken")
	}
}

func TestCache(t *testing.T) {
	c := Cache{Rename: func(n string) string {
		if n == "job" {
			return "exported_job"
		}
		return n
	}}
	page := func(text string) []Sample {
		t.Helper()
		s, err := Samples([]byte(text), Text, 100, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Next()
		return s
	}
	s := page("a{job=\"x\",a=\"1\"} 1\na{job=\"x\",a=\"1\"} 2\na{job=\"x\",a=\"1\"} 2 7")
	first, err := c.Labels(s[0])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(base.LabelsFrom("a", map[string]string{"a": "1", "exported_job": "x"}), first); d != "" {
		t.Error(d)
	}
	if _, err := c.Labels(s[1]); !errors.Is(err, ErrDuplicate) {
		t.Errorf("twice in a page: got %v", err)
	}
	if _, err := c.Labels(s[2]); err != nil {
		t.Errorf("at another time: %v", err)
	}
	s = page("a{job=\"x\",a=\"1\"} 3")
	second, err := c.Labels(s[0])
	if err != nil || &second[0] != &first[0] {
		t.Errorf("labels are made anew (%v)", err)
	}
	for i := range 50 {
		s := page(fmt.Sprintf("b%d 1", i))
		if _, err := c.Labels(s[0]); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.series); n > 3*keepPages {
		t.Errorf("%d series are kept, though 50 pages had one each", n)
	}
}

func FuzzSamples(f *testing.F) {
	f.Add([]byte("# TYPE a counter\na{b=\"c\\n\",d=\"e\"} 1 2\n"), false)
	f.Add([]byte("a_total 5 1.5 # {x=\"y\"} 1\n# EOF\n"), true)
	f.Add([]byte("a{x=\"1} 2\n{} 1\n\x00"), false)
	f.Fuzz(func(t *testing.T, page []byte, open bool) {
		format := Text
		if open {
			format = OpenMetrics
		}
		samples, err := Samples(page, format, 1000, nil)
		if err != nil && len(samples) > 0 {
			t.Fatal("a faulty page gave samples")
		}
		for _, s := range samples {
			ls, err := Labels(s.Series)
			if err != nil {
				continue
			}
			for i, l := range ls {
				if l.Value == "" || i > 0 && ls[i-1].Name >= l.Name {
					t.Fatalf("%q: labels %v", s.Series, ls)
				}
			}
			if math.Abs(float64(s.Time)) > maxTime {
				t.Fatalf("%q: time %d", s.Series, s.Time)
			}
		}
	})
}

// TestEnded: a series that is not on the next whole page ends once; one that is
// written otherwise, that has times of its own or that is the agent's does not.
func TestEnded(t *testing.T) {
	c := Cache{OwnTimes: true}
	page := func(text string, whole bool) string {
		t.Helper()
		samples, err := Samples([]byte(text), Text, 100, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Next()
		for _, s := range samples {
			if _, err := c.Labels(s); err != nil {
				t.Fatal(err)
			}
		}
		ended := c.End()
		if whole {
			ended = c.Ended()
		}
		var got []string
		for ls := range ended {
			got = append(got, ls.Name()+ls.Get("x"))
		}
		slices.Sort(got)
		return strings.Join(got, " ")
	}
	for i, tc := range []struct {
		text  string
		fails bool
		want  string
	}{
		{text: "a 1\nb{x=\"1\",y=\"2\"} 1\nb{x=\"2\"} 1\nown 1 5\nup 1\n"},
		{text: "a 2\nb{x=\"1\",y=\"2\"} 1\nb{x=\"2\"} 1\n"},
		{text: "a 2\nb{y=\"2\", x=\"1\"} 1\n", want: "b2"},
		{text: "a 2\nb{y=\"2\", x=\"1\"} 1\n"},
		{text: "a 2\nb{x=\"1\",y=\"2\"} 1\nnew 1\n"},
		{text: "b{x=\"3\"} 1\n", want: "a b1 new"},
		{text: "b{x=\"3\"} 1\nhalf 1\n", fails: true, want: "b3"},
		{text: "", fails: true},
		{text: "a 1\nb{x=\"3\"} 1\nlater 1\n"},
		{text: "a 1\nlater 1 7\n", want: "b3"},
		{text: "a 1\n"},
		{text: "", want: "a"},
		{text: ""},
	} {
		if got := page(tc.text, !tc.fails); got != tc.want {
			t.Errorf("page %d: ended %q, want %q", i, got, tc.want)
		}
	}
	for i := range 3 * keepPages { // a page nobody is told of
		c.Next()
		if i%2 == 0 {
			for range c.End() {
				t.Error("something lived")
			}
		}
	}
	if len(c.series) != 0 || c.living != 0 {
		t.Errorf("%d series are kept, %d live", len(c.series), c.living)
	}
}
