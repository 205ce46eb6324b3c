package ruler

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/truth"
)

// Each story is the truth at every second: B bad, K ok (known), ? unknown; want
// is the state after it: . forgotten, p pending, F firing, R resolved, u firing
// but unknown.
func TestStep(t *testing.T) {
	rule := &Rule{Name: "X", For: 3 * time.Second, KeepFiringFor: 2 * time.Second, Horizon: 4 * time.Second}
	for _, tc := range []struct{ name, story, want string }{
		{"fires after for", "BBBBB", "pppFF"},
		{"a blip opens nothing", "BBKBBK", "pp.pp."},
		{"resolves after keep_firing_for", "BBBBKKKK", "pppFFFR."},
		{"bad again restarts keep_firing_for", "BBBBKKBKKK", "pppFFFFFFR"},
		{"unknown does not resolve", "BBBB??????", "pppFuuuuuu"},
		{"unknown is not the way back", "BBBBK?KKK", "pppFFuFFR"},
		{"unknown keeps pending for a while", "BB??BB", "ppppFF"},
		{"pending is given up after the horizon", "BB??????", "pppppp.."},
		{"unknown opens nothing", "????", "...."},
		{"ok opens nothing", "KKKK", "...."},
		{"fires anew after it resolved", "BBBBKKKBBBB", "pppFFFRpppF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, state, now := "", map[string]alert.Alert{}, time.Unix(1000, 0)
			for _, c := range tc.story {
				res := results{bad: map[string]match{}, present: map[string]struct{}{}}
				switch c {
				case 'B':
					res.bad["f"] = match{labels: map[string]string{"a": "b"}}
					res.present["f"] = struct{}{}
				case 'K':
					res.present["f"] = struct{}{}
				}
				next := map[string]alert.Alert{}
				for _, o := range step(rule, state, res, now, false) {
					if !o.drop {
						next[o.after.Fingerprint] = o.after
					}
				}
				state, now = next, now.Add(time.Second)
				got += letter(state["f"])
			}
			if got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.story, got, tc.want)
			}
		})
	}
}

func letter(a alert.Alert) string {
	switch a.State {
	case alert.Pending:
		return "p"
	case alert.Firing:
		if a.Truth == truth.Unknown {
			return "u"
		}
		return "F"
	case alert.Resolved:
		return "R"
	default:
		return "."
	}
}

func TestStepIsPure(t *testing.T) {
	rule := &Rule{Name: "X", For: time.Second}
	before := map[string]alert.Alert{"f": {Fingerprint: "f", Name: "X", State: alert.Pending, ActiveAt: time.Unix(1, 0)}}
	res := results{bad: map[string]match{"f": {}, "g": {}}, present: map[string]struct{}{}}
	first := step(rule, before, res, time.Unix(9, 0), false)
	second := step(rule, before, res, time.Unix(9, 0), false)
	if d := cmp.Diff(first, second, cmp.AllowUnexported(outcome{})); d != "" {
		t.Errorf("same input, other output:\n%s", d)
	}
	if before["f"].State != alert.Pending {
		t.Error("step changed its input")
	}
}

func TestHoldKeepsStates(t *testing.T) {
	rule := &Rule{Name: "X"}
	bad := results{bad: map[string]match{"f": {}}}
	for _, o := range step(rule, nil, bad, time.Unix(9, 0), true) {
		if o.after.State != alert.Pending || o.transition != nil {
			t.Errorf("fired while held: %+v", o)
		}
	}
	firing := map[string]alert.Alert{"f": {Fingerprint: "f", State: alert.Firing, Truth: truth.Bad}}
	ok := results{present: map[string]struct{}{"f": {}}}
	for _, o := range step(rule, firing, ok, time.Unix(9, 0), true) {
		if o.after.State != alert.Firing {
			t.Errorf("resolved while held: %+v", o)
		}
	}
}
