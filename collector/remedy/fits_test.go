package remedy

import (
	"testing"

	"github.com/faultline/faultline/collector/incident"
)

// TestFits: a remedy is for an incident that has what it takes of it, in its form.
func TestFits(t *testing.T) {
	e := Entry{Name: "clean", Parameters: []Parameter{{Name: "limit", From: "device"}, {Name: "path", From: "component", Pattern: "/[a-z/]*"}, {Name: "days"}}}
	for component, want := range map[string]bool{"/var/log": true, "": false, "eth0": false, "/{{x}}": false} {
		i := incident.Incident{Diagnosis: incident.Diagnosis{Device: "srv-1", Component: component}}
		if e.Fits(i) != want {
			t.Errorf("%q: fits %v", component, !want)
		}
	}
	if e.Fits(incident.Incident{Diagnosis: incident.Diagnosis{Component: "/var"}}) {
		t.Error("it fits without a device")
	}
	e.Parameters[0].Optional = true
	if !e.Fits(incident.Incident{Diagnosis: incident.Diagnosis{Component: "/var"}}) {
		t.Error("it does not fit without what is optional")
	}
}
