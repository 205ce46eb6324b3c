package systemd

import (
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
)

// TestRealSystemd asks Debian's systemd for units that run, that failed and that it
// starts again and again.
func TestRealSystemd(t *testing.T) {
	unit := func(exec, more string) string {
		return "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\nExecStart=" + exec + "\n" + more
	}
	root := inputtest.Systemd(t, map[string]string{
		"steady.service": unit("/bin/sleep infinity", ""), "fails.service": unit("/bin/false", ""), "9-loops@x-y.service": unit("/bin/false", "Restart=always\nRestartSec=50ms\n"),
	})
	var state string
	var fault error
	active := map[string]string{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("systemd is %s: %v, %v", state, active, fault)
		}
	})
	inputtest.Until(t, "one that runs and one that failed", func() bool {
		state, fault = List(t.Context(), root, func(name, load, is []byte) {
			if string(load) == "loaded" {
				active[string(name)] = string(is)
			}
		})
		return fault == nil && active["steady.service"] == "active" && active["fails.service"] == "failed" && state == "degraded"
	})
	services := []string{"steady.service", "9-loops@x-y.service", "gone.service", "fails.service"}
	counts := map[string]uint32{}
	ask := func() bool {
		if err := Restarts(t.Context(), root, services, func(name string, n uint32) { counts[name] = n }); err != nil {
			t.Fatal(err)
		}
		return counts["9-loops@x-y.service"] >= 5
	}
	inputtest.Until(t, "started again five times", ask)
	if n, there := counts["steady.service"]; !there || n != 0 || counts["fails.service"] != 0 {
		t.Errorf("started again: %v", counts)
	}
	first := counts["9-loops@x-y.service"]
	inputtest.Until(t, "counted on", func() bool { ask(); return counts["9-loops@x-y.service"] > first })
}

// TestRestartsOfAnOldSystemd: one that does not count is no fault; none at all is.
func TestRestartsOfAnOldSystemd(t *testing.T) {
	root := daemon(t)
	never := func(name string, n uint32) { t.Errorf("%s was started again %d times", name, n) }
	if err := Restarts(t.Context(), root, []string{"a.service"}, never); err == nil {
		t.Error("a bus without systemd counts")
	}
	standIn(t, root, nil, false)
	if err := Restarts(t.Context(), root, []string{"a.service", "b.service"}, never); err != nil {
		t.Error(err)
	}
}

func TestObjectOf(t *testing.T) {
	for unit, want := range map[string]string{"ssh.service": "ssh_2eservice", "9-a@b.service": "_39_2da_40b_2eservice", "坏": "_e5_9d_8f"} {
		if got := objectOf(unit); got != object+"/unit/"+want {
			t.Errorf("%s is %s", unit, got)
		}
	}
}
