package engine

import (
	"testing"
	"time"
)

func TestEveryFindingHasAdvice(t *testing.T) {
	for _, kind := range FindingKinds {
		if a := Advice(kind); a.ZH == "" || a.EN == "" {
			t.Errorf("%s: %+v", kind, a)
		}
	}
}

func TestCarryKeepsTheFirstMoment(t *testing.T) {
	first, later := time.Unix(1000, 0).UTC(), time.Unix(2000, 0).UTC()
	one := Finding{Kind: FoundStuck, IncidentID: "a"}
	before := Carry([]Finding{one}, nil, first)
	got := Carry([]Finding{one, {Kind: FoundStuck, IncidentID: "b"}, {Kind: FoundForgotten, IncidentID: "a"}}, before, later)
	for n, want := range []time.Time{first, later, later} {
		if !got[n].Since.Equal(want) {
			t.Errorf("finding %d: since %s, want %s", n, got[n].Since, want)
		}
	}
	gone := Carry(nil, got, later)
	if back := Carry([]Finding{one}, gone, later); !back[0].Since.Equal(later) {
		t.Errorf("a finding that went and came back is counted from %s, want from %s", back[0].Since, later)
	}
}
