package app

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Names in targets have bounds. They are asked beside the expressions of their
// letters, in which they would cost memory for as long as the agent runs.
func TestNamesHaveBounds(t *testing.T) {
	inputs, err := builtin(agentconfig.Config{}, t.TempDir(), nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	letters := func(n int) string { return strings.Repeat("x", n) }
	for name, c := range map[string]struct {
		input, address string
		option         func(letters string) map[string]string
		most           int // letters
	}{
		"service": {"service", "", func(s string) map[string]string { return map[string]string{"services": s} }, 200},
		"unit":    {"log", "", func(s string) map[string]string { return map[string]string{"journal": "true", "units": s} }, 200},
		"channel": {"log", "", func(s string) map[string]string { return map[string]string{"eventlog": s} }, 200},
		"ups":     {"ups", "127.0.0.1", func(s string) map[string]string { return map[string]string{"ups": s} }, 100},
		"disk":    {"smart", "", func(s string) map[string]string { return map[string]string{"devices": "/dev/" + s} }, 141},
		"metric":  {"modbus", "127.0.0.1", func(s string) map[string]string { return map[string]string{"registers": s + " holding:1 u16"} }, 100},
	} {
		in, ok := inputs[c.input].(input.Checker)
		if !ok {
			t.Fatalf("%s: no input %s", name, c.input)
		}
		target := func(s string) base.Target {
			return base.Target{ID: "t", Input: c.input, Address: c.address, Options: c.option(s), Labels: map[string]string{"device": "d", "site": "s"}}
		}
		if err := in.CheckTarget(target(letters(c.most))); err != nil {
			t.Errorf("%s of %d letters: %v", name, c.most, err)
		}
		if err := in.CheckTarget(target(letters(c.most + 1))); err == nil {
			t.Errorf("%s of %d letters is taken", name, c.most+1)
		}
	}
}
