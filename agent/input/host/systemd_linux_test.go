package host

import (
	"context"
	"io/fs"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	type unit struct{ name, load, active string }
	var there []unit
	var fault error
	state := "running"
	u := &units{list: func(_ context.Context, each func(name, load, active []byte)) (string, error) {
		for _, u := range there {
			each([]byte(u.name), []byte(u.load), []byte(u.active))
		}
		return state, fault
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
	if len(r) != 2*5+5+1 {
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
	if r = poll(); len(r) != 2*5+5+1 {
		t.Errorf("%d series after a minute: %v", len(r), r)
	}
	fault = fs.ErrNotExist
	now = now.Add(time.Second)
	poll()
	fault = nil
	if r = poll(); len(r) != 2*5+5+1 {
		t.Errorf("%d series after systemd was away: %v", len(r), r)
	}
}
