package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/faultline/faultline/collector/incident"
)

func TestJudgementsAreCounted(t *testing.T) {
	c := newJudgements()
	i := incident.Incident{Diagnosis: incident.Diagnosis{Rule: "line-dead"}}
	countJudgements(c, i, []incident.Event{{Kind: incident.Decided, Suggested: "circuit", Choice: "device"}, {Kind: incident.Decided, Suggested: "circuit", Choice: "circuit"},
		{Kind: incident.Decided, Choice: "circuit"}, {Kind: incident.Acked}})
	if got := testutil.ToFloat64(c.WithLabelValues("line-dead", "overruled")); got != 1 {
		t.Errorf("overruled %v", got)
	}
	if got := testutil.ToFloat64(c.WithLabelValues("line-dead", "confirmed")); got != 1 {
		t.Errorf("confirmed %v", got)
	}
}
