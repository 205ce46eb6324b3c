package storetest

import (
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// testJudged: decisions come with the rule of the diagnosis at their moment.
func testJudged(t *testing.T, e *env) {
	d := func(rule string) *incident.Diagnosis {
		return &incident.Diagnosis{Cause: "line/x", Class: incident.ClassCarrierLine, Site: "branch-2", Device: "x", Rule: rule}
	}
	i := e.append(t, incident.Incident{}, 0, []incident.Event{{Kind: incident.Opened, Diagnosis: d("line-dead"), Process: "network", ProcessVersion: "network@1#abc", Number: "20261121-0001"}})
	facts := []incident.Event{{Kind: incident.Decided, Suggested: "circuit", Choice: "device", Comment: "the light is on"}, {Kind: incident.Diagnosed, Diagnosis: d("router-dead")},
		{Kind: incident.Decided, Suggested: "device", Choice: "device"}}
	for n := range facts {
		i = e.append(t, i, n+1, facts[n:n+1])
	}
	got, err := e.store.Judged(t.Context(), t0.Add(-time.Hour))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d judgements, %v", len(got), err)
	}
	if j := got[1]; j.Rule != "line-dead" || !j.Overruled() || j.Comment != "the light is on" || j.Number != "20261121-0001" || j.Site != "branch-2" || !j.At.Equal(t0.Add(time.Second)) {
		t.Errorf("first: %+v", j)
	}
	if j := got[0]; j.Rule != "router-dead" || j.Overruled() || j.By.Kind != "system" {
		t.Errorf("last: %+v", j)
	}
	if later, err := e.store.Judged(t.Context(), t0.Add(time.Hour)); err != nil || len(later) != 0 {
		t.Errorf("of incidents opened later: %v %v", later, err)
	}
}
