//go:build linux

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/lab/need"
)

// TestMSI makes the installer for Windows around a file that is no program, and reads
// its tables. No Windows installs it here.
func TestMSI(t *testing.T) {
	for _, program := range []string{"wixl", "msiinfo", "msiextract"} {
		if _, err := exec.LookPath(program); err != nil {
			need.Missing(t, "%s (Debian packages wixl, msitools)", program)
		}
	}
	dir := t.TempDir()
	program, msi := filepath.Join(dir, "agent.exe"), filepath.Join(dir, "agent.msi")
	if err := os.WriteFile(program, []byte("a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs("agent.wxs")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir // wixl takes no absolute paths of files
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	if out := run("wixl", "-a", "x64", "-D", "Version=0.1.7", "-D", "Program="+filepath.Base(program), "-o", msi, source); strings.Contains(out, "WARNING") {
		t.Errorf("wixl does not know all that is said:\n%s", out)
	}
	for table, want := range map[string]string{
		"ServiceInstall": "\tfaultline-agent\tFaultline Agent\t16\t2\t", // a process of its own, at every start
		"ServiceControl": "\tfaultline-agent\t162\t",                    // stopped for both, removed when uninstalled, never started
		"Property":       "ProductVersion\t0.1.7",
		"Upgrade":        "\t0.1.7\t",
		"File":           "\tfaultline-agent.exe\t9\t",
	} {
		if got := run("msiinfo", "export", msi, table); !strings.Contains(got, want) {
			t.Errorf("table %s lacks %q:\n%s", table, want, got)
		}
	}
	if got := run("msiinfo", "export", msi, "ServiceInstall"); !strings.Contains(got, `run --config "[CommonAppDataFolder]Faultline Agent\agent.yaml"`) {
		t.Errorf("the service is not given its configuration, as install.ps1 writes it:\n%s", got)
	}
	if got := strings.TrimSpace(run("msiextract", "-l", msi)); !strings.HasSuffix(got, "Faultline Agent/faultline-agent.exe") {
		t.Errorf("the package holds %s", got)
	}
}
