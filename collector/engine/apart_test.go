package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
)

// two plays rounds of one incident with two alerts against causes and returns
// what the last round says.
func two(t *testing.T, home incident.Incident, rounds int, causes []incident.Diagnosis, firing []alert.Alert, change func(*round)) plan {
	t.Helper()
	var p plan
	apart := map[string]time.Time{}
	for n := range rounds {
		r := round{now: t0.Add(time.Minute + time.Duration(n)*time.Second), causes: causes, firing: byFingerprint(firing),
			settle: 20 * time.Second, split: 10 * time.Second, newID: newID, apart: apart}
		for fp, a := range r.firing {
			a.EvaluatedAt = r.now
			r.firing[fp] = a
		}
		if change != nil {
			change(&r)
		}
		p = correlate(pointers(home), r)
		apart = p.apart
		if n < rounds-1 && (len(p.open) > 0 || len(p.facts) > 0) {
			t.Fatalf("round %d concludes already: %v, %d openings", n, kinds(p), len(p.open))
		}
	}
	return p
}

func TestTwoCausesThatStandSideBySideAreSplit(t *testing.T) {
	home := openIncident("i1", "switch", 5, "a", "b")
	p := two(t, home, 11, []incident.Diagnosis{cause("switch", 5, "a"), cause("host", 4, "b")}, []alert.Alert{fires("a"), fires("b")}, nil)
	if got := kinds(p)["i1"]; !slices.Equal(got, []incident.Kind{incident.AlertLeft}) || len(p.open) != 1 || p.open[0].diagnosis.Cause != "host" ||
		p.open[0].from != "i1" || p.open[0].reason != reasonSplit {
		t.Errorf("got %v and %+v", got, p.open)
	}
	if f := p.fate("b"); f.Kind != FateJoined || f.Incident != p.open[0].id {
		t.Errorf("the alert that left: %+v", f)
	}
}

func TestWhatHangsTogetherIsNotSplit(t *testing.T) {
	inv := &inventory.Inventory{Sites: []inventory.Site{{ID: "s"}}, Devices: []inventory.Device{{ID: "switch", Site: "s"},
		{ID: "host", Site: "s", DependsOn: []inventory.Dependency{{AnyOf: []string{"switch"}}}}}}
	home := openIncident("i1", "switch", 5, "a", "b")
	p := two(t, home, 30, []incident.Diagnosis{cause("switch", 5, "a"), cause("host", 4, "b")}, []alert.Alert{fires("a"), fires("b")},
		func(r *round) { r.topology = topology{inventory.NewGraph(inv)} })
	if len(p.open) != 0 {
		t.Errorf("a host behind the switch was split off: %+v", p.open)
	}
}

func TestGuessesAreNotSplitOff(t *testing.T) {
	guess := cause("host", 4, "b")
	guess.Provisional = true
	p := two(t, openIncident("i1", "switch", 5, "a", "b"), 30, []incident.Diagnosis{cause("switch", 5, "a"), guess}, []alert.Alert{fires("a"), fires("b")}, nil)
	if len(p.open) != 0 || len(p.facts) != 0 {
		t.Errorf("got %v, %+v", kinds(p), p.open)
	}
}

func TestDisprovedCauseIsReplacedAndTheRestSplit(t *testing.T) {
	home := openIncident("i1", "carrier", 94, "a", "b")
	p := two(t, home, 11, []incident.Diagnosis{cause("line-1", 55, "a"), cause("port-2", 78, "b")}, []alert.Alert{fires("a"), fires("b")}, nil)
	var said string
	for _, f := range p.facts["i1"] {
		if f.Kind == incident.Diagnosed {
			said = f.Diagnosis.Cause
		}
	}
	if said != "port-2" || len(p.open) != 1 || p.open[0].diagnosis.Cause != "line-1" {
		t.Errorf("the incident is called %q now, opened %+v", said, p.open)
	}
}

func TestChildIsReleasedByANewerCheckOnly(t *testing.T) {
	home := openIncident("i1", "line", 60, "dead", "child")
	home.Diagnosis.Affected = []string{"host"}
	home.Alerts[0].Labels = map[string]string{"device": "line"}
	home.Alerts[0].Firing, home.Alerts[0].ResolvedAt = false, t0.Add(10*time.Second)
	home.Alerts[1].Labels = map[string]string{"device": "host"}
	causes := []incident.Diagnosis{cause("host", 32, "child")}
	measured := t0.Add(5 * time.Second)
	check := func(r *round) { r.checked = func(alert.Alert) time.Time { return measured } }
	p := two(t, home, 30, causes, []alert.Alert{fires("child")}, check)
	if len(p.open) != 0 || len(p.facts) != 0 {
		t.Fatalf("released by a check older than its parent's recovery: %v", kinds(p))
	}
	measured = t0.Add(12 * time.Second)
	p = two(t, home, 1, causes, []alert.Alert{fires("child")}, check)
	if len(p.open) != 1 || p.open[0].reason != reasonReleased || !slices.Contains(kinds(p)["i1"], incident.AlertLeft) {
		t.Errorf("a newer check does not release it: %v %+v", kinds(p), p.open)
	}
	if !slices.Contains(kinds(p)["i1"], incident.RecoverySeen) {
		t.Errorf("the parent is not recovered: %v", kinds(p))
	}
}

