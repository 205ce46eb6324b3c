package inputtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline/faultline/internal/lab/need"
)

// apart has systemd see no unit and no directory that it could write to but its own,
// and begin with the target lab.
const apart = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t cgroup2 none /sys/fs/cgroup
mount --bind "$1" /usr/lib/systemd/system
mount -t tmpfs tmpfs /etc/systemd
mount -t tmpfs tmpfs /usr/lib/systemd/system-generators
for ro in /etc /proc/sys; do mount --bind $ro $ro; mount -o remount,bind,ro $ro; done
mount -t tmpfs tmpfs /var/lib/systemd
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=lab.target --log-target=console --show-status=no`

// busConf lets everybody say everything on the bus; systemd itself answers only what
// it answers anybody.
const busConf = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>systemd:</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`

// Systemd runs Debian's systemd with these units (name → text, without dependencies
// of their own) and a bus in namespaces of its own until the test ends; all of them
// are started. It returns the root below which the bus is met: on systemd's own socket
// it takes nobody from outside. It takes root.
func Systemd(t testing.TB, units map[string]string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		need.Missing(t, "a systemd of our own takes root")
	}
	Program(t, "systemd", "systemd", "/lib/systemd")
	bus := Program(t, "dbus-daemon", "dbus-daemon")
	files := map[string]string{"lab.target": "[Unit]\nDefaultDependencies=no\nWants=dbus.socket\nWants=dbus.service\n", "bus.conf": busConf,
		"dbus.socket":  "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
		"dbus.service": "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nExecStart=" + bus + " --config-file=/usr/lib/systemd/system/bus.conf --nofork --nopidfile\n"}
	for _, name := range []string{"basic.target", "sysinit.target", "shutdown.target"} {
		files[name] = "[Unit]\nDefaultDependencies=no\n"
	}
	for name, text := range units {
		files[name] = text
		files["lab.target"] += "Wants=" + name + "\n"
	}
	cmd := exec.CommandContext(t.Context(), Program(t, "unshare", "util-linux"), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--fork", "--kill-child", "--mount-proc", "sh", "-c", apart, "sh", Write(t, files)) //nolint:gosec // ours
	Start(t, cmd)
	child := fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid)
	root := ""
	Until(t, "a systemd", func() bool {
		pid, err := os.ReadFile(child)
		if err != nil || len(pid) == 0 {
			return false
		}
		root = filepath.Join("/proc", strings.TrimSpace(string(pid)), "root")
		_, err = os.Stat(filepath.Join(root, "run/dbus/system_bus_socket"))
		return err == nil
	})
	return root
}
