package lab_test

import (
	"context"
	"io/fs"
	"maps"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/snmp"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lab"
	"github.com/faultline/faultline/internal/profile"
	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/rules"
)

// kept keeps the samples it is given.
type kept []base.Sample

func (k *kept) Sample(s base.Sample) { *k = append(*k, s) }
func (k *kept) Event(base.Event)     {}

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

// measure polls all SNMP targets of the practice branch with the agent's own
// input, as the inventory hands them out, and returns the samples by device.
func measure(t *testing.T, in *snmp.Input, b *lab.Branch) map[string]*kept {
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
		if target.Input != "snmp" {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		got := &kept{}
		if err := in.Gather(ctx, target, got); err == nil {
			out[target.Labels["device"]] = got
		} else if target.Labels["device"] != "practice-rtr" {
			t.Errorf("%s: %v", target.ID, err)
		}
		cancel()
	}
	return out
}

// The agent's own SNMP input sees what was broken, by the profiles it ships with.
func TestAgentSeesFaults(t *testing.T) {
	dir, err := fs.Sub(rules.FS(), "profiles")
	if err != nil {
		t.Fatal(err)
	}
	set, err := profile.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	in, err := snmp.New(snmp.Options{Profiles: set})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b, err := lab.Start(t.Context(), lab.Options{HeatRamp: time.Nanosecond, HeatCelsius: 41})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	got := measure(t, in, b)
	if len(got) != 4 {
		t.Fatalf("%d devices answer, want 4", len(got))
	}
	for _, port := range []string{"lan0", "wan0"} {
		if v := got["practice-rtr"].find(t, map[string]string{"__name__": "ifOperStatus", "ifName": port}); v != 1 {
			t.Errorf("router's %s: %v", port, v)
		}
	}
	for _, what := range []string{"ups", "heat", "router"} {
		if err := b.Break(what); err != nil {
			t.Fatal(err)
		}
	}
	got = measure(t, in, b)
	if got["practice-rtr"] != nil {
		t.Error("a dead router answers")
	}
	if v := got["practice-sw"].find(t, map[string]string{"__name__": "ifOperStatus", "ifName": "p1"}); v != 2 {
		t.Errorf("switch's port towards the router: %v", v)
	}
	if v := got["practice-ups"].find(t, map[string]string{"__name__": "upsOutputSource"}); v != 5 {
		t.Errorf("the UPS's source: %v", v)
	}
	if v := got["practice-env"].find(t, map[string]string{"__name__": "faultline_sensor_value", "class": "temperature", "unit": "celsius"}); v < 40.5 || v > 41.5 {
		t.Errorf("temperature: %v", v)
	}
}
