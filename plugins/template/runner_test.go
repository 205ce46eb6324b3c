//go:build unix

package template_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/plugins/host/spec"
	"github.com/faultline/faultline/plugins/plugintest/external"
)

// programs are what the example runs: one that appends a line, and one that goes
// on, with a child, until its group is ended.
var programs = map[string]string{
	"append": "#!/bin/sh\necho \"would append or appends $PARAM_TEXT\"\n[ \"$1\" = --check ] || echo \"$PARAM_TEXT\" >> TARGET/log\n",
	"sleep":  "#!/bin/sh\necho sleeping\nsleep 600 &\nwait\n",
}

// runnerTrial is a trial of a runner of programs.
func runnerTrial(t *testing.T, program string, files ...string) external.Trial {
	t.Helper()
	scripts, target := t.TempDir(), t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(strings.ReplaceAll(text, "TARGET", target)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return external.Trial{Contract: spec.Remedy, Program: program, Files: files, Settings: map[string]string{"scripts": scripts, "book": t.TempDir()},
		Remedy: "append", Slow: "sleep", Parameters: map[string]string{"text": "$(touch x) 一"}, Ran: func() int {
			b, _ := os.ReadFile(filepath.Join(target, "log"))
			return strings.Count(string(b), "\n")
		}}
}

// TestGoRunner: the template with the example passes the suite of runners.
func TestGoRunner(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "runner")
	if out, err := exec.Command("go", "build", "-o", program, "./go/runner").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	lines(t, filepath.Join("go", "runner", "scripts.go"))
	only(t, filepath.Join("go", "runner"), "main.go", "scripts.go")
	conform(t, runnerTrial(t, program))
}

func TestPythonRunner(t *testing.T) {
	needPython(t)
	t.Parallel()
	lines(t, filepath.Join("python", "runner.py"))
	conform(t, runnerTrial(t, filepath.Join("python", "runner.py"), "python/faultline_plugin.py", "python/faultline_runner.py", "python/faultline_plugin_pb2.py"))
}
