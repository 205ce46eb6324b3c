package lab_test

import (
	"context"
	"io/fs"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/probe"
	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lab"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
	"github.com/faultline/faultline/rules"
)

// kept keeps the samples it is given.
type kept []base.Sample

func (k *kept) Sample(s base.Sample) { *k = append(*k, s) }

// Block keeps the block's samples one by one.
func (k *kept) Block(b base.Block) {
	for sm := range b.Samples() {
		k.Sample(sm)
	}
}

func (k *kept) Event(base.Event) {}

// find returns the value of the one sample that has these labels.
func (k *kept) find(t *testing.T, want map[string]string) float64 {
	t.Helper()
	for _, s := range *k {
		have := s.Labels.Map()
		maps.DeleteFunc(have, func(name, _ string) bool { _, ok := want[name]; return !ok })
		if maps.Equal(have, want) {
			return s.Value
		}
	}
	t.Errorf("no sample %v", want)
	return -1
}

// inputs are the agent's own, with the profiles it ships with.
func inputs(t *testing.T) map[string]input.Input {
	t.Helper()
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	set, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	in, err := snmp.New(snmp.Options{Profiles: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return map[string]input.Input{"snmp": in, "probe": probe.New(probe.Options{})}
}

// measure polls the practice branch with the agent's own inputs, as the
// inventory hands the targets out. It returns the samples by role and device;
// a target that gave an error is not among them.
func measure(t *testing.T, by map[string]input.Input, b *lab.Branch) map[string]*kept {
	t.Helper()
	text, err := b.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Parse("practice.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := inv.Work("practice")
	out := map[string]*kept{}
	for _, target := range w.Targets {
		in, ok := by[target.Input]
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), target.Timeout)
		got := &kept{}
		if err := in.Gather(ctx, target, got); err == nil {
			out[target.Labels["role"]+" "+target.Labels["device"]] = got
		}
		cancel()
	}
	return out
}

// The agent's own inputs see what was broken, and nothing else.
func TestAgentSeesFaults(t *testing.T) {
	const router, sw, ups, env = "device practice-rtr", "device practice-sw", "device practice-ups", "device practice-env"
	const gateway, line = "gateway practice-rtr", "line practice-line"
	name := func(metric string, labels ...string) map[string]string {
		m := map[string]string{"__name__": metric}
		for i := 0; i+1 < len(labels); i += 2 {
			m[labels[i]] = labels[i+1]
		}
		return m
	}
	const silent = -1
	type sight struct {
		of     string
		metric map[string]string
		sound  float64
	}
	sights := map[string]sight{
		"lan":     {router, name("ifOperStatus", "ifName", "lan0"), 1},
		"wan":     {router, name("ifOperStatus", "ifName", "wan0"), 1},
		"towards": {sw, name("ifOperStatus", "ifName", "p1"), 1},
		"near":    {gateway, name("probe_success"), 1},
		"far":     {line, name("probe_success"), 1},
		"source":  {ups, name("upsOutputSource"), 3},
		"volts":   {ups, name("upsInputVoltage"), 228},
		"hot":     {env, name("faultline_sensor_value", "class", "temperature", "unit", "celsius"), 24},
	}
	by := inputs(t)
	for what, differs := range map[string]map[string]float64{
		"":       {},
		"line":   {"far": 0},
		"router": {"far": 0, "near": 0, "towards": 2, "lan": silent, "wan": silent},
		"ups":    {"source": 5, "volts": 0},
		"heat":   {"hot": 41},
	} {
		b, err := lab.Start(t.Context(), lab.Options{HeatRamp: time.Nanosecond, HeatCelsius: 41, RoomCelsius: 24})
		if err != nil {
			t.Fatal(err)
		}
		if what != "" {
			if err := b.Break(what); err != nil {
				t.Fatal(err)
			}
		}
		seen := measure(t, by, b)
		for id, s := range sights {
			got, want := float64(silent), s.sound
			if k := seen[s.of]; k != nil {
				got = math.Round(k.find(t, s.metric))
			}
			if v, ok := differs[id]; ok {
				want = v
			}
			if got != want {
				t.Errorf("broken %q: %s %v is %v, want %v", what, s.of, s.metric, got, want)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
