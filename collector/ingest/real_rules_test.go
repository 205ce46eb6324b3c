package ingest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/metricstore/embedded"
)

const ruleFile = `groups:
- name: lines
  interval: 1s
  rules:
  - alert: LineDown
    expr: vector(3) > 1
    labels: {severity: critical}
    annotations: {summary: "线路 {{ $value }}"}
  - alert: Quiet
    expr: vector(0) > 1
    for: 5m
  - record: site:up:count
    expr: count(up)
    labels: {by: rule}
`

// sameRules is what the ruler would tell about ruleFile.
type sameRules struct{ file string }

func (s sameRules) RuleGroups() []embedded.RuleGroup {
	labels := map[string]string{"severity": "critical"}
	return []embedded.RuleGroup{{Name: "lines", File: s.file, Interval: time.Second, Rules: []embedded.Rule{
		{Name: "LineDown", Query: "vector(3) > 1", Labels: labels, State: "firing", Health: "ok",
			Annotations: map[string]string{"summary": "线路 {{ $value }}"},
			Alerts: []embedded.Alert{{
				Labels: map[string]string{"alertname": "LineDown", "severity": "critical"}, Annotations: map[string]string{"summary": "线路 3"},
				State: "firing", ActiveAt: time.Now(), Value: 3,
			}}},
		{Name: "Quiet", Query: "vector(0) > 1", For: 5 * time.Minute, State: "inactive", Health: "ok"},
		{Name: "site:up:count", Record: true, Query: "count(up)", Labels: map[string]string{"by": "rule"}, Health: "ok"},
	}}}
}

// TestRulesAsPrometheus compares /rules and /alerts with a real Prometheus that
// evaluates the same rules. Filters other than by type came after 2.42.
func TestRulesAsPrometheus(t *testing.T) {
	addr := freePort(t)
	prometheus := "http://" + addr
	file := writeFile(t, ruleFile)
	start(t, prometheus+"/-/ready", program(t, "prometheus", "prometheus"), "--config.file="+writeFile(t, "rule_files: ["+file+"]\n"),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	waitFor(t, "the rules to be evaluated", func() bool {
		_, body := get(t, prometheus, "rules", nil)
		return strings.Contains(body, `"firing"`) && !strings.Contains(body, `"health":"unknown"`)
	})
	store, err := embedded.Open(embedded.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ours := httptest.NewServer(store.Handler(embedded.APIOptions{Rules: sameRules{file}}))
	defer ours.Close()
	for _, c := range []struct {
		path string
		q    url.Values
	}{
		{"rules", nil},
		{"rules", url.Values{"type": {"alert"}}},
		{"rules", url.Values{"type": {"record"}}},
		{"rules", url.Values{"type": {"other"}}},
		{"alerts", nil},
	} {
		t.Run(c.path+" "+c.q.Encode(), func(t *testing.T) {
			wantCode, want := get(t, prometheus, c.path, c.q)
			gotCode, got := get(t, ours.URL, c.path, c.q)
			if gotCode != wantCode {
				t.Errorf("code %d, Prometheus %d", gotCode, wantCode)
			}
			if d := cmp.Diff(timeless(parse(t, want)), timeless(parse(t, got))); d != "" {
				t.Errorf("Prometheus -, ours +\n%s", d)
			}
		})
	}
	for _, c := range []struct {
		q    url.Values
		want []string // rules
	}{
		{url.Values{"rule_name[]": {"Quiet"}}, []string{"Quiet"}},
		{url.Values{"rule_group[]": {"none"}}, nil},
		{url.Values{"rule_group[]": {"lines"}, "file[]": {"none"}}, nil},
		{url.Values{"match[]": {`{severity="critical"}`}, "exclude_alerts": {"true"}}, []string{"LineDown"}},
	} {
		_, body := get(t, ours.URL, "rules", c.q)
		for _, name := range []string{"LineDown", "Quiet", "site:up:count"} {
			if strings.Contains(body, `"name":"`+name+`"`) != slices.Contains(c.want, name) {
				t.Errorf("%s: %s", c.q.Encode(), body)
			}
		}
		if c.q.Has("exclude_alerts") && strings.Contains(body, "activeAt") {
			t.Errorf("alerts not left out: %s", body)
		}
	}
	if code, _ := get(t, ours.URL, "rules", url.Values{"match[]": {"{"}}); code != http.StatusBadRequest {
		t.Errorf("bad matcher: %d", code)
	}
}

// timeless replaces moments and durations, which differ from run to run.
func timeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			switch k {
			case "lastEvaluation", "evaluationTime", "activeAt":
				v[k] = "some time"
			case "keepFiringFor": // since 2.43
				delete(v, k)
			default:
				v[k] = timeless(x)
			}
		}
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	}
	return v
}
