package web

import (
	"strings"
	"testing"

	"github.com/faultline/faultline/collector/incident"
)

// sampleBoard is a Grafana that has a board for every site but one.
func sampleBoard(i incident.Incident) string {
	if i.Diagnosis.Site == "shanghai" {
		return "https://grafana.example/d/faultline-branch?var-site=shanghai&to=now"
	}
	return ""
}

func TestIncidentLeadsToItsBoard(t *testing.T) {
	f := newFixture(t)
	b := f.as("chen")
	for _, i := range f.incidents {
		_, _, page := b.do("GET", "/incidents/"+i.ID, nil)
		got := strings.Contains(page, `href="https://grafana.example/d/faultline-branch?var-site=shanghai&amp;to=now"`)
		if want := sampleBoard(i) != ""; got != want {
			t.Errorf("incident %s of %s leads to a board: %v, want %v", i.ID, i.Diagnosis.Site, got, want)
		}
	}
}
