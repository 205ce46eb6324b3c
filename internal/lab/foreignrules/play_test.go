package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// gauge is an input with one number, or an error.
type gauge struct {
	value float64
	err   error
}

func (*gauge) Name() string                  { return "gauge" }
func (*gauge) CheckTarget(base.Target) error { return nil }

func (g *gauge) Gather(_ context.Context, _ base.Target, sink input.Sink) error {
	if g.err == nil {
		sink.Sample(base.Sample{Labels: base.LabelsFrom("queue_length", nil), Value: g.value})
	}
	return g.err
}

const tinyRules = `
groups:
  - name: tiny
    rules:
      - {alert: Long, expr: queue_length > 5, for: 2m, labels: {severity: warning}}
      - {alert: VeryLong, expr: queue_length > 50, labels: {severity: warning}}
      - {alert: LongForADay, expr: queue_length > 5, for: 1d, labels: {severity: info}}
      - {alert: Short, expr: queue_length < 1, for: 10m, labels: {severity: info}}
      - {alert: Away, expr: 'up{job="gauge"} == 0', for: 1m, labels: {severity: critical}}
      - {alert: NoSeverity, expr: queue_length > 5}
`

// What is played long enough fires and says in which act; what is not reached, not
// held long enough or never held does not.
func TestPlay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tiny.yml")
	if err := os.WriteFile(file, []byte(tinyRules), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := newTheatre(file)
	if err != nil {
		t.Fatal(err)
	}
	defer h.done()
	g := &gauge{}
	h.targets = []measured{{in: g, target: base.Target{ID: "g"}, labels: map[string]string{"job": "gauge", "instance": "g"}}}
	set := func(v float64, err error) func(context.Context) error {
		return func(context.Context) error { g.value, g.err = v, err; return nil }
	}
	began := h.now
	if err := h.play(t.Context(), []act{
		{name: "quiet", begin: set(1, nil), steps: 40},
		{name: "a short peak", begin: set(9, nil), steps: 4},
		{name: "empty for too short", begin: set(0, nil), steps: 10},
		{name: "a long queue", begin: set(9, nil), steps: 12},
		{name: "silence", begin: set(0, errors.New("away")), steps: 6},
		{name: "a week", begin: set(1, nil), steps: 84, step: 2 * time.Hour},
	}); err != nil {
		t.Fatal(err)
	}
	if played := h.now.Sub(began); played < 7*24*time.Hour {
		t.Errorf("played %s, want a week and more", played)
	}
	var out bytes.Buffer
	h.report(&out, "tiny.yml")
	for _, want := range []string{
		`Long                                         fires after 2m0s of "a long queue"`,
		`VeryLong                                     does not fire`,
		`LongForADay                                  does not fire`,
		`Short                                        does not fire`,
		`Away                                         fires after 1m0s of "silence"`,
		`NoSeverity                                   does not load: rule.yaml:4: rule NoSeverity: label severity is missing`,
		`tiny.yml: 5 of 6 rules load, 2 fire`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	failing := []act{{name: "breaks", begin: func(context.Context) error { return errors.New("no server") }, steps: 1}}
	if err := h.play(t.Context(), failing); err == nil || err.Error() != "breaks: no server" {
		t.Errorf("an act that cannot be played: %v", err)
	}
}
