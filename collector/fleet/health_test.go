package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/collector/assign"
	"github.com/faultline/faultline/internal/wire"
	"github.com/faultline/faultline/plugins/base"
)

// work is a work of n targets of an input, changed by edit.
func work(version int64, n int, edit func(i int, t *base.Target)) wire.Work {
	w := wire.Work{Version: version}
	for i := range n {
		t := base.Target{ID: fmt.Sprintf("t%02d", i), Input: "snmp", Address: fmt.Sprintf("10.0.0.%d", i), Options: map[string]string{"community": "one"}}
		if edit != nil {
			edit(i, &t)
		}
		w.Targets = append(w.Targets, t)
	}
	return w
}

func TestWorse(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	community := func(i int, t *base.Target) {
		if i < 4 {
			t.Options = map[string]string{"community": "two"}
		}
	}
	interval := func(_ int, t *base.Target) { t.Interval = time.Minute }
	before := work(1, 40, nil)
	profiles := work(2, 40, nil)
	profiles.Settings = &wire.Settings{Profiles: map[string]string{"a.yaml": "x"}}
	backlog := work(2, 40, nil)
	backlog.Settings = &wire.Settings{BacklogRate: 10}
	for _, c := range []struct {
		name    string
		after   wire.Work
		failed  map[string]time.Time
		failing string
		pending string
		want    string
	}{
		{name: "nothing fails", after: work(2, 40, community), failed: map[string]time.Time{}},
		{name: "other credentials, one fails", after: work(2, 40, community), failed: map[string]time.Time{}, failing: "t02", want: "1 of 4 changed targets answered before and fail now: t02"},
		{name: "it failed before", after: work(2, 40, community), failed: map[string]time.Time{"t02": now}, failing: "t02"},
		{name: "an unchanged one fails", after: work(2, 40, community), failed: map[string]time.Time{}, failing: "t20"},
		{name: "a new one fails", after: work(2, 41, nil), failed: map[string]time.Time{}, failing: "t40"},
		{name: "a changed one is not measured yet", after: work(2, 40, community), failed: map[string]time.Time{}, pending: "t01 t30", want: "1 of 4 changed targets were not measured since"},
		{name: "how it was is not known", after: work(2, 40, community), failing: "t02"},
		{name: "another interval, two of forty by chance", after: work(2, 40, interval), failed: map[string]time.Time{}, failing: "t02 t03"},
		{name: "another interval, three of forty", after: work(2, 40, interval), failed: map[string]time.Time{}, failing: "t02 t03 t04", want: "3 of 40 changed targets"},
		{name: "another profile, many", after: profiles, failed: map[string]time.Time{}, failing: "t02 t03 t04 t05 t06 t07", want: "t02, t03, t04, t05, t06 and 1 more"},
		{name: "what no target feels", after: backlog, failed: map[string]time.Time{}, failing: "t02 t03 t04"},
	} {
		st := wire.AgentState{Failing: strings.Fields(c.failing), Pending: strings.Fields(c.pending)}
		got := worse(before, c.after, c.failed, st)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFailures(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	st := wire.AgentState{Targets: 4, Up: 2, Failing: []string{"a"}, Pending: []string{"b"}}
	first := failures(nil, st, now)
	if _, a := first["a"]; !a || len(first) != 2 {
		t.Fatalf("first: %v", first)
	}
	all := wire.AgentState{Targets: 4, Up: 4}
	soon := failures(first, all, now.Add(time.Minute))
	if _, a := soon["a"]; !a || len(soon) != 1 {
		t.Errorf("what failed a minute ago is not remembered, or what was only not measured is: %v", soon)
	}
	if late := failures(soon, all, now.Add(time.Hour)); late == nil || len(late) != 0 {
		t.Errorf("after an hour: %v", late)
	}
	if got := failures(soon, wire.AgentState{Targets: 4, Up: 2}, now); got != nil {
		t.Errorf("an agent that names nothing: %v", got)
	}
	if got := failures(soon, wire.AgentState{Targets: 900, Up: 100, Failing: make([]string, wire.MostNamed)}, now); got != nil {
		t.Error("a list that may not be whole is taken for whole")
	}
}

// A change that leaves the agent well and most targets too is taken back when it
// broke one, also when the collector was started anew while it was out.
func TestBrokenProbeTakesBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		d := newDesk(t)
		give := func(version int64, edit func(int, *base.Target)) {
			d.t.Helper()
			var hs []assign.Handout
			for i := range 3 {
				hs = append(hs, assign.Handout{Agent: fmt.Sprintf("a%d", i), Site: "s", Work: work(version, 4, edit)})
			}
			d.Set(hs, canary, canary)
		}
		other := func(i int, t *base.Target) {
			if i == 3 {
				t.Address = "10.9.9.9"
			}
		}
		give(1, nil)
		d.pass(20, nil)
		give(2, other)
		breaks := func(_ string, s *wire.AgentState) {
			if s.Version == 2 {
				s.Failing = []string{"t03"} // its probe fails: it is measured, and counts as up
			}
		}
		d.pass(20, breaks)
		if restart {
			d.restart()
			give(2, other)
		}
		d.pass(90, breaks)
		d.want(fmt.Sprintf("one probe broke, restart %t", restart), 1, 1, 1)
		if r := d.Rollouts()[0]; !strings.Contains(r.Reason, "1 of 1 changed targets answered before and fail now: t03") {
			t.Errorf("reason %q", r.Reason)
		}
	}
}

// A program with which a whole input falls silent is taken back; one device that
// dies meanwhile is no reason.
func TestProgramThatSilencesAnInput(t *testing.T) {
	for _, c := range []struct {
		failing []string
		phase   string
	}{{[]string{"t01"}, "done"}, {[]string{"t00", "t01", "t02", "t03"}, "rolled_back"}} {
		d := newDesk(t)
		hs := func(program string) (out []assign.Handout) {
			for i := range 3 {
				w := work(1, 4, nil)
				w.Targets = append(w.Targets, base.Target{ID: "host", Input: "host"})
				out = append(out, assign.Handout{Agent: fmt.Sprintf("a%d", i), Site: "s", Work: w, Program: program})
			}
			return out
		}
		d.Set(hs(""), canary, canary)
		d.pass(20, nil)
		d.Set(hs("0.1.2"), canary, canary)
		d.pass(10, nil)
		d.pass(150, func(agent string, s *wire.AgentState) {
			if agent == "a0" || d.Rollouts()[1].Stage == 2 {
				s.Program = "0.1.2"
			}
			if s.Program == "0.1.2" {
				s.Failing = slices.Clone(c.failing)
			}
		})
		if r := d.Rollouts()[1]; r.Phase != c.phase {
			t.Errorf("%v fail: %+v, want %s", c.failing, r, c.phase)
		}
	}
}