func TestQuiet(t *testing.T) {
	d := cause("host", 5, "a")
	d.Site = "s1"
	now := t0.Add(time.Minute)
	for _, c := range []struct {
		name    string
		quiet   Quiet
		checked time.Time
		opens   bool
	}{
		{"in force over the root", Quiet{Kind: QuietMaintenance, From: t0, Until: now.Add(time.Hour), Subjects: []string{"host"}}, now, false},
		{"in force over the site", Quiet{Kind: QuietWorks, From: t0, Subjects: []string{"s1"}}, now, false},
		{"not yet begun", Quiet{Kind: QuietWorks, From: now.Add(time.Second), Subjects: []string{"s1"}}, now, true},
		{"over another device", Quiet{Kind: QuietSilence, From: t0, Subjects: []string{"other"}}, now, true},
		{"of labels that fit", Quiet{Kind: QuietSilence, From: t0, Labels: map[string]string{"device": "host"}}, now, false},
		{"of labels that do not", Quiet{Kind: QuietSilence, From: t0, Labels: map[string]string{"device": "host", "component": "x"}}, now, true},
		{"of nothing means nothing", Quiet{Kind: QuietSilence, From: t0}, now, true},
		{"over, without a newer check", Quiet{Kind: QuietMaintenance, From: t0, Until: t0.Add(30 * time.Second), Subjects: []string{"host"}}, t0.Add(30 * time.Second), false},
		{"over, with a newer check", Quiet{Kind: QuietMaintenance, From: t0, Until: t0.Add(30 * time.Second), Subjects: []string{"host"}}, t0.Add(31 * time.Second), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := fires("a")
			a.Labels = map[string]string{"device": "host"}
			p := correlate(nil, round{now: now, causes: []incident.Diagnosis{d}, firing: byFingerprint([]alert.Alert{a}), newID: newID,
				quiet: []Quiet{c.quiet}, checked: func(alert.Alert) time.Time { return c.checked }})
			if opens := len(p.open) > 0; opens != c.opens {
				t.Errorf("opens: %v", opens)
			}
			if f := p.fate("a"); !c.opens && (f.Kind != FateSuppressed || f.Reason == "") || c.opens && f.Kind != FateJoined {
				t.Errorf("fate %+v", f)
			}
		})
	}
}

func TestQuietHoldsNoticesBackButNeverTheEnd(t *testing.T) {
	b := newBench(t)
	quiet := []Quiet{}
	b.engine.o.Quiet = func(time.Time) []Quiet { return quiet }
	b.causes = []incident.Diagnosis{lineCause("a")}
	b.must(b.round("a"))
	told := b.notices()
	quiet = []Quiet{{ID: "q1", Kind: QuietSilence, From: b.now, Subjects: []string{"l1"}, Reason: "known", By: "li"}}
	b.now = b.now.Add(72 * time.Hour)
	for range 50 {
		b.must(b.engine.Tick(t.Context()))
	}
	if n := b.notices(); n != told {
		t.Errorf("%d notices while silenced", n-told)
	}
	hushed := 0
	for _, e := range b.store.events[b.only().ID] {
		if e.Kind == incident.EffectDone && e.Effect.Outcome == "suppressed" && e.Effect.Result["reason"] == "silence: known (li)" {
			hushed++
		}
	}
	if hushed == 0 {
		t.Error("the log does not say that notices were held back")
	}
	b.causes = nil
	b.must(b.round())
	b.finish(incident.EffectVerify, "recovered")
	b.must(b.engine.Handle(t.Context(), incident.Event{ID: "act", IncidentID: b.only().ID, Kind: incident.Decided, Choice: "ok", At: b.now,
		Actor: incident.Actor{Kind: "person", ID: "u1", Role: "branch_it"}}))
	if i := b.only(); i.State != incident.StateClosed {
		t.Errorf("silenced, it is %s in %s", i.State, i.Step)
	}
}

// notices counts the notices that were queued to be sent.
func (b *bench) notices() (n int) {
	for _, f := range b.store.effects {
		if f.Kind == incident.EffectNotify && !slices.Contains(heardAnyway, f.Params["reason"]) {
			n++
		}
	}
	return n
}

func TestStormIsOneEventPerRound(t *testing.T) {
	b := newBench(t)
	d := lineCause()
	var all []string
	for n := range 500 {
		all = append(all, string(rune('a'+n%26))+time.Duration(n).String())
	}
	d.Alerts = all
	b.causes = []incident.Diagnosis{d}
	b.must(b.round(all...))
	if i := b.only(); len(i.Alerts) != 500 || len(b.store.events[i.ID]) > 30 {
		t.Errorf("%d alerts in %d events", len(i.Alerts), len(b.store.events[i.ID]))
	}
	b.causes = nil
	b.must(b.round())
	i := b.only()
	if i.RecoveredAt.IsZero() || i.Firing() {
		t.Error("not all alerts are resolved")
	}
	if f, err := incident.Fold(b.store.events[i.ID]); err != nil || len(f.Alerts) != 500 {
		t.Errorf("the log folds to %d alerts, %v", len(f.Alerts), err)
	}
}

func TestLateEvidenceSettlesWhatIsOver(t *testing.T) {
	b := newBench(t)
	guess := lineCause("a")
	guess.Provisional = true
	b.causes = []incident.Diagnosis{guess}
	b.engine.o.Reconsider = func(i incident.Incident, _ time.Time) (incident.Diagnosis, bool) {
		d := i.Diagnosis
		d.Provisional, d.Class, d.Process, d.VendorKind = false, incident.ClassPower, "infrastructure", incident.VendorNone
		return d, len(AlertsOf(i)) == 1
	}
	b.must(b.round("a"))
	if i := b.only(); !i.Diagnosis.Provisional {
		t.Fatal("settled while it lasts")
	}
	b.causes = nil
	b.must(b.round())
	b.must(b.round())
	i := b.only()
	if i.Diagnosis.Provisional || i.Diagnosis.Class != incident.ClassPower || i.Reclassified != 1 || b.opened != 1 {
		t.Errorf("provisional %v, class %s, re-classified %d times, %d incidents", i.Diagnosis.Provisional, i.Diagnosis.Class, i.Reclassified, b.opened)
	}
}
