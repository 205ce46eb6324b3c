package service

import (
	"testing"

	"github.com/faultline/faultline/agent/input/inputtest"
	"github.com/faultline/faultline/plugins/base"
)

func target(options ...string) base.Target {
	t := base.Target{ID: "s", Input: "service", Options: map[string]string{}}
	for i := 0; i < len(options); i += 2 {
		t.Options[options[i]] = options[i+1]
	}
	return t
}

func TestProcesses(t *testing.T) {
	proc := inputtest.Write(t, map[string]string{"1/stat": "1 (systemd) S 0 1", "20/stat": "20 (nginx) S 1 20", "21/stat": "21 (nginx) S 20 20", "22/stat": "22 (nginx) Z 20 20",
		"30/stat": "30 (a (b) c) R 1", "40/stat": "40 (a-very-long-nam) S 1", "50/stat": "", "self/stat": "9 (nginx) R 1"})
	in := New(Options{Proc: proc})
	r := inputtest.Up(t, in, target("processes", "nginx; a-very-long-name-indeed; sshd; a (b) c", "least", "2"))
	for series, v := range map[string]float64{
		"namedprocess_namegroup_num_procs{groupname=nginx}": 2, "faultline_service_running{service=nginx}": 1, "namedprocess_namegroup_num_procs{groupname=a (b) c}": 1,
		"faultline_service_running{service=a (b) c}": 0, "namedprocess_namegroup_num_procs{groupname=a-very-long-name-indeed}": 1, "faultline_service_running{service=sshd}": 0,
	} {
		r.Want(t, series, v)
	}
	inputtest.Down(t, New(Options{Root: t.TempDir(), Proc: proc}), target("services", "nginx"), "missing")
}

func TestFits(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{{"nginx", "nginx.service", true}, {"nginx.service", "nginx.service", true}, {"postgresql@*", "postgresql@15-main.service", true}, {"ngin", "nginx.service", false}, {"cron.timer", "cron.timer", true}} {
		if got := fits(tc.pattern, tc.name); got != tc.want {
			t.Errorf("%s fits %s: %v", tc.pattern, tc.name, got)
		}
	}
}

func TestCheckTarget(t *testing.T) {
	in := New(Options{})
	for _, bad := range [][]string{{}, {"services", "a/b"}, {"services", "x["}, {"processes", "x", "least", "0"}, {"processes", "x", "more", "1"}} {
		if in.CheckTarget(target(bad...)) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// TestServicesOfARealSystemd: one that runs, one that failed, one that is not there.
func TestServicesOfARealSystemd(t *testing.T) {
	unit := "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart="
	root := inputtest.Systemd(t, map[string]string{"steady.service": unit + "/bin/sleep infinity\n", "fails.service": unit + "/bin/false\n"})
	in := New(Options{Root: root})
	tg := target("services", "steady; fails; gone")
	inputtest.Until(t, "one that runs and one that failed", func() bool { // systemd comes to the bus a moment after the bus
		r, err := inputtest.Gather(t, in, tg)
		return err == nil && r.Values["faultline_service_running{service=steady}"] == 1 && r.Values["faultline_service_running{service=fails}"] == 0
	})
	r := inputtest.Up(t, in, tg)
	for service, v := range map[string]float64{"steady": 1, "fails": 0, "gone": 0} {
		r.Want(t, "faultline_service_running{service="+service+"}", v)
	}
}
