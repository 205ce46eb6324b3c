package engine

import (
	"io/fs"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/rules"
)

// TestAuditFindsPlantedFaults plants one fault after the other into incidents
// that are as they should be.
func TestAuditFindsPlantedFaults(t *testing.T) {
	sub, err := fs.Sub(rules.FS(), "processes")
	if err != nil {
		t.Fatal(err)
	}
	set, err := process.Load(sub)
	if err != nil {
		t.Fatal(err)
	}
	def, _ := set.Latest("network")
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	good := func() incident.Incident {
		return incident.Incident{ID: "a", Number: "20261122-0001", State: incident.StateOpen, ProcessVersion: def.Ref(), Step: "carrier_repair", StepRole: "carrier",
			Timers:  []incident.Timer{{ID: "t", Kind: process.TimerTimeout, Step: "carrier_repair", Name: "0", Due: now.Add(time.Hour)}},
			Pending: []incident.EffectRef{{Key: "a/9/notify"}}, Effects: incident.Tally{Kept: true, Triggered: 5, Delivered: 1, Failed: 1, Suppressed: 1, CalledOff: 1}}
	}
	rows := EffectCount{Rows: 4, Done: 1, Failed: 1, Unfinished: 1, Oldest: now.Add(-time.Minute)}
	for _, tt := range []struct {
		name  string
		plant func(i *incident.Incident, n *EffectCount)
		want  string
	}{
		{"as it should be", func(*incident.Incident, *EffectCount) {}, ""},
		{"no timer while the carrier works", func(i *incident.Incident, _ *EffectCount) { i.Timers = nil }, FoundForgotten},
		{"a role that nobody of ours has", func(i *incident.Incident, _ *EffectCount) { i.Timers, i.StepRole = nil, "nobody" }, FoundForgotten},
		{"measurements without a timer", func(i *incident.Incident, _ *EffectCount) { i.Timers, i.Step, i.StepRole = nil, "verify", "branch_it" }, FoundForgotten},
		{"a person's turn needs no timer", func(i *incident.Incident, _ *EffectCount) { i.Timers, i.Step, i.StepRole = nil, "triage", "branch_it" }, ""},
		{"a child waits for its parent", func(i *incident.Incident, _ *EffectCount) { i.Timers, i.ParentID = nil, "p" }, ""},
		{"a timer nobody fired", func(i *incident.Incident, _ *EffectCount) {
			i.Timers = append(i.Timers, incident.Timer{ID: "u", Kind: process.TimerBreach, Due: now.Add(-time.Hour)})
		}, FoundOverdue},
		{"a timer of this second", func(i *incident.Incident, _ *EffectCount) { i.Timers[0].Due = now.Add(-time.Second) }, ""},
		{"a row is gone", func(_ *incident.Incident, n *EffectCount) { n.Rows, n.Done = 3, 0 }, FoundUntold},
		{"a waiting row is gone", func(_ *incident.Incident, n *EffectCount) { n.Rows, n.Unfinished = 3, 0 }, FoundUntold},
		{"ended without an outcome in the log", func(_ *incident.Incident, n *EffectCount) { n.Unfinished, n.Done = 0, 2 }, FoundUntold},
		{"an outcome was struck from the log", func(i *incident.Incident, _ *EffectCount) { i.Effects.Delivered = 0 }, FoundUntold},
		{"a row stuck since yesterday", func(_ *incident.Incident, n *EffectCount) { n.Oldest = now.Add(-24 * time.Hour) }, FoundStuck},
		{"an unknown process", func(i *incident.Incident, _ *EffectCount) { i.ProcessVersion = "network@9#0" }, FoundProcess},
		{"an incident from before tallies", func(i *incident.Incident, n *EffectCount) { i.Effects, n.Rows = incident.Tally{}, 9 }, ""},
	} {
		i, n := good(), rows
		tt.plant(&i, &n)
		found := Audit([]*incident.Incident{&i}, map[string]EffectCount{"a": n}, set, now)
		if got := len(found); tt.want == "" && got > 0 || tt.want != "" && (got != 1 || found[0].Kind != tt.want) {
			t.Errorf("%s: found %+v, want %q", tt.name, found, tt.want)
		}
	}
}
