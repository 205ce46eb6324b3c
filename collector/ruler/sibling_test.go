package ruler

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/faultline/faultline/collector/alert"
	"github.com/faultline/faultline/collector/metricstore"
	"github.com/faultline/faultline/plugins/base"
)

const lone = `
groups:
  - name: g
    rules:
      - alert: Invalid
        expr: '(m{index=~".*ccnew.*"})'
        labels: {severity: warning}
`

// A series that is a fault by being there: it fires while it is there, keeps firing
// while nothing is known, and is gone when others of its place are measured without it.
func TestSiblings(t *testing.T) {
	rules, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(lone)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := rules.List[0].Presence; got != "m" {
		t.Fatalf("presence %q", got)
	}
	for _, bare := range []string{"m", "sum(m)", `m{index="x"} offset 1h`, `{__name__=~"m.*"}`} {
		text := "groups: [{name: g, rules: [{alert: X, expr: '" + bare + "', labels: {severity: warning}}]}]"
		if _, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s loads: when is it gone?", bare)
		}
	}
	q := newAnswers()
	r, err := New(Options{Querier: q, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	series := func(device, index string) metricstore.Vector {
		return metricstore.Vector{Labels: base.LabelsFrom("m", map[string]string{"device": device, "index": index}), V: 8192}
	}
	now := time.Unix(1_700_000_000, 0)
	for i, c := range []struct {
		bad, all []metricstore.Vector
		want     alert.State
	}{
		{[]metricstore.Vector{series("a", "x_ccnew")}, nil, alert.Firing},
		{nil, nil, alert.Firing},                                    // nothing is known
		{nil, []metricstore.Vector{series("b", "y")}, alert.Firing}, // of another place
		{nil, []metricstore.Vector{series("b", "y"), series("a", "x")}, alert.Resolved},
	} {
		q.vectors[rules.List[0].Expr], q.vectors["m"] = c.bad, c.all
		now = now.Add(time.Minute)
		round, err := r.Eval(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Accept(round); err != nil {
			t.Fatal(err)
		}
		for _, a := range r.state {
			if a.State != c.want {
				t.Errorf("step %d: %s, want %s", i, a.State, c.want)
			}
		}
		if len(r.state) != 1 {
			t.Errorf("step %d: %d alerts", i, len(r.state))
		}
	}
}
