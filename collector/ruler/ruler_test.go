package ruler

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/collector/truth"
	"github.com/faultline/faultline/plugins/base"
)

// answers is a Querier with prepared answers.
type answers struct {
	mu       sync.Mutex
	vectors  map[string][]metricstore.Vector
	fails    map[string]bool
	lookback map[string]time.Duration
}

func (a *answers) Instant(_ context.Context, expr string, _ time.Time, lookback time.Duration) ([]metricstore.Vector, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lookback[expr] = lookback
	if a.fails[expr] {
		return nil, errors.New("store is away")
	}
	return a.vectors[expr], nil
}

func newAnswers() *answers {
	return &answers{vectors: map[string][]metricstore.Vector{}, fails: map[string]bool{}, lookback: map[string]time.Duration{}}
}

func vector(v float64, labels map[string]string) []metricstore.Vector {
	return []metricstore.Vector{{Labels: base.LabelsFrom("m", labels), V: v}}
}

const twoRules = `
groups:
  - name: g
    rules:
      - alert: One
        expr: m == 0
        labels: {severity: major, component: '{{ $labels.port }}', port: ''}
        annotations: {summary_en: '{{ $labels.site }} is {{ $value }}', faultline_horizon: 7s}
      - alert: Two
        expr: n > 1
        labels: {severity: minor}
`

func newRuler(t *testing.T, q Querier, o Options) *Ruler {
	t.Helper()
	rules, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(twoRules)}})
	if err != nil {
		t.Fatal(err)
	}
	o.Querier, o.Rules = q, rules
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func eval(t *testing.T, r *Ruler, sec int64) Round {
	t.Helper()
	round, err := r.Eval(context.Background(), time.Unix(sec, 0))
	if err != nil {
		t.Fatal(err)
	}
	return round
}

func TestRoundChangesNothingUntilAccepted(t *testing.T) {
	q := newAnswers()
	q.vectors["m == 0"] = vector(0, map[string]string{"site": "s", "port": "p1"})
	r := newRuler(t, q, Options{})
	first, again := eval(t, r, 1), eval(t, r, 2)
	if len(first.Transitions) != 1 || len(again.Transitions) != 1 {
		t.Fatalf("a round that was not accepted was not found again: %v %v", first.Transitions, again.Transitions)
	}
	if err := r.Accept(again); err != nil {
		t.Fatal(err)
	}
	if err := r.Accept(first); err == nil {
		t.Error("a round of an older state was accepted")
	}
	next := eval(t, r, 3)
	if len(next.Transitions) != 0 || len(next.Firing) != 1 {
		t.Errorf("after accepting: %d transitions, %d firing", len(next.Transitions), len(next.Firing))
	}
	a := next.Firing[0]
	if a.Component() != "p1" || a.Labels["port"] != "" || a.Annotations["summary_en"] != "s is 0" || a.Severity() != "major" {
		t.Errorf("labels or annotations: %+v", a)
	}
	if q.lookback["m == 0"] != 7*time.Second || q.lookback["n > 1"] != 20*time.Second {
		t.Errorf("horizons: %v", q.lookback)
	}
}

func TestRestoredAlertIsUnknownUntilSeen(t *testing.T) {
	q := newAnswers()
	q.vectors["m == 0"] = vector(0, map[string]string{"site": "s", "port": "p1"})
	r := newRuler(t, q, Options{})
	stored := eval(t, r, 1).Firing
	q.vectors = map[string][]metricstore.Vector{}

	r = newRuler(t, q, Options{})
	r.Restore(append(stored, alert.Alert{Fingerprint: "gone", Name: "NoSuchRule", State: alert.Firing}))
	round := eval(t, r, 100)
	if len(round.Firing) != 1 || round.Firing[0].Truth != truth.Unknown || len(round.Transitions) != 0 {
		t.Fatalf("after a restart without data: %+v", round)
	}
	if len(round.Dropped) != 1 || round.Dropped[0] != "gone" {
		t.Errorf("alert of a rule that is gone: dropped %v", round.Dropped)
	}
	if err := r.Accept(round); err != nil {
		t.Fatal(err)
	}
	q.vectors["m == bool 0"] = vector(0, map[string]string{"site": "s", "port": "p1"})
	if round = eval(t, r, 101); len(round.Transitions) != 1 || round.Transitions[0].To != alert.Resolved {
		t.Errorf("present and not matching: %+v", round.Transitions)
	}
}

func TestFailingRuleStopsNoOther(t *testing.T) {
	q := newAnswers()
	q.vectors["m == 0"] = vector(0, map[string]string{"site": "s"})
	q.vectors["n > 1"] = vector(2, map[string]string{"site": "s"})
	r := newRuler(t, q, Options{})
	if err := r.Accept(eval(t, r, 1)); err != nil {
		t.Fatal(err)
	}
	q.fails["m == 0"] = true
	delete(q.vectors, "n > 1")
	q.vectors["n > bool 1"] = vector(0, map[string]string{"site": "s"})
	round, err := r.Eval(context.Background(), time.Unix(2, 0))
	if err == nil || !strings.Contains(err.Error(), "One") {
		t.Errorf("error %v does not name the rule", err)
	}
	if len(round.Firing) != 1 || round.Firing[0].Name != "One" || len(round.Transitions) != 1 {
		t.Errorf("firing %v, transitions %v", round.Firing, round.Transitions)
	}
	g := r.RulesAPI().Groups[0].Rules
	if g[0].Health != "err" || g[0].LastError == "" || g[1].Health != "ok" {
		t.Errorf("health: %+v", g)
	}
	if a := r.AlertsAPI().Alerts; len(a) != 2 {
		t.Errorf("alerts: %+v", a)
	}
}

func TestSettleHoldsTheFirstRounds(t *testing.T) {
	q := newAnswers()
	q.vectors["m == 0"] = vector(0, map[string]string{"site": "s"})
	r := newRuler(t, q, Options{Settle: 3 * time.Second})
	for sec, want := range []int{0, 0, 0, 1} {
		round := eval(t, r, int64(sec))
		if len(round.Firing) != want {
			t.Errorf("at %d: %d firing, want %d", sec, len(round.Firing), want)
		}
		if err := r.Accept(round); err != nil {
			t.Fatal(err)
		}
	}
}
