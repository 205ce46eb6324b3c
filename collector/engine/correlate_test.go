package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/truth"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func fires(fp string) alert.Alert {
	return alert.Alert{Fingerprint: fp, Name: "a-" + fp, State: alert.Firing, Truth: truth.Bad, ActiveAt: t0, FiredAt: t0}
}

func unknownAlert(fp string) alert.Alert {
	a := fires(fp)
	a.Truth = truth.Unknown
	return a
}

func openIncident(id, cause string, rank int, alerts ...string) incident.Incident {
	i := incident.Incident{ID: id, State: incident.StateOpen, OpenedAt: t0, Version: 1,
		Diagnosis: incident.Diagnosis{Cause: cause, Device: cause, Class: incident.ClassDevice, Rank: rank}}
	for _, fp := range alerts {
		i.Alerts = append(i.Alerts, incident.AlertRef{Fingerprint: fp, Firing: true, Since: t0})
	}
	return i
}

func pointers(list ...incident.Incident) []*incident.Incident {
	var out []*incident.Incident
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}

func cause(key string, rank int, alerts ...string) incident.Diagnosis {
	return incident.Diagnosis{Cause: key, Device: key, Class: incident.ClassDevice, Rank: rank, Alerts: alerts}
}

func kinds(p plan) map[string][]incident.Kind {
	out := map[string][]incident.Kind{}
	for id, facts := range p.facts {
		for _, f := range facts {
			out[id] = append(out[id], f.Kind)
		}
	}
	return out
}

