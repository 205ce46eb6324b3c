//go:build linux

// Package packaging_test installs the agent's packages where nothing is lost by it.
package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/lab/need"
)

// onCopy runs a script on a copy of this machine's root, which is thrown away:
// what is written goes to memory. /run is empty there, so no service manager is
// found; the files of dir are seen under their own names.
const onCopy = `set -eu
mount --make-rprivate /
m=$1; shift
mount -t tmpfs tmpfs "$m"
mkdir "$m/upper" "$m/work" "$m/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$m/upper",workdir="$m/work" "$m/root"
mount -t tmpfs tmpfs "$m/root/tmp"
mount -t tmpfs tmpfs "$m/root/run"
mount -t proc proc "$m/root/proc"
mount --rbind /dev "$m/root/dev"
mkdir "$m/root/tmp/packages"
mount --bind "$1" "$m/root/tmp/packages"; shift
exec chroot "$m/root" /bin/sh /tmp/packages/life.sh "$@"
`

// build makes the packages of one version.
func build(t *testing.T, dir, version string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../.ci/package")
	cmd.Env = append(os.Environ(), "VERSION="+version, "ARCHES="+runtime.GOARCH, "BARE=", "WINDOWS=", "OUT="+filepath.Join(dir, version))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("package: %v\n%s", err, out)
	}
}

func TestLifeOfAPackage(t *testing.T) {
	if os.Getuid() != 0 {
		need.Missing(t, "root, to install packages on a copy of this machine")
	}
	for _, program := range []string{"dpkg", "rpm", "unshare", "../.cache/tools/nfpm"} {
		if _, err := exec.LookPath(program); err != nil {
			need.Missing(t, "%s", program)
		}
	}
	const older, later = "0.1.9", "0.1.10" // compared as numbers
	dir := t.TempDir()
	build(t, dir, older)
	build(t, dir, later)
	script, err := os.ReadFile("testdata/life.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "life.sh"), script, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"deb", "rpm"} {
		t.Run(kind, func(t *testing.T) {
			name := "/faultline-agent_" + runtime.GOARCH + "." + kind
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", onCopy, "sh", t.TempDir(), dir,
				kind, "/tmp/packages/"+older+name, "/tmp/packages/"+later+name)
			cmd.Env = append(os.Environ(), "OLD="+older, "NEW="+later, "LC_ALL=C.UTF-8")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "lived well") {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
	for _, name := range []string{"/usr/bin/faultline-agent", "/etc/faultline/agent.yaml", "/var/lib/faultline-agent"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is on this machine itself", name)
		}
	}
}
