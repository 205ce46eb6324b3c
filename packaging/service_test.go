//go:build linux

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

// underSystemd starts systemd on a copy of this machine's root that is thrown away,
// with no unit but those that are needed and life.service, whose end ends it.
const underSystemd = `set -eu
mount --make-rprivate /
m=$1; packages=$2
mount -t tmpfs tmpfs "$m"
mkdir "$m/upper" "$m/work" "$m/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$m/upper",workdir="$m/work" "$m/root"
cd "$m/root"
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs run
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount --rbind /dev dev
mkdir tmp/packages
mount --bind "$packages" tmp/packages
rm -rf usr/lib/systemd/system/*.wants usr/lib/systemd/system-generators etc/systemd/system
mkdir etc/systemd/system
for unit in sysinit.target basic.target network-online.target; do printf '[Unit]\nDefaultDependencies=no\n' >etc/systemd/system/$unit; done
cp tmp/packages/life.service etc/systemd/system
mkdir run/old
pivot_root . run/old
umount -l /run/old
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=life.service --log-target=null --show-status=no`

const life = `[Unit]
DefaultDependencies=no
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
Environment=OLD=%OLD% NEW=%NEW% LC_ALL=C.UTF-8
StandardOutput=append:/tmp/packages/log
StandardError=inherit
ExecStart=/bin/sh /tmp/packages/service.sh %DEB_OLD% %DEB_NEW%
`

// TestLifeUnderSystemd installs, upgrades, downgrades and purges the deb where
// Debian's systemd is the first process, and looks at what the agent is left of root.
func TestLifeUnderSystemd(t *testing.T) {
	const older, later = "0.1.9", "0.1.10"
	dir := bothVersions(t, older, later)
	script, err := os.ReadFile("testdata/service.sh")
	if err != nil {
		t.Fatal(err)
	}
	name := "/faultline-agent_" + runtime.GOARCH + ".deb"
	unit := strings.NewReplacer("%OLD%", older, "%NEW%", later, "%DEB_OLD%", "/tmp/packages/"+older+name, "%DEB_NEW%", "/tmp/packages/"+later+name).Replace(life)
	for file, text := range map[string]string{"service.sh": string(script), "life.service": unit} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--fork", "--kill-child", "sh", "-c", underSystemd, "sh", t.TempDir(), dir)
	out, err := cmd.CombinedOutput()
	said, _ := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(said)), "lived well") {
		t.Fatalf("%v\n%s\n%s", err, out, said)
	}
	t.Logf("%s", said)
}

// bothVersions makes the packages of two versions below a directory, or ends the test
// where that cannot be.
func bothVersions(t *testing.T, versions ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		need.Missing(t, "root, to install packages on a copy of this machine")
	}
	for _, program := range []string{"dpkg", "rpm", "unshare", "/lib/systemd/systemd", "../.cache/tools/nfpm"} {
		if _, err := exec.LookPath(program); err != nil {
			need.Missing(t, "%s", program)
		}
	}
	dir := t.TempDir()
	for _, v := range versions {
		build(t, dir, v)
	}
	return dir
}
