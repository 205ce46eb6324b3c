package engine

import (
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
)

// TestAGuessDoesNotUndoADecision: a provisional diagnosis of no higher rank does
// not replace a decided one, under the same cause or another; what it adds to the
// affected is taken. A better one does.
func TestAGuessDoesNotUndoADecision(t *testing.T) {
	decided := openIncident("i1", "line", 5, "a")
	decided.Diagnosis.Rule, decided.Diagnosis.Class, decided.Diagnosis.VendorKind = "line-dead", incident.ClassCarrierLine, incident.VendorCarrier
	guess := func(cause string, rank int, affected ...string) incident.Diagnosis {
		d := causeOf(cause, rank)
		d.Provisional, d.Rule, d.Class, d.Affected = true, "guess", incident.ClassDevice, affected
		return d
	}
	for name, c := range map[string]struct {
		cause incident.Diagnosis
		rule  string // of the diagnosis that follows; "" none
	}{
		"same cause, lower":       {guess("line", 3), ""},
		"same cause, as high":     {guess("line", 5), ""},
		"same cause, more behind": {guess("line", 3, "sw-9"), "line-dead"},
		"same cause, higher":      {guess("line", 7), "guess"},
		"other cause, lower":      {guess("router", 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := correlate(pointers(decided), round{now: t0.Add(time.Minute), causes: []incident.Diagnosis{c.cause}, firing: byFingerprint([]alert.Alert{fires("a")}),
				settle: 20 * time.Second, split: 10 * time.Second, newID: newID})
			got := ""
			for _, e := range p.facts["i1"] {
				if e.Kind == incident.Diagnosed {
					got = e.Diagnosis.Rule
					if e.Diagnosis.Rule == "line-dead" && (e.Diagnosis.Provisional || len(e.Diagnosis.Affected) != len(decided.Diagnosis.Affected)+1) {
						t.Errorf("it became %+v", e.Diagnosis)
					}
				}
			}
			if got != c.rule || len(p.open) != 0 {
				t.Errorf("diagnosed by %q, want %q; %d opened", got, c.rule, len(p.open))
			}
		})
	}
}

func causeOf(name string, rank int) incident.Diagnosis { return cause(name, rank, "a") }
