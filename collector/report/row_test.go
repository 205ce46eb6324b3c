package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/incident"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func TestOutage(t *testing.T) {
	at := func(m int) time.Time { return t0.Add(time.Duration(m) * time.Minute) }
	tests := []struct {
		name string
		i    incident.Incident
		want float64
	}{
		{"goes on", incident.Incident{FaultAt: at(0), OpenedAt: at(1)}, 0},
		{"recovered", incident.Incident{FaultAt: at(0), OpenedAt: at(1), RecoveredAt: at(30), VerifiedAt: at(45), ClosedAt: at(90)}, 30},
		{"verified without alerts", incident.Incident{FaultAt: at(0), OpenedAt: at(1), VerifiedAt: at(45)}, 45},
		{"closed by a person", incident.Incident{OpenedAt: at(1), ClosedAt: at(91)}, 90},
		{"clock went back", incident.Incident{FaultAt: at(5), RecoveredAt: at(4)}, 0},
	}
	for _, tt := range tests {
		if got := FromIncident(tt.i).Minutes; got != tt.want {
			t.Errorf("%s: %v minutes, want %v", tt.name, got, tt.want)
		}
	}
}

func TestFromIncident(t *testing.T) {
	i := incident.Incident{ID: "ab12", Number: "20261121-0042", OpenedAt: t0, VendorID: "carrier-a", Practice: true,
		Diagnosis: incident.Diagnosis{Site: "branch-2", Affected: []string{"a", "b"}}, Tickets: make([]incident.Ticket, 2),
		Alerts: []incident.AlertRef{{Times: 1}, {Times: 7}},
		Clocks: []incident.Clock{{Name: "handle", Target: "4h", Elapsed: time.Hour, State: "stopped", Breached: true}}}
	want := Row{IncidentID: "ab12", Number: "20261121-0042", Site: "branch-2", OpenedAt: t0, Vendor: "carrier-a", Practice: true, Affected: 2, Tickets: 2, Flaps: 7,
		Clocks: []Clock{{Name: "handle", Target: "4h", Elapsed: time.Hour, State: "stopped", Breached: true}}}
	if d := cmp.Diff(FromIncident(i), want); d != "" {
		t.Fatalf("row (-got +want):\n%s", d)
	}
}

func TestTotals(t *testing.T) {
	rows := []Row{
		{Site: "a", Minutes: 30, State: incident.StateClosed, Clocks: []Clock{{Breached: true}, {Breached: true}}},
		{Site: "a", Minutes: 12.5, State: incident.StateOpen, Clocks: []Clock{{State: "unknown"}}},
		{Site: "a", Minutes: 1000, Practice: true},
		{Site: "a", Minutes: 1000, ParentID: "x"},
		{Site: "b", Minutes: 5, State: incident.StateClosed},
	}
	want := map[string]Total{"a": {Incidents: 2, Closed: 1, Minutes: 42.5, Breached: 1, Unknown: 1}, "b": {Incidents: 1, Closed: 1, Minutes: 5}}
	if d := cmp.Diff(Totals(rows, func(r Row) string { return r.Site }), want); d != "" {
		t.Fatalf("totals (-got +want):\n%s", d)
	}
}
