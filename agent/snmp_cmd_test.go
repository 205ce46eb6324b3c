package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline/faultline/internal/lab/need"
)

// required is what `snmp describe` has to find in the recorded devices, as shares
// of what an established system finds in them; failed is the share of devices
// that may end in a crash or a time-out.
const required = "identity=0.95,interfaces=0.999,sensors=0.95,alarms=0.95,processors=0.97,memory=0.95,failed=0"

// TestDescribeScore runs the built program over every recorded device and holds
// it to what is required. Recordings, responder and judge are not part of this
// repository: FAULTLINE_SHARED says where they are.
func TestDescribeScore(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	shared := sharedFiles(t)
	dir := t.TempDir()
	agent, responder := filepath.Join(dir, "faultline-agent"), filepath.Join(dir, "snmpreplay")
	build(t, ".", agent)
	build(t, filepath.Join(shared, "tools", "snmpreplay"), responder)
	begin := time.Now()
	out, err := exec.Command("python3", filepath.Join(shared, "tools", "score_describe.py"),
		"--data", filepath.Join(shared, "data", "snmp", "dev"), "--responder", responder, "--jobs", "2", "--require", required,
		"--describe", agent+" snmp describe --address {address} --community {community}").CombinedOutput()
	t.Logf("scored in %v\n%s", time.Since(begin).Round(time.Second), out)
	if err != nil {
		t.Error(err)
	}
}

// sharedFiles returns the directory of recordings and tools.
func sharedFiles(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		need.Missing(t, "no python3: %v", err)
	}
	need.Shared(t, "tools", "score_describe.py")
	return need.Shared(t)
}

// build makes a program as it is shipped.
func build(t *testing.T, dir, file string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build in %s: %v\n%s", dir, err, out)
	}
}
