package ruler

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestPresence(t *testing.T) {
	for _, tc := range []struct{ expr, want string }{
		{`up == 0`, `up == bool 0`},
		{`(up == 0)`, `(up == bool 0)`},
		{`max by (site) (up{job="x"}) == 0`, `max by (site) (up{job="x"}) == bool 0`},
		{`a > on (x) group_left () b`, `a > bool on (x) group_left () b`},
		{`a > 1 and b < 2`, `a > bool 1 and b < bool 2`},
		{`a > 1 and on (x) b`, `a > bool 1 and on (x) b`},
		{`a > 1 or b > 2`, `a > bool 1 or b > bool 2`},
		{`count by (site) (up == 0) > 3`, `count by (site) (up == bool 0) > bool 3`},
		{`max_over_time((up == 0)[1m:5s]) > 0`, `max_over_time((up == bool 0)[1m:5s]) > bool 0`},
		{`(a < 10) * on (instance) group_left (name) info{name=~".+"}`, `(a < bool 10) * on (instance) group_left (name) info{name=~".+"}`},
		{`1 - (a > 2)`, `1 - (a > bool 2)`},
		{`a * b`, ``},
		{`up`, ``},
		{`absent(up)`, ``},
		{`up == bool 0`, ``},
		{`a == 1 unless b == 1`, ``},
		{`sum(a)`, ``},
		{`a > 1 or b`, ``},
	} {
		got, err := Presence(parser.NewParser(parser.Options{}), tc.expr)
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%s: got %q, %v, want %q", tc.expr, got, err, tc.want)
		}
	}
}

func TestLoadReportsEveryFault(t *testing.T) {
	_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(`groups:
  - name: g
    rules:
      - alert: NoPresence
        expr: absent(up)
        labels: {severity: major}
      - alert: NoSeverity
        expr: up == 0
      - alert: ValueInLabel
        expr: up == 0
        labels: {severity: minor, x: '{{ $value }}'}
      - alert: NoSeverity
        expr: up == 1
        labels: {severity: loud}
        annotations: {faultline_horizon: soon}
      - record: a:b
        expr: sum(up)
`)}, "b.yaml": {Data: []byte("groups:\n  - name: g\n    rules:\n      - alert: Broken\n        expr: up ==\n        for: tomorrow\n      - alert: Late\n        expr: up == 0\n        keep_firing_for: x\n")}})
	if err == nil {
		t.Fatal("loaded")
	}
	for _, want := range []string{"a.yaml:4: rule NoPresence", "a.yaml:7: rule NoSeverity", "a.yaml:9: rule ValueInLabel",
		"a.yaml:12: rule NoSeverity: is already defined at a.yaml:7", `severity "loud"`, "faultline_horizon", "a.yaml:16: rule a:b", "b.yaml:5",
		`b.yaml:6: groups[0].rules[0].for: not a valid duration string: "tomorrow"`, "b.yaml:9: groups[0].rules[1].keep_firing_for"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in:\n%v", want, err)
		}
	}
}

const shipped = "../../rules/alerts"

func TestShippedRules(t *testing.T) {
	rules, err := Load(os.DirFS(shipped))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules.List {
		for _, name := range []string{AnnotationElement, AnnotationSymptom, "summary_zh", "summary_en"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s:%d: %s has no annotation %s", r.File, r.Line, r.Name, name)
			}
		}
	}
}

// promtool runs Debian's promtool, or skips where there is none.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	bin, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: install the Debian package prometheus")
		}
		t.Skip("promtool is missing: install the Debian package prometheus")
	}
	if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolAcceptsShippedRules(t *testing.T) {
	files, _ := filepath.Glob(shipped + "/*.yaml")
	promtool(t, append([]string{"check", "rules"}, files...)...)
}

func TestPromtoolRuleTests(t *testing.T) {
	files, _ := filepath.Glob(shipped + "/testdata/*.yaml")
	if len(files) == 0 {
		t.Fatal("no rule tests")
	}
	promtool(t, append([]string{"test", "rules"}, files...)...)
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(twoRules))
	f.Add([]byte("groups: [{name: a, rules: [{alert: x, expr: 'up == 0'}]}]"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = Load(fstest.MapFS{"a.yaml": {Data: b}})
	})
}
