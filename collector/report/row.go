// Package report turns incidents into the rows that availability, SLA, vendor
// and branch reports are made of, and adds them up. It is pure: package
// sqlstore keeps the rows, effect/report asks for them to be written.
package report

import (
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/internal/lang"
)

// Clock is how one limit of an incident ended.
type Clock struct {
	Name     string        `json:"name"`
	Target   string        `json:"target"`
	Role     string        `json:"role,omitempty"`
	Elapsed  time.Duration `json:"elapsed"`
	State    string        `json:"state"` // unknown when no calendar could tell
	Breached bool          `json:"breached"`
}

// Row is one incident in a report.
type Row struct {
	IncidentID   string    `json:"incident_id"`
	Number       string    `json:"number"`
	Site         string    `json:"site"`
	Class        string    `json:"class"`
	FirstClass   string    `json:"first_class"` // before any re-classification
	Process      string    `json:"process"`
	Severity     string    `json:"severity"`
	Device       string    `json:"device"`
	Component    string    `json:"component,omitempty"`
	Circuit      string    `json:"circuit,omitempty"`
	Title        lang.Text `json:"title"`
	VendorKind   string    `json:"vendor_kind"`
	Vendor       string    `json:"vendor,omitempty"` // inventory id
	VendorName   string    `json:"vendor_name,omitempty"`
	State        string    `json:"state"`
	FaultAt      time.Time `json:"fault_at,omitzero"`
	OpenedAt     time.Time `json:"opened_at"`
	RecoveredAt  time.Time `json:"recovered_at,omitzero"`
	VerifiedAt   time.Time `json:"verified_at,omitzero"`
	ClosedAt     time.Time `json:"closed_at,omitzero"`
	Minutes      float64   `json:"minutes"`  // from fault to measured recovery; 0 while it lasts
	Affected     int       `json:"affected"` // things that were unreachable because of it
	Clocks       []Clock   `json:"clocks,omitempty"`
	Tickets      int       `json:"tickets"`
	Reclassified int       `json:"reclassified,omitempty"`
	Reopened     int       `json:"reopened,omitempty"`
	Flaps        int       `json:"flaps,omitempty"` // the most often that one of its alerts fired
	ParentID     string    `json:"parent_id,omitempty"`
	Practice     bool      `json:"practice,omitempty"` // 演练: left out of figures
}

// FromIncident makes the incident's row as things stand.
func FromIncident(i incident.Incident) Row {
	r := Row{
		IncidentID: i.ID, Number: i.Number, Site: i.Diagnosis.Site, Class: i.Diagnosis.Class, FirstClass: i.FirstClass,
		Process: i.Process, Severity: i.Severity, Device: i.Diagnosis.Device, Component: i.Diagnosis.Component,
		Circuit: i.Diagnosis.Circuit, Title: i.Diagnosis.Title, VendorKind: i.Diagnosis.VendorKind,
		Vendor: i.VendorID, VendorName: i.VendorName, State: i.State, FaultAt: i.FaultAt, OpenedAt: i.OpenedAt,
		RecoveredAt: i.RecoveredAt, VerifiedAt: i.VerifiedAt, ClosedAt: i.ClosedAt,
		Affected: len(i.Diagnosis.Affected), Tickets: len(i.Tickets), Reclassified: i.Reclassified, Reopened: i.Reopened,
		ParentID: i.ParentID, Practice: i.Practice,
	}
	r.Minutes = outage(i).Minutes()
	for _, c := range i.Clocks {
		r.Clocks = append(r.Clocks, Clock{Name: c.Name, Target: c.Target, Role: c.Role, Elapsed: c.Elapsed, State: c.State, Breached: c.Breached})
	}
	for _, a := range i.Alerts {
		r.Flaps = max(r.Flaps, a.Times)
	}
	return r
}

// outage is how long the fault lasted: from its first evidence to the moment
// since which all alerts were gone, else to the proof, else to the closing.
func outage(i incident.Incident) time.Duration {
	from := i.FaultAt
	if from.IsZero() {
		from = i.OpenedAt
	}
	for _, to := range []time.Time{i.RecoveredAt, i.VerifiedAt, i.ClosedAt} {
		if !to.IsZero() {
			return max(0, to.Sub(from))
		}
	}
	return 0
}

// Total is rows added up.
type Total struct {
	Incidents int     `json:"incidents"`
	Closed    int     `json:"closed"`
	Minutes   float64 `json:"minutes"`
	Breached  int     `json:"breached"` // incidents with at least one limit broken
	Unknown   int     `json:"unknown"`  // incidents with a limit that no calendar could judge
}

// Totals adds up rows by the group that key names, practice and folded
// incidents left out.
func Totals(rows []Row, key func(Row) string) map[string]Total {
	out := map[string]Total{}
	for _, r := range rows {
		if r.Practice || r.ParentID != "" {
			continue
		}
		t := out[key(r)]
		t.Incidents++
		t.Minutes += r.Minutes
		if r.State == incident.StateClosed {
			t.Closed++
		}
		if slices.ContainsFunc(r.Clocks, func(c Clock) bool { return c.Breached }) {
			t.Breached++
		}
		if slices.ContainsFunc(r.Clocks, func(c Clock) bool { return c.State == "unknown" }) {
			t.Unknown++
		}
		out[key(r)] = t
	}
	return out
}
