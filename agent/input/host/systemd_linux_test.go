package host

import (
	"context"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/faultline/faultline/agent/input/inputtest"
)

func TestUnits(t *testing.T) {
	type unit struct{ name, load, active string }
	var there []unit
	var asked []string
	again := map[string]uint32{"nginx.service": 3}
	var fault error
	state := "running"
	u := &units{list: func(_ context.Context, each func(name, load, active []byte)) (string, error) {
		for _, u := range there {
			each([]byte(u.name), []byte(u.load), []byte(u.active))
		}
		return state, fault
	}, restarts: func(_ context.Context, services []string, each func(name string, n uint32)) error {
		asked = append(asked, services...)
		for _, name := range services {
			each(name, again[name])
		}
		return nil
	}}
	now := time.Unix(1_700_000_000, 0)
	poll := func() recorder {
		r, buf := recorder{}, make([]byte, 16)
		if err := u.read(t.Context(), &emitter{sink: r, cache: newLabelCache(), buf: &buf, now: func() time.Time { return now }}); err != nil && fault == nil {
			t.Fatal(err)
		}
		return r
	}
	want := func(r recorder, series string, v float64) {
		t.Helper()
		if got, ok := r[series]; !ok || got != v {
			t.Errorf("%s is %v (there: %t), want %v", series, got, ok, v)
		}
	}
	there = []unit{{"nginx.service", "loaded", "active"}, {"cron.service", "loaded", "inactive"}, {"gone.service", "not-found", "inactive"}, {"boot.mount", "loaded", "active"}}
	r := poll()
	want(r, "node_systemd_unit_state{name=nginx.service,state=active}", 1)
	want(r, "node_systemd_unit_state{name=nginx.service,state=failed}", 0)
	want(r, "node_systemd_units{state=inactive}", 1)
	want(r, "node_systemd_system_running", 1)
	want(r, "node_systemd_service_restart_total{name=nginx.service}", 3)
	if len(r) != 2*5+5+1+1 {
		t.Errorf("%d series: %v", len(r), r)
	}
	now = now.Add(10 * time.Second)
	there[0].active, state = "failed", "degraded"
	r = poll()
	want(r, "node_systemd_unit_state{name=nginx.service,state=active}", 0)
	want(r, "node_systemd_unit_state{name=nginx.service,state=failed}", 1)
	want(r, "node_systemd_system_running", 0)
	if len(r) != 5+5+1 {
		t.Errorf("%d series of one unit that changed: %v", len(r), r)
	}
	now = now.Add(time.Minute)
	if r = poll(); len(r) != 2*5+5+1+1 {
		t.Errorf("%d series after a minute: %v", len(r), r)
	}
	fault = fs.ErrNotExist
	now = now.Add(time.Second)
	poll()
	fault = nil
	if r = poll(); len(r) != 2*5+5+1+1 {
		t.Errorf("%d series after systemd was away: %v", len(r), r)
	}
	if want := []string{"nginx.service", "nginx.service", "nginx.service"}; !slices.Equal(asked, want) {
		t.Errorf("asked how often %v started again, want %v: what nobody started has nothing to say", asked, want)
	}
}

// TestRealUnits reads a systemd whose service falls again and again.
func TestRealUnits(t *testing.T) {
	loops := "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=50ms\n"
	root := inputtest.Systemd(t, map[string]string{"loops.service": loops})
	now := time.Unix(1_700_000_000, 0)
	u := newUnits(root)
	inputtest.Until(t, "started again five times", func() bool {
		now = now.Add(unitsPace)
		r, buf := recorder{}, make([]byte, 16)
		if err := u.read(t.Context(), &emitter{sink: r, cache: newLabelCache(), buf: &buf, now: func() time.Time { return now }}); err != nil {
			return false // it comes to the bus a moment after the bus
		}
		return r["node_systemd_service_restart_total{name=loops.service}"] >= 5 && r["node_systemd_unit_state{name=loops.service,state=inactive}"] == 0
	})
}
