package rollout

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// changes are n agents, two to a site, that go from v1 to v2.
func changes(n int, want string) (out []Change) {
	for i := range n {
		out = append(out, Change{Agent: fmt.Sprintf("a%02d", i), Site: fmt.Sprintf("s%d", i/2), Before: "v1", Want: want})
	}
	return out
}

var plan = Plan{Stages: []Stage{{Agents: []string{"a03"}}, {Sites: []string{"s4"}, Percent: 50}, {Percent: 100}}, Patience: time.Minute, Soak: 10 * time.Second}

// given are the agents that have the release's version now.
func given(s State) (out []string) {
	for id, m := range s.Members {
		if v, _ := s.Given(id); v == m.Want {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// well reports that every agent applied what it is given.
func well(s State, now time.Time) map[string]Report {
	out := map[string]Report{}
	for id := range s.Members {
		v, _ := s.Given(id)
		out[id] = Report{Version: v, Well: true, At: now}
	}
	return out
}

func TestStagesFollowEachOther(t *testing.T) {
	s, notes := Begin(State{}, "r2", plan, changes(10, "v2"), start)
	if len(notes) != 1 || s.Phase != Running {
		t.Fatalf("begin: %v, phase %q", notes, s.Phase)
	}
	var sizes []int
	for sec := 0; s.Phase == Running && sec < 300; sec += 5 {
		s, _ = Step(s, well(s, at(sec)), at(sec))
		if n := len(given(s)); len(sizes) == 0 || sizes[len(sizes)-1] != n {
			sizes = append(sizes, n)
		}
	}
	if diff := cmp.Diff(sizes, []int{1, 5, 10}); diff != "" || s.Phase != Done {
		t.Errorf("sizes of the stages, phase %q:\n%s", s.Phase, diff)
	}
	if again, notes := Begin(s, "r2", plan, changes(10, "v2"), at(400)); len(notes) != 0 || !cmp.Equal(again, s) {
		t.Error("a release that is done begins again")
	}
}

func TestFirstStageIsTheNamedOne(t *testing.T) {
	s, _ := Begin(State{}, "r2", plan, changes(10, "v2"), start)
	s, _ = Step(s, well(s, start), start)
	if got := given(s); !slices.Equal(got, []string{"a03"}) {
		t.Errorf("given to %v, want a03 alone", got)
	}
}

func TestWhatTakesAReleaseBack(t *testing.T) {
	cases := map[string]struct {
		report func(now time.Time) Report
		why    string
	}{
		"refused": {func(now time.Time) Report {
			return Report{Version: "v1", Rejected: "v2", Problem: "no input x", Well: true, At: now}
		}, "refused it: no input x"},
		"not applied":  {func(now time.Time) Report { return Report{Version: "v1", Well: true, At: now} }, "has not applied it within 1m0s"},
		"not well":     {func(now time.Time) Report { return Report{Version: "v2", Problem: "nothing answers", At: now} }, "is not well: nothing answers within 1m0s"},
		"fell silent":  {func(time.Time) Report { return Report{Version: "v1", Well: true, At: start} }, "fell silent within 1m0s"},
		"now and then": {func(now time.Time) Report { return Report{Version: "v2", Well: now.Second()%10 != 5, At: now} }, "within 1m0s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, _ := Begin(State{}, "r2", plan, changes(10, "v2"), start)
			var notes []Note
			for sec := 0; s.Phase == Running && sec < 600; sec += 5 {
				reports := well(s, at(sec))
				reports["a03"] = c.report(at(sec))
				s, notes = Step(s, reports, at(sec))
			}
			if s.Phase != RolledBack || !strings.Contains(s.Reason, c.why) || !strings.Contains(s.Reason, "a03") || len(given(s)) != 0 {
				t.Fatalf("phase %q, reason %q, given %v", s.Phase, s.Reason, given(s))
			}
			if len(notes) == 0 || notes[len(notes)-1].Kind != RolledBack {
				t.Errorf("notes %v", notes)
			}
			s, _ = Begin(s, "r2", plan, changes(10, "v2"), at(700))
			if s, _ = Step(s, well(s, at(700)), at(700)); len(given(s)) != 0 {
				t.Error("the same release came again by itself")
			}
			// Another release that means the same for the agent it failed at.
			s, _ = Begin(s, "r3", plan, changes(10, "v2"), at(800))
			for sec := 800; s.Phase == Running && sec < 1500; sec += 5 {
				s, _ = Step(s, well(s, at(sec)), at(sec))
				if slices.Contains(given(s), "a03") {
					t.Fatal("a03 got again what was taken back from it")
				}
			}
			s, _, err := Retry(s, "chen", at(2000))
			for sec := 2000; s.Phase == Running && sec < 3000; sec += 5 {
				s, _ = Step(s, well(s, at(sec)), at(sec))
			}
			if err != nil || s.Phase != Done || !slices.Contains(given(s), "a03") {
				t.Errorf("after a person's retry: %v, phase %q, given %v", err, s.Phase, given(s))
			}
		})
	}
}

// An agent that was away when its stage began fails nobody; the stage waits for
// somebody to prove it.
func TestAbsentAgents(t *testing.T) {
	s, _ := Begin(State{}, "r2", plan, changes(10, "v2"), start)
	for sec := 0; sec < 1000; sec += 5 {
		s, _ = Step(s, map[string]Report{"a03": {Version: "v1", Well: true, At: at(-600)}}, at(sec))
	}
	if s.Phase != Running || s.Stage != 0 {
		t.Fatalf("phase %q, stage %d: nobody proved anything", s.Phase, s.Stage)
	}
	for sec := 1000; sec < 1100; sec += 5 {
		s, _ = Step(s, map[string]Report{"a03": {Version: "v2", Well: true, At: at(sec)}}, at(sec))
	}
	if s.Stage != 1 {
		t.Errorf("stage %d after the canary came back and is well", s.Stage)
	}
}

func TestPersonsCommands(t *testing.T) {
	s, _ := Begin(State{}, "r2", plan, changes(10, "v2"), start)
	s, _ = Step(s, well(s, start), start)
	s, _, err := Pause(s, "chen", at(1))
	if err != nil {
		t.Fatal(err)
	}
	for sec := 1; sec < 300; sec += 5 {
		s, _ = Step(s, well(s, at(sec)), at(sec))
	}
	if s.Phase != Paused || len(given(s)) != 1 {
		t.Errorf("paused: phase %q, given %v", s.Phase, given(s))
	}
	if s, _, err = Continue(s, "chen", at(300)); err != nil {
		t.Fatal(err)
	}
	s, _ = Step(s, well(s, at(305)), at(305))
	if s.Stage != 1 {
		t.Errorf("stage %d after it goes on", s.Stage)
	}
	if s, _, err = Abort(s, "chen", at(310)); err != nil || s.Phase != Aborted || len(given(s)) != 0 {
		t.Errorf("abort: %v, phase %q, given %v", err, s.Phase, given(s))
	}
	for _, f := range []func(State, string, time.Time) (State, []Note, error){Pause, Continue, Abort} {
		if _, _, err := f(s, "chen", at(320)); err == nil {
			t.Error("a roll-out that is over took a command")
		}
	}
}

// world is a random fleet: agents apply late, refuse, fall silent or come back.
type world struct {
	*rand.Rand
	on      map[string]string
	bad     map[string]bool // versions that make agents unwell
	reports map[string]Report
}

func (w *world) turn(s State, now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(s.Members)) {
		want, _ := s.Given(id)
		switch w.IntN(5) {
		case 0: // away
			continue
		case 1: // late
		default:
			w.on[id] = want
		}
		r := Report{Version: w.on[id], At: now, Well: !w.bad[w.on[id]] || w.IntN(4) == 0}
		if w.bad[want] && w.IntN(12) == 0 {
			r.Rejected, r.Problem = want, "cannot"
		}
		w.reports[id] = r
	}
}

// TestProperties plays random fleets: never more agents on an unproven version
// than the stage allows; what was taken back never comes again by itself; a
// restart from what was stored goes on exactly as without one.
func TestProperties(t *testing.T) {
	for seed := range uint64(30) {
		w := &world{rand.New(rand.NewPCG(seed, 7)), map[string]string{}, map[string]bool{}, map[string]Report{}}
		p := Plan{Patience: 40 * time.Second, Soak: time.Duration(w.IntN(20)) * time.Second}
		for range w.IntN(4) {
			p.Stages = append(p.Stages, Stage{Percent: 1 + w.IntN(100), Sites: []string{fmt.Sprintf("s%d", w.IntN(8))}})
		}
		var s State
		taken := map[string]bool{} // agent and version
		version := 2
		for sec := 0; sec < 1000; sec += 5 {
			if sec%200 == 0 {
				if w.IntN(3) > 0 {
					version++ // else the same again, under another release
				}
				v := fmt.Sprintf("v%d", version)
				w.bad[v] = w.IntN(2) == 0
				s, _ = Begin(s, fmt.Sprintf("r%d", sec), p, changes(1+w.IntN(20), v), at(sec))
			}
			w.turn(s, at(sec))
			next, _ := Step(s, w.reports, at(sec))
			if w.IntN(8) == 0 {
				again, _ := Step(restart(t, s), w.reports, at(sec))
				if a, b := text(t, next), text(t, again); a != b {
					t.Fatalf("seed %d, %d s: restarted it goes on otherwise:\n%s", seed, sec, cmp.Diff(a, b))
				}
			}
			s = next
			checkBounds(t, seed, s)
			for id, m := range s.Members {
				v, _ := s.Given(id)
				if v == m.Want && taken[id+v] {
					t.Fatalf("seed %d, %d s: %s got %s again", seed, sec, id, v)
				}
				if s.Phase == RolledBack && !m.Given.IsZero() {
					taken[id+m.Want] = true
				}
			}
		}
	}
}

// checkBounds: outside a proven release only members of stages up to the present
// one have it.
func checkBounds(t *testing.T, seed uint64, s State) {
	t.Helper()
	if s.Phase == Done {
		return
	}
	for _, id := range given(s) {
		if s.Members[id].Stage > s.Stage {
			t.Fatalf("seed %d: %s of stage %d has it in stage %d", seed, id, s.Members[id].Stage, s.Stage)
		}
	}
	if n := len(given(s)); n > s.within(s.Stage) || (s.Phase == RolledBack || s.Phase == Refused) && n > 0 {
		t.Fatalf("seed %d: %d agents have it, the stage allows %d, phase %q", seed, n, s.within(s.Stage), s.Phase)
	}
	for earlier := range s.Stage { // the next stage begins only with proof
		proven := false
		for _, m := range s.Members {
			proven = proven || m.Proven && m.Stage <= s.Stage || m.Held
		}
		if !proven && s.within(earlier) > 0 {
			t.Fatalf("seed %d: stage %d began, nobody proved the earlier one", seed, s.Stage)
		}
	}
}

// restart is the state as a collector reads it back.
func restart(t *testing.T, s State) (back State) {
	t.Helper()
	if err := json.Unmarshal([]byte(text(t, s)), &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func text(t *testing.T, s State) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPlanFaults(t *testing.T) {
	for name, p := range map[string]Plan{
		"percent":  {Stages: []Stage{{Percent: 101}}},
		"nobody":   {Stages: []Stage{{}}},
		"too many": {Stages: slices.Repeat([]Stage{{Percent: 1}}, 21)},
		"soak":     {Patience: time.Minute, Soak: time.Minute},
	} {
		if p.Validate() == nil {
			t.Errorf("%s: no fault found", name)
		}
	}
	if err := plan.Validate(); err != nil {
		t.Error(err)
	}
}
