package incident

import (
	"testing"
	"time"
)

func TestByRule(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	var all []Judgement
	for n := range 30 {
		all = append(all, Judgement{Rule: "line-dead", Suggested: "circuit", Choice: "device", Comment: "c", At: at.Add(time.Duration(n) * time.Minute)})
	}
	all = append(all, Judgement{Rule: "line-dead", Suggested: "circuit", Choice: "circuit"}, Judgement{Rule: "heat", Suggested: "cooling", Choice: "cooling"},
		Judgement{Rule: "heat", Choice: "cooling"})
	got := ByRule(all)
	if len(got) != 2 || got[0].Rule != "line-dead" || got[0].Judged != 31 || got[0].Overruled != 30 || got[1].Judged != 1 || got[1].Overruled != 0 {
		t.Fatalf("got %+v", got)
	}
	if o := got[0].Overrulings; len(o) != mostReasons || !o[0].At.Equal(at.Add(29*time.Minute)) {
		t.Errorf("overrulings %+v", o)
	}
}
