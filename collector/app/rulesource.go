package app

import (
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/metricstore/embedded"
	"github.com/faultline/faultline/collector/ruler"
)

// ruleSource shows the ruler's rules in the Prometheus API.
type ruleSource struct{ ruler *ruler.Ruler }

// RuleGroups implements embedded.RuleSource.
func (s ruleSource) RuleGroups() []embedded.RuleGroup {
	var out []embedded.RuleGroup
	for _, g := range s.ruler.RulesAPI().Groups {
		to := embedded.RuleGroup{Name: g.Name, File: g.File, Interval: seconds(g.Interval), EvaluationTime: seconds(g.EvaluationTime), LastEvaluation: g.LastEvaluation}
		for _, r := range g.Rules {
			to.Rules = append(to.Rules, ruleOf(r))
		}
		out = append(out, to)
	}
	return out
}

func ruleOf(r ruler.RuleState) embedded.Rule {
	to := embedded.Rule{Name: r.Name, Query: r.Query, For: seconds(r.Duration), KeepFiringFor: seconds(r.KeepFiringFor), Labels: r.Labels, Annotations: r.Annotations,
		State: r.State, Health: r.Health, LastError: r.LastError, EvaluationTime: seconds(r.EvaluationTime), LastEvaluation: r.LastEvaluation}
	for _, a := range r.Alerts {
		v, _ := strconv.ParseFloat(a.Value, 64)
		one := embedded.Alert{Labels: a.Labels, Annotations: a.Annotations, State: a.State, Value: v}
		if a.ActiveAt != nil {
			one.ActiveAt = *a.ActiveAt
		}
		to.Alerts = append(to.Alerts, one)
	}
	return to
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
