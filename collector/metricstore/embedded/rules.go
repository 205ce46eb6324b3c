package embedded

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// RuleSource tells the API about rules and alerts; package ruler's state is
// adapted to it. It is called from several goroutines.
type RuleSource interface {
	// RuleGroups returns a copy that the API may keep while it answers.
	RuleGroups() []RuleGroup
}

// RuleGroup is one group of a rule file.
type RuleGroup struct {
	Name, File     string
	Interval       time.Duration
	Limit          int
	EvaluationTime time.Duration
	LastEvaluation time.Time
	Rules          []Rule
}

// Rule is one alerting rule, or a recording rule if Record is set.
type Rule struct {
	Name           string
	Record         bool
	Query          string
	For            time.Duration
	KeepFiringFor  time.Duration
	Labels         map[string]string
	Annotations    map[string]string
	State          string // inactive, pending, firing
	Alerts         []Alert
	Health         string // ok, err, unknown
	LastError      string
	EvaluationTime time.Duration
	LastEvaluation time.Time
}

// Alert is one active alert of a rule.
type Alert struct {
	Labels          map[string]string
	Annotations     map[string]string
	State           string // pending, firing
	ActiveAt        time.Time
	KeepFiringSince time.Time // zero: the condition still holds
	Value           float64
}

type apiGroups struct {
	Groups []apiGroup `json:"groups"`
}

type apiGroup struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []any     `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

type apiAlertingRule struct {
	State          string            `json:"state"`
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       float64           `json:"duration"`
	KeepFiringFor  float64           `json:"keepFiringFor"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	Alerts         []apiAlert        `json:"alerts"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type apiRecordingRule struct {
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Labels         map[string]string `json:"labels"`
	Health         string            `json:"health"`
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"`
}

type apiAlert struct {
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
	State           string            `json:"state"`
	ActiveAt        *time.Time        `json:"activeAt,omitempty"`
	KeepFiringSince *time.Time        `json:"keepFiringSince,omitempty"`
	Value           string            `json:"value"`
}

type ruleHandlers struct{ source RuleSource }

func (h ruleHandlers) groups() []RuleGroup {
	if h.source == nil {
		return nil
	}
	return h.source.RuleGroups()
}

func (h ruleHandlers) serveAlerts(w http.ResponseWriter, _ *http.Request) {
	alerts := []apiAlert{}
	for _, g := range h.groups() {
		for i := range g.Rules {
			alerts = append(alerts, toAPIAlerts(g.Rules[i].Alerts)...)
		}
	}
	respond(w, map[string]any{"alerts": alerts})
}

func (h ruleHandlers) serveRules(w http.ResponseWriter, r *http.Request) {
	f, err := newRuleFilter(r)
	if err != "" {
		respondError(w, http.StatusBadRequest, "bad_data", err)
		return
	}
	res := apiGroups{Groups: []apiGroup{}}
	for _, g := range h.groups() {
		if !f.group(&g) {
			continue
		}
		out := apiGroup{
			Name: g.Name, File: g.File, Rules: []any{}, Interval: g.Interval.Seconds(), Limit: g.Limit,
			EvaluationTime: g.EvaluationTime.Seconds(), LastEvaluation: g.LastEvaluation,
		}
		for i := range g.Rules {
			if f.rule(&g.Rules[i]) {
				out.Rules = append(out.Rules, toAPIRule(&g.Rules[i], f.noAlerts))
			}
		}
		if len(out.Rules) > 0 {
			res.Groups = append(res.Groups, out)
		}
	}
	respond(w, res)
}

// ruleFilter is what a request to /rules selects; empty fields select all.
type ruleFilter struct {
	kind                 string
	names, groups, files []string
	matchers             [][]*labels.Matcher
	noAlerts             bool
}

// newRuleFilter returns the filter, or in words what is wrong with the request.
func newRuleFilter(r *http.Request) (*ruleFilter, string) {
	if err := r.ParseForm(); err != nil {
		return nil, "error parsing form values: " + err.Error()
	}
	f := &ruleFilter{
		kind:  strings.ToLower(r.Form.Get("type")),
		names: r.Form["rule_name[]"], groups: r.Form["rule_group[]"], files: r.Form["file[]"],
	}
	if f.kind != "" && f.kind != "alert" && f.kind != "record" {
		return nil, `invalid parameter "type": not supported value "` + f.kind + `"`
	}
	if text := r.Form.Get("exclude_alerts"); text != "" {
		var err error
		if f.noAlerts, err = strconv.ParseBool(text); err != nil {
			return nil, `invalid parameter "exclude_alerts": error converting exclude_alerts: ` + err.Error()
		}
	}
	for _, m := range r.Form["match[]"] {
		ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(m)
		if err != nil {
			return nil, `invalid parameter "match[]": ` + err.Error()
		}
		f.matchers = append(f.matchers, ms)
	}
	return f, ""
}

func (f *ruleFilter) group(g *RuleGroup) bool {
	return (len(f.groups) == 0 || slices.Contains(f.groups, g.Name)) && (len(f.files) == 0 || slices.Contains(f.files, g.File))
}

func (f *ruleFilter) rule(r *Rule) bool {
	if f.kind == "alert" && r.Record || f.kind == "record" && !r.Record {
		return false
	}
	if len(f.names) > 0 && !slices.Contains(f.names, r.Name) {
		return false
	}
	if len(f.matchers) == 0 {
		return true
	}
	return slices.ContainsFunc(f.matchers, func(ms []*labels.Matcher) bool {
		return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(r.Labels[m.Name]) })
	})
}

func toAPIRule(r *Rule, noAlerts bool) any {
	if r.Record {
		return apiRecordingRule{
			Name: r.Name, Query: r.Query, Labels: orEmpty(r.Labels), Health: r.Health, LastError: r.LastError,
			EvaluationTime: r.EvaluationTime.Seconds(), LastEvaluation: r.LastEvaluation, Type: "recording",
		}
	}
	out := apiAlertingRule{
		State: r.State, Name: r.Name, Query: r.Query, Duration: r.For.Seconds(), KeepFiringFor: r.KeepFiringFor.Seconds(),
		Labels: orEmpty(r.Labels), Annotations: orEmpty(r.Annotations), Health: r.Health, LastError: r.LastError,
		EvaluationTime: r.EvaluationTime.Seconds(), LastEvaluation: r.LastEvaluation, Type: "alerting",
	}
	if !noAlerts {
		out.Alerts = toAPIAlerts(r.Alerts)
	}
	return out
}

func toAPIAlerts(alerts []Alert) []apiAlert {
	out := make([]apiAlert, len(alerts))
	for i, a := range alerts {
		out[i] = apiAlert{
			Labels: orEmpty(a.Labels), Annotations: orEmpty(a.Annotations), State: a.State,
			ActiveAt: &a.ActiveAt, Value: strconv.FormatFloat(a.Value, 'e', -1, 64),
		}
		if !a.KeepFiringSince.IsZero() {
			out[i].KeepFiringSince = &a.KeepFiringSince
		}
	}
	return out
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
