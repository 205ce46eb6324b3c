package ruler

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/alert"
)

// RulesData is the data of Prometheus' /api/v1/rules.
type RulesData struct {
	Groups []RuleGroup `json:"groups"`
}

// RuleGroup is one group of a RulesData.
type RuleGroup struct {
	Name           string        `json:"name"`
	File           string        `json:"file"`
	Rules          []RuleState   `json:"rules"`
	Interval       float64       `json:"interval"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	took           time.Duration // sum over the rules
}

// RuleState is one alert rule with its alerts.
type RuleState struct {
	State          string            `json:"state"` // inactive, pending, firing
	Name           string            `json:"name"`
	Query          string            `json:"query"`
	Duration       float64           `json:"duration"` // seconds
	KeepFiringFor  float64           `json:"keepFiringFor"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	Alerts         []AlertState      `json:"alerts"`
	Health         string            `json:"health"` // ok, err, unknown
	LastError      string            `json:"lastError,omitempty"`
	EvaluationTime float64           `json:"evaluationTime"`
	LastEvaluation time.Time         `json:"lastEvaluation"`
	Type           string            `json:"type"` // alerting
}

// AlertsData is the data of Prometheus' /api/v1/alerts.
type AlertsData struct {
	Alerts []AlertState `json:"alerts"`
}

// AlertState is one pending or firing alert.
type AlertState struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    *time.Time        `json:"activeAt,omitempty"`
	Value       string            `json:"value"`
}

// RulesAPI returns the rules with their present alerts, as Prometheus shows them.
func (r *Ruler) RulesAPI() RulesData {
	r.mu.Lock()
	defer r.mu.Unlock()
	byRule := r.activeLocked()
	data := RulesData{Groups: []RuleGroup{}}
	for _, rule := range r.rules {
		h := r.health[rule.Name]
		n := len(data.Groups)
		if n == 0 || data.Groups[n-1].Name != rule.Group || data.Groups[n-1].File != rule.File {
			data.Groups = append(data.Groups, RuleGroup{Name: rule.Group, File: rule.File, Interval: 1, LastEvaluation: h.At})
			n++
		}
		g := &data.Groups[n-1]
		g.took += h.Took
		g.EvaluationTime = g.took.Seconds()
		g.Rules = append(g.Rules, ruleState(rule, h, byRule[rule.Name]))
	}
	return data
}

// AlertsAPI returns the pending and firing alerts, as Prometheus shows them.
func (r *Ruler) AlertsAPI() AlertsData {
	r.mu.Lock()
	defer r.mu.Unlock()
	byRule := r.activeLocked()
	data := AlertsData{Alerts: []AlertState{}}
	for _, rule := range r.rules {
		data.Alerts = append(data.Alerts, byRule[rule.Name]...)
	}
	return data
}

func (r *Ruler) activeLocked() map[string][]AlertState {
	m := map[string][]AlertState{}
	for _, fp := range slices.Sorted(maps.Keys(r.state)) {
		a := r.state[fp]
		if a.State == alert.Pending || a.State == alert.Firing {
			active := a.ActiveAt
			m[a.Name] = append(m[a.Name], AlertState{Labels: a.Labels, Annotations: a.Annotations, State: string(a.State),
				ActiveAt: &active, Value: strconv.FormatFloat(a.Value, 'e', -1, 64)})
		}
	}
	return m
}

func ruleState(rule *Rule, h Health, alerts []AlertState) RuleState {
	s := RuleState{State: string(alert.Inactive), Name: rule.Name, Query: rule.Expr, Duration: rule.For.Seconds(),
		KeepFiringFor: rule.KeepFiringFor.Seconds(), Labels: rule.Labels, Annotations: rule.Annotations, Alerts: alerts,
		Health: "ok", EvaluationTime: h.Took.Seconds(), LastEvaluation: h.At, Type: "alerting"}
	if s.Alerts == nil {
		s.Alerts = []AlertState{}
	}
	switch {
	case h.Err != nil:
		s.Health, s.LastError = "err", h.Err.Error()
	case h.At.IsZero():
		s.Health = "unknown"
	}
	for _, a := range alerts {
		if a.State == string(alert.Firing) || s.State != string(alert.Firing) {
			s.State = a.State
		}
	}
	return s
}
