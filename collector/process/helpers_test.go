package process

import (
	"slices"

	"github.com/faultline/faultline/collector/incident"
)

func diagnosisOf(class, vendorKind, process string) *incident.Diagnosis {
	return &incident.Diagnosis{Cause: class + "/x", Class: class, Site: "branch-2", Device: "x", Process: process,
		VendorKind: vendorKind, Severity: incident.SeverityMajor, Recovery: "up == 1", Affected: []string{}}
}

// mustBeOwned fails when an open incident waits for nobody.
func mustBeOwned(t interface {
	Helper()
	Fatalf(string, ...any)
}, d *Definition, i incident.Incident) {
	t.Helper()
	if !i.Open() || i.ParentID != "" {
		return
	}
	timer := slices.ContainsFunc(i.Timers, func(x incident.Timer) bool { return x.Kind == TimerTimeout || x.Kind == TimerRecheck })
	role, ok := d.Role(i.StepRole)
	s, _ := d.Step(i.Step)
	if human := ok && !role.External && s != nil && s.Guard == nil; !timer && !human {
		t.Fatalf("incident in step %s has neither a timer nor an owner", i.Step)
	}
}