func TestCorrelate(t *testing.T) {
	recovered := openIncident("i1", "line", 5)
	recovered.RecoveredAt = t0
	verified := openIncident("i1", "line", 5)
	verified.State, verified.VerifiedAt = incident.StateVerified, t0
	settling := openIncident("i1", "line", 5, "b")
	settling.Alerts = append(settling.Alerts, incident.AlertRef{Fingerprint: "a", ResolvedAt: t0.Add(50 * time.Second)})
	above := openIncident("i1", "switch", 5, "a")
	above.Diagnosis.Affected = []string{"ups"}
	guess := openIncident("i1", "router", 9, "a")
	guess.Diagnosis.Provisional = true
	wasUnknown := openIncident("i1", "line", 5, "a")

	for _, c := range []struct {
		name      string
		incidents []incident.Incident
		causes    []incident.Diagnosis
		firing    []alert.Alert
		facts     map[string][]incident.Kind
		open      []string // causes
	}{
		{name: "a new cause opens one incident", causes: []incident.Diagnosis{cause("line", 5, "a", "b")}, firing: []alert.Alert{fires("a"), fires("b")}, open: []string{"line"}},
		{name: "the same cause again changes nothing", incidents: []incident.Incident{openIncident("i1", "line", 5, "a")}, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: []alert.Alert{fires("a")}},
		{name: "a further symptom joins", incidents: []incident.Incident{openIncident("i1", "line", 5, "a")}, causes: []incident.Diagnosis{cause("line", 5, "a", "b")}, firing: []alert.Alert{fires("a"), fires("b")},
			facts: map[string][]incident.Kind{"i1": {incident.AlertJoined}}},
		{name: "the same symptoms with another root are re-classified", incidents: []incident.Incident{openIncident("i1", "router", 3, "a")}, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: []alert.Alert{fires("a")},
			facts: map[string][]incident.Kind{"i1": {incident.Diagnosed}}},
		{name: "a lesser root does not replace a certain one", incidents: []incident.Incident{openIncident("i1", "hq", 9, "a")}, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: []alert.Alert{fires("a")}},
		{name: "but it does replace a guess", incidents: []incident.Incident{guess}, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: []alert.Alert{fires("a")},
			facts: map[string][]incident.Kind{"i1": {incident.Diagnosed}}},
		{name: "a late parent adopts its children", incidents: []incident.Incident{openIncident("i1", "ups", 3, "a"), openIncident("i2", "env", 3, "b")}, causes: []incident.Diagnosis{cause("switch", 5, "a", "b", "c")}, firing: []alert.Alert{fires("a"), fires("b"), fires("c")},
			facts: map[string][]incident.Kind{"i1": {incident.Diagnosed, incident.AlertJoined, incident.Adopted, incident.AlertJoined}, "i2": {incident.Folded}}},
		{name: "two causes stay two incidents", incidents: []incident.Incident{openIncident("i1", "ups", 3, "a")}, causes: []incident.Diagnosis{cause("ups", 3, "a"), cause("disk", 3, "b")}, firing: []alert.Alert{fires("a"), fires("b")}, open: []string{"disk"}},
		{name: "what is downstream joins and does not open", incidents: []incident.Incident{above}, causes: []incident.Diagnosis{cause("switch", 5, "a"), cause("ups", 2, "b")}, firing: []alert.Alert{fires("a"), fires("b")},
			facts: map[string][]incident.Kind{"i1": {incident.AlertJoined}}},
		{name: "all alerts gone is a recovery", incidents: []incident.Incident{openIncident("i1", "line", 5, "a")},
			facts: map[string][]incident.Kind{"i1": {incident.AlertResolved, incident.RecoverySeen}}},
		{name: "an unknown alert is not a recovery", incidents: []incident.Incident{wasUnknown}, firing: []alert.Alert{unknownAlert("a")}, causes: []incident.Diagnosis{cause("line", 5, "a")},
			facts: map[string][]incident.Kind{"i1": {incident.AlertUnknown}}},
		{name: "a relapse before verification stays in the incident", incidents: []incident.Incident{recovered}, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: []alert.Alert{fires("a")},
			facts: map[string][]incident.Kind{"i1": {incident.AlertJoined, incident.RecoveryLost}}},
		{name: "a fault after verification is a new incident", incidents: []incident.Incident{verified}, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: []alert.Alert{fires("a")}, open: []string{"line"}},
		{name: "what lags behind a recovery explains nothing new", incidents: []incident.Incident{settling}, causes: []incident.Diagnosis{cause("router", 9, "b")}, firing: []alert.Alert{fires("b")}},
		{name: "a further fault while another settles is its own", incidents: []incident.Incident{settling}, causes: []incident.Diagnosis{cause("hq", 9, "b", "c")}, firing: []alert.Alert{fires("b"), fires("c")}, open: []string{"hq"}},
		{name: "and does not swallow the one that settles", incidents: []incident.Incident{settling, openIncident("i2", "hq", 9, "c")}, causes: []incident.Diagnosis{cause("hq", 9, "b", "c")}, firing: []alert.Alert{fires("b"), fires("c")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := correlate(pointers(c.incidents...), round{now: t0.Add(time.Minute), causes: c.causes, firing: byFingerprint(c.firing), settle: 20 * time.Second, split: 10 * time.Second, newID: newID})
			want := c.facts
			if want == nil {
				want = map[string][]incident.Kind{}
			}
			if d := cmp.Diff(want, kinds(p)); d != "" {
				t.Errorf("facts (-want +got):\n%s", d)
			}
			var got []string
			for _, o := range p.open {
				got = append(got, o.diagnosis.Cause)
			}
			if !slices.Equal(got, c.open) {
				t.Errorf("opened %v, want %v", got, c.open)
			}
		})
	}
}

func TestHeldAlertsOpenNothing(t *testing.T) {
	p := correlate(nil, round{now: t0, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: byFingerprint([]alert.Alert{fires("a")}), held: map[string]bool{"a": true}, newID: newID})
	if len(p.open) != 0 {
		t.Errorf("a held alert opened %v", p.open)
	}
}

func TestPreviousIncidentIsNamed(t *testing.T) {
	v := openIncident("i1", "line", 5)
	v.State, v.VerifiedAt = incident.StateVerified, t0
	p := correlate(pointers(v), round{now: t0, causes: []incident.Diagnosis{cause("line", 5, "a")}, firing: byFingerprint([]alert.Alert{fires("a")}), newID: newID})
	if len(p.open) != 1 || p.open[0].previous != "i1" {
		t.Errorf("got %+v, want one opening after i1", p.open)
	}
}
