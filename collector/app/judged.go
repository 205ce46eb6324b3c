package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/faultline/faultline/collector/incident"
)

// newJudgements counts what people made of diagnoses, by rule.
func newJudgements() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "faultline_diagnosis_judged_total",
		Help: "Decisions of people on diagnoses that suggested an answer, by rule: confirmed or overruled."}, []string{"rule", "outcome"})
}

// countJudgements counts the decisions among an incident's new events.
func countJudgements(c *prometheus.CounterVec, i incident.Incident, events []incident.Event) {
	for _, e := range events {
		if e.Kind != incident.Decided || e.Suggested == "" {
			continue
		}
		outcome := "confirmed"
		if e.Choice != e.Suggested {
			outcome = "overruled"
		}
		c.WithLabelValues(i.Diagnosis.Rule, outcome).Inc()
	}
}
